import { checkBoolean, checkInteger, checkNumber } from '../../core/checks.ts';
import { invalidArgument } from '../../core/errors.ts';
import { largestRank } from '../../model/adapter/adapter-config.ts';
import { adapterSetting, type RunAdapter } from './adapter-setting.ts';

export const lora: RunAdapter<'lora'> = {
  adapter: 'lora',
  ...adapterSetting<'lora'>(
    'train low-rank adapters beside the weights, which are frozen (docs/adapters.md): r=16,alpha=32,targets=q_proj+v_proj,rslora, each of which may be left out',
    {
      rank: (name, value) => checkInteger(name, value, { high: largestRank }),
      alpha: (name, value) => checkNumber(name, value, { lowExclusive: true, high: 1e6 }),
      targets: checkTargets,
      rankStabilised: checkBoolean,
    },
  ),
  option: '--lora [settings]',
  otherwise: 'none; of what is left out r=16, alpha twice r, the targets that PEFT takes for the family',
  word: {
    example: 'r=16,alpha=32,targets=q_proj+v_proj,rslora',
    parts: {
      r: { name: 'rank', read: Number },
      alpha: { name: 'alpha', read: Number },
      targets: { name: 'targets', read: (text) => (text === 'all-linear' ? text : text.split('+')) },
      rslora: { name: 'rankStabilised' },
    },
  },
  inFull: ({ rank, alpha, targets, rankStabilised }) => ({ rank, alpha, targets, rankStabilised }),
  loadedBy: 'peft',
  folder: "The folder holds adapters (LoRA) alone, in PEFT's form; the model that they belong to is not changed.",
  lasting: 'merging (`soul merge`) is what deletes',
};

function checkTargets(name: string, value: unknown): void {
  const isName = (each: unknown) => typeof each === 'string' && each !== '';
  if (value === 'all-linear' || (Array.isArray(value) && value.length > 0 && value.every(isName))) return;
  throw invalidArgument(name, "'all-linear' or a list of names of linear layers", value);
}
