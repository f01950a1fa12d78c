import { expect, test } from '@jest/globals';
import { initialize, resolve } from '../../lib/cli/module-hooks.ts';
import { packageModules, packageRoot } from '../../lib/core/package.ts';

const modules = {
  'soul-unlearn': 'file:///p/dist/index.js',
  'soul-unlearn/unlearn': 'file:///p/dist/unlearn/index.js',
};
const parentURL = 'file:///home/mine.ts';
const find = (specifier: string, throughTsx = false, parent = parentURL) => {
  initialize({ modules, root: 'file:///p/', throughTsx });
  return resolve(specifier, { parentURL: parent }, (url) => ({ url }));
};

test('names of the package are those of the package that runs, and no others', () => {
  expect(find('soul-unlearn')).toEqual({ url: modules['soul-unlearn'] });
  expect(find('soul-unlearn/unlearn')).toEqual({ url: modules['soul-unlearn/unlearn'] });
  expect(find('soul-unlearn-more')).toEqual({ url: 'soul-unlearn-more' });
  expect(() => find('soul-unlearn/unlern')).toThrow('there is no soul-unlearn/unlern; there are soul-unlearn, ');
});

test("where tsx loads TypeScript, a user's files are ES modules; the package's and those of others are as they are", () => {
  const own = { url: 'file:///home/help.ts', format: 'module', shortCircuit: true };
  expect(find('./help.ts', true)).toEqual(own);
  expect(find('file:///home/help.ts', true, 'file:///p/lib/cli.ts')).toEqual(own);
  expect(find('./help.ts')).toEqual({ url: './help.ts' });
  expect(find('./data.json', true)).toEqual({ url: './data.json' });
  expect(find('./help.ts', true, 'file:///p/lib/cli.ts')).toEqual({ url: './help.ts' });
  expect(find('./help.js', true, 'file:///home/node_modules/x/index.js')).toEqual({ url: './help.js' });
});

test('in a checkout the names stand for the sources', () => {
  expect(packageModules()['soul-unlearn/unlearn']).toBe(new URL(`file://${packageRoot}lib/unlearn/index.ts`).href);
  expect(packageModules()['soul-unlearn']).toMatch(/\/lib\/index\.ts$/);
  expect(packageModules()).not.toHaveProperty('soul-unlearn/package.json');
});
