import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from '@jest/globals';
import { packageRoot } from '../../lib/core/package.ts';

/** The folders of lib/ that each imports from, as docs/architecture.md draws the arrows. */
const below: Readonly<Record<string, readonly string[]>> = {
  core: [],
  optim: ['core'],
  model: ['core'],
  data: ['core', 'model'],
  torch: ['core', 'model'],
  unlearn: ['core', 'data', 'model', 'optim'],
  eval: ['core', 'data', 'model'],
  attack: ['core', 'data', 'eval', 'model', 'optim', 'unlearn'],
  run: ['core', 'data', 'eval', 'model', 'optim', 'unlearn'],
  study: ['attack', 'core', 'data', 'eval', 'model', 'optim', 'run', 'unlearn'],
  report: ['core', 'eval', 'run', 'study'],
  cli: ['attack', 'core', 'data', 'eval', 'model', 'optim', 'report', 'run', 'study', 'torch', 'unlearn'],
};

const lib = join(packageRoot, 'lib');

function importsOf(house: string): { file: string; from: string }[] {
  const files = readdirSync(join(lib, house), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return files.flatMap((name) => {
    const file = join(lib, house, name);
    const imports = readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g);
    return [...imports].map(([, path]) => ({
      file: relative(lib, file),
      from: relative(lib, join(dirname(file), path!)),
    }));
  });
}

test('lib/ has the houses that the architecture names', () => {
  const folders = readdirSync(lib, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).sort()).toEqual(Object.keys(below).sort());
});

test.each(Object.keys(below))('%s imports from what lies below it alone', (house) => {
  const allowed = [house, ...below[house]!];
  expect(importsOf(house).filter(({ from }) => !allowed.includes(from.split('/')[0]!))).toEqual([]);
});

test('Plot and its document are loaded by lib/report alone, and there when a page is made', () => {
  for (const house of Object.keys(below)) {
    const folder = join(lib, house);
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const text = readFileSync(join(folder, name), 'utf8');
      const loads = /^import (?!type).*'(@observablehq\/plot|linkedom)'/m.test(text);
      expect([house, name, loads]).toEqual([house, name, false]);
    }
  }
});
