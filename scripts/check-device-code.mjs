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

/** The kernels of a PTX text, each with the words of its widest access to global memory: 0, 1, 2, 4 or 8. */
export function readAccesses(ptx) {
  const kernels = new Map();
  let current;
  for (const line of ptx.split('\n')) {
    const entry = /\.entry\s+([\w$]+)/.exec(line);
    if (entry) {
      current = { loads: 0, stores: 0 };
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
    const key = kind === 'ld' ? 'loads' : 'stores';
    current[key] = Math.max(current[key], words);
  }
  return kernels;
}

/**
 * What is wrong with one part of the device code, one sentence each.
 *
 * `functions` are of {@link readCompilerReport}, `accesses` maps the name of a PTX architecture to what
 * {@link readAccesses} found in it, `needed` lists { kernels, loads, stores } with names or patterns (`*`) of kernels and
 * the words that their widest accesses must have; of several entries the first that fits a kernel counts.
 */
export function problemsOf({ part, functions, accesses, needed }) {
  const problems = [];
  for (const { name, architecture, stackFrame, spillStores, spillLoads } of functions) {
    const where = `${part}: ${name} on sm_${architecture}`;
    if (spillStores > 0 || spillLoads > 0) {
      problems.push(`${where} spills registers: ${spillStores} bytes stored, ${spillLoads} bytes loaded`);
    }
    if (stackFrame > 0) problems.push(`${where} has a stack frame of ${stackFrame} bytes`);
  }
  const used = new Set();
  const narrow = new Map();
  for (const [target, kernels] of accesses) {
    for (const [name, { loads, stores }] of kernels) {
      const entry = needed.find(({ kernels: pattern }) => wildcard(pattern).test(name));
      if (entry === undefined) {
        problems.push(
          `${part}: ${name} has no entry in scripts/device-code-accesses.json; say which accesses it needs`,
        );
        continue;
      }
      used.add(entry);
      for (const [kind, found, wanted] of [
        ['load', loads, entry.loads],
        ['store', stores, entry.stores],
      ]) {
        if (found >= wanted) continue;
        const sentence = `${part}: ${name} has no ${kind} of ${wanted} words, its widest is of ${found}`;
        narrow.set(sentence, [...(narrow.get(sentence) ?? []), target]);
      }
    }
  }
  for (const [sentence, targets] of narrow) problems.push(`${sentence}, in the PTX for ${targets.join(', ')}`);
  for (const entry of needed) {
    if (!used.has(entry)) {
      problems.push(`${part}: no kernel is named ${entry.kernels}; take it out of scripts/device-code-accesses.json`);
    }
  }
  return [...new Set(problems)];
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
