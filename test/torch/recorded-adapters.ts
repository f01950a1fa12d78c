import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type RecordedFamily,
  type RecordedTensor,
  recordedFamilies,
  withModelFolder,
  writeRecordedTensors,
} from './recorded-families.ts';

/** What adapters/record_adapters.py wrote of one case; see there. */
export interface RecordedAdapter extends Pick<RecordedFamily, 'nll' | 'gradients' | 'generated' | 'narrow'> {
  readonly family: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly RecordedTensor[];
  readonly moved: number;
}

const folder = new URL('./adapters/', import.meta.url);

export const recordedAdapters: readonly [string, RecordedAdapter][] = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => [name.replace('.json', ''), JSON.parse(readFileSync(new URL(name, folder), 'utf8'))]);

export function familyOf({ family }: RecordedAdapter): RecordedFamily {
  return new Map(recordedFamilies).get(family)!;
}

export function recordedAdapter(name: string): RecordedAdapter {
  return new Map(recordedAdapters).get(name)!;
}

/** Calls `work` with the folders of a base and of adapters that name it, which are gone afterwards. */
export async function withAdapterFolder<Result>(
  recorded: RecordedAdapter,
  work: (folders: { base: string; adapter: string }) => Promise<Result>,
): Promise<Result> {
  const { config, tensors } = familyOf(recorded);
  return withModelFolder(config, tensors, async (base) => {
    const adapter = join(base, 'adapter');
    await mkdir(adapter);
    const named = { ...recorded.config, base_model_name_or_path: '..' };
    await writeFile(join(adapter, 'adapter_config.json'), JSON.stringify(named));
    await writeRecordedTensors(join(adapter, 'adapter_model.safetensors'), recorded.tensors);
    return work({ base, adapter });
  });
}
