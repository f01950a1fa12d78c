// What the texts of a folder point to within it: the relative links of its Markdown.
//
//   node scripts/check-links.mjs FOLDER    fails where one leads nowhere
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { filesBelow } from './build-addon.mjs';

/** What a text leads to, as it stands there, without what is within a page or elsewhere. */
function targetsOf(file) {
  const text = readFileSync(file, 'utf8');
  const links = text
    .replaceAll(/^(`{3,})[\s\S]*?^\1/gm, '')
    .matchAll(/\]\(\s*<?([^)\s>]+)|<(?:a|img)[^>]*\b(?:href|src)="([^"]+)"|^\[[^\]]+\]:\s*(\S+)/gm);
  return [...links]
    .map((found) => found[1] ?? found[2] ?? found[3])
    .filter((target) => !/^([a-z][a-z0-9+.-]*:|\/\/|#)/i.test(target))
    .map((target) => decodeURIComponent(target.replace(/[?#].*$/, '')));
}

/** One sentence for each link of the folder that leads to no file in it; packages in node_modules are not looked at. */
export function problemsOfLinks(folder) {
  const root = resolve(folder);
  return [...filesBelow(root)]
    .filter((file) => file.endsWith('.md') && !relative(root, file).split(sep).includes('node_modules'))
    .flatMap((file) =>
      targetsOf(file).flatMap((target) => {
        const place = target.startsWith('/') ? join(root, target) : resolve(dirname(file), target);
        const inside = place === root || place.startsWith(root + sep);
        return inside && existsSync(place) ? [] : [`${relative(root, file)} leads to ${target}, which is not there`];
      }),
    );
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  const problems = problemsOfLinks(argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
  for (const problem of problems) console.error(`check-links: ${problem}`);
  if (problems.length > 0) exit(1);
}
