import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import ts from 'typescript';
import { packageRoot } from '../../lib/core/package.ts';

/** What an entry exports, types too. */
function exportsOf(entry: string): Set<string> {
  const source = ts.createSourceFile(entry, readFileSync(join(packageRoot, entry), 'utf8'), ts.ScriptTarget.Latest);
  const names = source.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause) return [];
    return ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map(({ name }) => name.text)
      : [];
  });
  return new Set(names);
}

/** Modules whose exports are what any method is made with; the others are parts of one method or another. */
const common = [
  ...[
    'algorithm',
    'descent-options',
    'events',
    'gradient-rule',
    'inner-method',
    'lab',
    'method',
    'objective',
    'setting',
  ],
  ...['source', 'term', 'element-walk', 'flat-buffer', 'vector-operations'],
];

/** A user's settings are completed by `settingsOf`. */
const others = ['completeSettings'];

test("what the package's own methods are made with is there for those of others", () => {
  const exported = new Set([...exportsOf('lib/index.ts'), ...exportsOf('lib/unlearn/index.ts')]);
  const used = ['objectives', 'rules', 'methods', 'algorithms'].flatMap((folder) => {
    const place = join(packageRoot, 'lib/unlearn', folder);
    return readdirSync(place).flatMap((file) => {
      const imports = readFileSync(join(place, file), 'utf8').matchAll(
        /^import (?:type )?\{([^}]*)\} from '(.*)\.ts';$/gm,
      );
      return [...imports]
        .filter(([, , from]) => common.includes(from!.split('/').at(-1)!))
        .flatMap(([, names]) => names!.split(',').map((name) => name.replace(/^\s*(type )?/, '').trim()))
        .filter((name) => name !== '');
    });
  });
  expect(used.length).toBeGreaterThan(50);
  expect([...new Set(used)].filter((name) => !exported.has(name) && !others.includes(name))).toEqual([]);
});
