// Checks that a built addon runs on systems older than the one that built it, and keeps to itself: no glibc symbol newer
// than 2.34, no libstdc++, libgcc or driver needed, nothing exported but the module's entry. Linux, with binutils.
//
//   node scripts/check-symbols.mjs prebuilds/linux-x64/node.napi.glibc.node
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { pathToFileURL } from 'node:url';

export const newestGlibc = '2.34';
const entries = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
// What every glibc system has; Node itself needs more.
const libraries = [/^libc\.so/, /^libm\.so/, /^libdl\.so/, /^libpthread\.so/, /^librt\.so/, /^ld-linux/];
// A program may take these from the system, which has a compiler; those of GCC 11 at the newest.
const compilersLibraries = [/^libstdc\+\+\.so/, /^libgcc_s\.so/, /^libatomic\.so/];
const newestGlibcxx = '3.4.29';

/** The libraries that `readelf --dynamic` names as needed. */
export function readNeeded(text) {
  return [...text.matchAll(/\(NEEDED\).*\[([^\]]+)\]/g)].map(([, name]) => name);
}

/** The symbols that `readelf --dyn-syms` lists: name, version (or undefined), and whether the file defines them. */
export function readSymbols(text) {
  const line =
    /^\s*\d+: [0-9a-f]+\s+\S+ \S+\s+(?:LOCAL|GLOBAL|WEAK|UNIQUE)\s+\S+\s+(?:\[.*\]\s+)?(\S+) ([^\s@]+)(?:@@?(\S+))?/;
  return text.split('\n').flatMap((each) => {
    const match = line.exec(each);
    return match ? [{ name: match[2], version: match[3], defined: match[1] !== 'UND' }] : [];
  });
}

const isNewer = (a, b) => {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const place = [0, 1, 2].find((each) => (left[each] ?? 0) !== (right[each] ?? 0));
  return place !== undefined && (left[place] ?? 0) > (right[place] ?? 0);
};

/** The newest glibc version among the symbols, undefined where none has one. */
export function newestGlibcOf(symbols) {
  const versions = symbols.flatMap(({ version }) => /^GLIBC_(\d.*)$/.exec(version ?? '')?.[1] ?? []);
  return versions.reduce((newest, each) => (newest === undefined || isNewer(each, newest) ? each : newest), undefined);
}

/** What keeps an addon with these libraries and symbols from running elsewhere, one sentence each. */
export function problemsOf({ needed, symbols }) {
  const problems = needed
    .filter((name) => !libraries.some((pattern) => pattern.test(name)))
    .map((name) => `it needs ${name}, which must be part of it or be found at run time`);
  for (const { name, version, defined } of symbols) {
    const glibc = /^GLIBC_(\d.*)$/.exec(version ?? '')?.[1];
    if (!defined && glibc !== undefined && isNewer(glibc, newestGlibc)) {
      problems.push(`it needs ${name} of glibc ${glibc}, newer than ${newestGlibc}`);
    }
    if (!defined && /^(GLIBCXX|CXXABI|GCC)_/.test(version ?? '')) {
      problems.push(`it needs ${name} of ${version}, of a compiler's runtime that must be part of it`);
    }
    if (defined && !entries.includes(name)) problems.push(`it exports ${name}`);
  }
  if (!symbols.some(({ name, defined }) => defined && name === entries[0])) problems.push(`it lacks ${entries[0]}`);
  return problems;
}

/** What keeps a program with these libraries and symbols, which it has from other systems too, from running elsewhere. */
export function problemsOfProgram({ needed, symbols }) {
  const problems = needed
    .filter((name) => ![...libraries, ...compilersLibraries].some((pattern) => pattern.test(name)))
    .map((name) => `it needs ${name}, which other systems may lack`);
  for (const { name, version, defined } of symbols) {
    const [, library, number] = /^(GLIBC|GLIBCXX)_(\d.*)$/.exec(version ?? '') ?? [];
    const newest = library === 'GLIBC' ? newestGlibc : newestGlibcxx;
    if (!defined && number !== undefined && isNewer(number, newest)) {
      problems.push(`it needs ${name} of ${library} ${number}, newer than ${newest}`);
    }
  }
  return problems;
}

/** Why a program cannot be taken along to another Linux; undefined where it can. */
export function problemOfProgram(file) {
  if (readFileSync(file).subarray(0, 4).toString('latin1') !== '\x7fELF') return 'it is a script, not machine code';
  return problemsOfProgram({
    needed: readNeeded(read('readelf', '--dynamic', '--wide', file)),
    symbols: readSymbols(read('readelf', '--dyn-syms', '--wide', file)),
  })[0];
}

function read(command, ...words) {
  const { status, stdout, stderr, error } = spawnSync(command, words, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status === 0) return stdout;
  throw new Error(`${command} ${words.join(' ')} failed (Debian: apt install binutils): ${error?.message ?? stderr}`);
}

/** Throws with every problem of the addon; returns the newest glibc version that it needs, and the libraries. */
export function checkSymbols(file) {
  const needed = readNeeded(read('readelf', '--dynamic', '--wide', file));
  const symbols = readSymbols(read('readelf', '--dyn-syms', '--wide', file));
  if (symbols.length === 0) throw new Error(`${file} has no dynamic symbols`);
  const problems = problemsOf({ needed, symbols });
  if (problems.length > 0) throw new Error(`${file} is not fit for other systems:\n${problems.join('\n')}`);
  return { glibc: newestGlibcOf(symbols), needed };
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  try {
    if (argv.length < 3) throw new Error('name the addon to check');
    for (const file of argv.slice(2)) {
      const { glibc, needed } = checkSymbols(file);
      console.log(`${file}: needs glibc ${glibc} and ${needed.join(', ')}; exports its entry alone`);
    }
  } catch (error) {
    console.error(`check-symbols: ${error.message}`);
    exit(1);
  }
}
