import { checkChoice, checkInteger } from '../../core/checks.ts';
import { bottleneckActivations, widestBottleneck } from '../../model/adapter/unlearning-layers.ts';
import { adapterSetting, type RunAdapter } from './adapter-setting.ts';

export const unlearningLayers: RunAdapter<'unlearning-layers'> = {
  adapter: 'unlearning-layers',
  ...adapterSetting<'unlearning-layers'>(
    'train a small bottleneck behind each MLP, beside the weights, which are frozen; what several deletions trained can be fused (EUL, whose objective is --method eul; docs/unlearning-layers.md): bottleneck=32,activation=gelu, each of which may be left out',
    {
      bottleneck: (name, value) => checkInteger(name, value, { high: widestBottleneck }),
      activation: (name, value) => checkChoice(name, value, bottleneckActivations),
    },
  ),
  option: '--unlearning-layers [settings]',
  otherwise: "none; of what is left out a sixteenth of the model's width, gelu",
  insteadOf: 'lora',
  word: {
    example: 'bottleneck=32,activation=gelu',
    parts: {
      bottleneck: { name: 'bottleneck', read: Number },
      activation: { name: 'activation', read: (text) => text },
    },
  },
  inFull: ({ bottleneck, activation }) => ({ bottleneck, activation }),
  loadedBy: 'soul-unlearn',
  folder:
    'The folder holds unlearning layers (EUL) alone, which soul-unlearn loads; the model that they belong to is not changed.',
  lasting:
    'unlearning layers cannot be merged into it, so it must not be handed out where the deletion is to stand (LoRA merged, or a run on all weights, deletes)',
};
