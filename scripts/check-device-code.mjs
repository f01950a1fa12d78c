// What the build demands of the kernels' machine code, as functions over what the compiler says: no spills, no stack
// frames, no warnings, and wide memory accesses wherever scripts/device-code-accesses.json wants them.

const wildcard = (pattern) => new RegExp(`^${pattern.split('*').join('.*')}$`);

/**
 * The functions that ptxas (`-Xptxas -v`) reports on: name, architecture, registers and bytes of stack frame and spills.
 * A report that leaves out one of these figures is an error: the compiler then writes otherwise than is read here.
 */
export function readCompilerReport(report) {
  const functions = [];
  let architecture;
  let current;
  for (const line of report.split('\n')) {
    const entry = /Compiling entry function '(\S+)' for 'sm_(\d+)/.exec(line);
    if (entry) architecture = Number(entry[2]);
    const properties = /Function properties for (\S+)/.exec(line);
    if (properties) {
      current = { name: properties[1], architecture };
      functions.push(current);
    }
    const memory = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (memory && current) {
      [current.stackFrame, current.spillStores, current.spillLoads] = memory.slice(1).map(Number);
    }
    const used = /Used (\d+) registers/.exec(line);
    if (used && current) current.registers = Number(used[1]);
  }
  for (const { name, stackFrame } of functions) {
    if (stackFrame === undefined) throw new Error(`the compiler's report says nothing of the stack frame of ${name}`);
  }
  return functions;
}

/** The first line in which the compiler warns; undefined where none does. */
export function readWarning(report) {
  return report.split('\n').find((line) => /\bwarning\b/i.test(line));
}

/** The kernels of a PTX text, each with the widths of its loads and stores of global memory, in words: 1, 2, 4 or 8. */
export function readAccesses(ptx) {
  const kernels = new Map();
  let current;
  for (const line of ptx.split('\n')) {
    const entry = /\.entry\s+([\w$]+)/.exec(line);
    if (entry) {
      current = { loads: [], stores: [] };
      kernels.set(entry[1], current);
    } else if (/^\s*(\.\w+\s+)*\.func\b/.test(line)) {
      current = undefined;
    }
    const access = /^\s*(?:@!?%p\d+\s+)?(ld|st)\.((?:\w+(?:::\w+)*\.)*)[bfsu](\d+)\s/.exec(line);
    if (!access || !current) continue;
    const [, kind, qualifiers, bits] = access;
    if (!qualifiers.includes('global.')) continue;
    const elements = Number(/\bv(\d)\./.exec(qualifiers)?.[1] ?? 1);
    const words = Math.max(1, Math.floor((elements * Number(bits)) / 32));
    current[kind === 'ld' ? 'loads' : 'stores'].push(words);
  }
  return kernels;
}

const kinds = ['loads', 'stores'];
const entryOf = (name, widths) => widths.find(({ kernels }) => wildcard(kernels).test(name));
/** The words that accesses of more than one word move: fewer where one becomes narrower, or several single ones. */
const vectorWords = (found) => found.reduce((sum, words) => (words > 1 ? sum + words : sum), 0);

/** The words that each kernel's vector accesses move, on the architecture where they are fewest; 0 where none is wanted. */
export function countsOf({ accesses, widths }) {
  const counts = {};
  for (const kernels of accesses.values()) {
    for (const [name, found] of kernels) {
      const entry = entryOf(name, widths);
      if (entry === undefined) continue;
      for (const kind of kinds) {
        counts[name] ??= {};
        const words = entry[kind] > 0 ? vectorWords(found[kind]) : 0;
        counts[name][kind] = Math.min(counts[name][kind] ?? Infinity, words);
      }
    }
  }
  return counts;
}

/**
 * What is wrong with one part of the device code, one sentence each.
 *
 * `functions` are of {@link readCompilerReport}, `accesses` maps an architecture to what {@link readAccesses} found in its
 * PTX. `widths` lists { kernels, loads, stores } with names or patterns (`*`) of kernels and the words that their widest
 * accesses must have; of several entries the first that fits a kernel counts. `counts` tells for every kernel how many words
 * its vector accesses must move together, in the program's text, so that no single one hides a loop without.
 */
export function problemsOf({ part, functions, accesses, widths, counts }) {
  const problems = [];
  for (const { name, architecture, stackFrame, spillStores, spillLoads } of functions) {
    const where = `${part}: ${name} on sm_${architecture}`;
    if (spillStores > 0 || spillLoads > 0) {
      problems.push(`${where} spills registers: ${spillStores} bytes stored, ${spillLoads} bytes loaded`);
    }
    if (stackFrame > 0) problems.push(`${where} has a stack frame of ${stackFrame} bytes`);
  }
  // A sentence for all architectures that it holds for.
  const told = new Map();
  const tell = (architecture, sentence) => told.set(sentence, [...(told.get(sentence) ?? []), architecture]);
  const names = new Set([...Object.keys(counts), ...[...accesses.values()].flatMap((kernels) => [...kernels.keys()])]);
  for (const name of names) {
    const entry = entryOf(name, widths);
    if (entry === undefined || counts[name] === undefined) {
      problems.push(
        `${part}: ${name} has no entry in scripts/device-code-accesses.json; say how wide its accesses must be, and write ` +
          'their number with: node scripts/build-device-code.mjs --count',
      );
      continue;
    }
    for (const [architecture, kernels] of accesses) {
      const found = kernels.get(name);
      if (found === undefined) {
        tell(architecture, `there is no kernel ${name}, of which scripts/device-code-accesses.json speaks`);
        continue;
      }
      if (!functions.some((each) => each.name === name && each.architecture === architecture)) {
        tell(architecture, `the compiler's report says nothing of ${name}`);
      }
      for (const kind of kinds) {
        const widest = Math.max(0, ...found[kind]);
        const [count, least] = [vectorWords(found[kind]), counts[name][kind]];
        if (widest < entry[kind]) {
          tell(architecture, `${name} has no ${kind} of ${entry[kind]} words, the widest are of ${widest}`);
        } else if (count < least) {
          tell(architecture, `${name} has vector ${kind} of ${count} words together, where ${least} are wanted`);
        }
      }
    }
  }
  for (const [sentence, where] of told) {
    problems.push(`${part}: ${sentence}, on ${where.map((each) => `sm_${each}`).join(', ')}`);
  }
  for (const { kernels } of widths) {
    if (![...names].some((name) => wildcard(kernels).test(name))) {
      problems.push(`${part}: no kernel is named ${kernels}; take it out of scripts/device-code-accesses.json`);
    }
  }
  return problems;
}

/** A table of kernel by architecture with the registers of each, as text. */
export function registerTable(functions) {
  const architectures = [...new Set(functions.map(({ architecture }) => architecture))].sort((a, b) => a - b);
  const rows = new Map();
  for (const { name, architecture, registers } of functions) {
    if (registers === undefined) continue;
    if (!rows.has(name)) rows.set(name, new Map());
    rows.get(name).set(architecture, registers);
  }
  const width = Math.max(6, ...[...rows.keys()].map((name) => name.length));
  const cells = (values) => values.map((value) => String(value).padStart(7)).join('');
  return [
    `${'kernel'.padEnd(width)}${cells(architectures.map((architecture) => `sm_${architecture}`))}`,
    ...[...rows]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, row]) => `${name.padEnd(width)}${cells(architectures.map((each) => row.get(each) ?? ''))}`),
  ].join('\n');
}
