/**
 * Writes docs/picture.svg, the README's picture, from the trials of a study that are committed: a figure of its report, with its legend, as one
 * SVG that is light or dark as the reader's system is.
 *
 * @module
 */

import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../lib/core/package.ts';
import { paths } from '../lib/report/figures/study/paths.ts';
import { figurePicture } from '../lib/report/picture.ts';
import { Drawer } from '../lib/report/plot/draw.ts';
import { readStudyFolder } from '../lib/report/study-folder.ts';

export const pictureFile = 'docs/picture.svg';

/** The study that the picture is of. */
export const pictureStudy = 'studies/results/demo';

/** The picture of a study's folder. */
export async function pictureText(folder: string): Promise<string> {
  const { source } = await readStudyFolder(folder);
  return figurePicture([paths], source, await Drawer.load());
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const folder = join(packageRoot, pictureStudy);
  if (!existsSync(join(folder, 'study.json')))
    throw new Error(`${pictureStudy} has no study.json; run the study first`);
  pictureText(folder).then((text) => {
    writeFileSync(join(packageRoot, pictureFile), text);
    console.log(`written: ${pictureFile}`);
  });
}
