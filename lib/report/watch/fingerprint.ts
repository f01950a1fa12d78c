/**
 * Whether a folder has changed since it was last read.
 *
 * @module
 */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { evaluationsName, metricsName, recordName } from '../../run/run-files.ts';
import { type ReportFolder, reportFolder } from '../report-source.ts';
import { studyName } from '../study-folder.ts';

/** Files whose size or time says so; looked at again and again, since not all file systems tell of changes. */
export async function fingerprint(folder: string): Promise<{ readonly found: ReportFolder; readonly mark: string }> {
  const found = await reportFolder(folder);
  const files =
    found.kind === 'study'
      ? [studyName, ...(await trialFiles(found.folder))]
      : [recordName, metricsName, evaluationsName];
  const marks = await Promise.all(
    files.map(async (name) => {
      const about = await stat(join(found.folder, name)).catch(() => undefined);
      return about && `${name}:${about.size}:${about.mtimeMs}:${about.ino}`;
    }),
  );
  return { found, mark: [found.folder, ...marks].join('\n') };
}

async function trialFiles(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'trials')).catch(() => []);
  return names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join('trials', name));
}
