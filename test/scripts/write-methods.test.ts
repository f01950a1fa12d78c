import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { packageRoot } from '../../lib/core/package.ts';
import { runSettings } from '../../lib/run/run-settings.ts';
import * as unlearn from '../../lib/unlearn/index.ts';
import { methodsDocument, methodsFile } from '../../scripts/write-methods.ts';

const document = methodsDocument();

test('docs/methods.md is current; npm run docs:methods writes it', () => {
  expect(readFileSync(join(packageRoot, methodsFile), 'utf8')).toBe(document);
});

test('it has a section for each method, objective and gradient rule, and a row for each setting of a run', () => {
  const sections = [...document.matchAll(/^### (\S+)$/gm)].map(([, name]) => name!);
  expect(new Set(sections).size).toBe(sections.length);
  for (const { name } of unlearn.algorithms) expect(sections).toContain(name);
  const makers = sections.filter((name) => !unlearn.algorithms.some((each) => each.name === name));
  expect(makers).toEqual(expect.arrayContaining(['crossEntropy', 'negativePreference', 'minNorm', 'projectConflicts']));
  // Whatever it names can be imported.
  expect(Object.keys(unlearn)).toEqual(expect.arrayContaining(makers));
  for (const [name, { kind }] of Object.entries(runSettings)) {
    expect(document).toContain(kind === 'group' ? `\n| \`${name}.` : `\n| \`${name}\` | `);
  }
  expect(document).not.toMatch(/^\| \S+ \| +\|/m);
});
