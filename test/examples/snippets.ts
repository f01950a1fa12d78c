/**
 * README.md's TypeScript, as programs: each block as it stands there, with what its reader is assumed to have (preludes/).
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packageRoot } from '../../lib/core/package.ts';

const require = createRequire(import.meta.url);
const preludes = fileURLToPath(new URL('preludes', import.meta.url));

/** A block of TypeScript in a document. */
export interface Snippet {
  /** Of the nearest heading above it: lower case, with hyphens. */
  readonly name: string;
  /** Of its first line, counted from 1. */
  readonly line: number;
  readonly code: string;
}

/** The blocks of a document whose language is TypeScript or JavaScript. */
export function snippetsOf(text: string): Snippet[] {
  const snippets: Snippet[] = [];
  let heading = 'top';
  let open: { fence: string; line: number; code: string[]; isScript: boolean } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const [, fence, language = ''] = /^(```+)\s*(\w*)/.exec(line) ?? [];
    if (open === undefined) {
      heading = /^#+ (.*)/.exec(line)?.[1] ?? heading;
      const isScript = /^(ts|typescript|mts|tsx|js|javascript|mjs|jsx)$/.test(language);
      if (fence !== undefined) open = { fence, line: index + 2, code: [], isScript };
    } else if (line === open.fence) {
      const name = heading.toLowerCase().replace(/\W+/g, '-');
      if (open.isScript) snippets.push({ name, line: open.line, code: open.code.join('\n') });
      open = undefined;
    } else {
      open.code.push(line);
    }
  }
  return snippets;
}

/** The names of the preludes. */
export const preludeNames = (): string[] => readdirSync(preludes).map((file) => file.replace(/\.ts$/, ''));

/**
 * Writes a block as `<name>.mts` into a folder, on the lines that it has in its document. What the prelude exports is in scope;
 * after the block the program prints what the prelude's `report` returns, where it has one, as a line of JSON.
 *
 * @throws Error for a block that has no prelude
 */
export function writeProgram(folder: string, { name, line, code }: Snippet): string {
  const prelude = join(preludes, `${name}.ts`);
  if (!existsSync(prelude)) {
    throw new Error(
      `the block at line ${line} of README.md has no prelude: write test/examples/preludes/${name}.ts, which exports what the ` +
        'block takes for granted, with a function `report` of what the block did to it, and a test that runs it',
    );
  }
  const exported = /^export (?:async )?(?:const|let|function) (\w+)/gm;
  const names = [...readFileSync(prelude, 'utf8').matchAll(exported)].map(([, word]) => word);
  const file = join(folder, `${name}.mts`);
  // Without names an import would be left out, and what the prelude makes with it.
  const head =
    names.length > 0
      ? `import { ${names.join(', ')} } from ${JSON.stringify(prelude)};`
      : `import ${JSON.stringify(prelude)};`;
  const tail = names.includes('report') ? 'console.log(JSON.stringify(await report()));' : '';
  writeFileSync(file, `${head}${'\n'.repeat(line - 1)}${code}\n${tail}\n`);
  return file;
}

/**
 * Writes the folder's tsconfig.json: the checkout's, in which the package's names stand for its sources.
 *
 * @param files what tsc checks
 */
export function writeSettings(folder: string, files: readonly string[]): string {
  const { name, exports } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, string | { default: string }>;
  };
  const paths: Record<string, string[]> = {};
  for (const [entry, target] of Object.entries(exports)) {
    if (typeof target === 'string') continue;
    const source = target.default.replace(/^\.\/dist\//, 'lib/').replace(/\.js$/, '.ts');
    paths[name + entry.slice(1)] = [join(packageRoot, source)];
  }
  const settings = {
    extends: join(packageRoot, 'tsconfig.json'),
    compilerOptions: {
      noEmit: true,
      allowImportingTsExtensions: true,
      rewriteRelativeImportExtensions: false,
      // A block may show what a call returns and leave it at that.
      noUnusedLocals: false,
      types: ['node'],
      typeRoots: [join(packageRoot, 'node_modules/@types')],
      paths,
    },
    include: [],
    files,
  };
  const file = join(folder, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(settings));
  return file;
}

/** What TypeScript has to say about the files of a tsconfig.json; nothing, where all is well. */
export function typeErrors(settings: string): string {
  const words = [require.resolve('typescript/bin/tsc'), '--project', settings, '--pretty', 'false'];
  const { stdout, stderr, status } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  return status === 0 ? '' : stdout + stderr;
}

/** What a program printed. */
export interface Printed {
  readonly lines: string[];
  readonly stderr: string;
}

/**
 * Runs a TypeScript file in a process of its own.
 *
 * @param folder its working directory, with the tsconfig.json of {@link writeSettings}
 * @throws Error when it does not end well
 */
export function runProgram(folder: string, file: string, ...words: string[]): Printed {
  const loader = pathToFileURL(require.resolve('tsx')).href;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--import', loader, file, ...words], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, TSX_TSCONFIG_PATH: join(folder, 'tsconfig.json') },
  });
  if (status !== 0) throw new Error(`${file} ended with ${signal ?? status}:\n${stdout}${stderr}`);
  return { lines: stdout.trimEnd().split('\n'), stderr };
}

/** Runs README.md's block of that name in a folder, with what its prelude makes there. */
export function runSnippet(folder: string, name: string, ...words: string[]): Printed {
  const snippet = readmeSnippets().find((each) => each.name === name);
  if (snippet === undefined) throw new Error(`README.md has no block under a heading "${name}"`);
  const file = writeProgram(folder, snippet);
  writeSettings(folder, [file]);
  return runProgram(folder, file, ...words);
}

/** README.md's blocks. */
export function readmeSnippets(): Snippet[] {
  return snippetsOf(readFileSync(join(packageRoot, 'README.md'), 'utf8'));
}
