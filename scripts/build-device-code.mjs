// Compiles the kernels (native/kernels/cuda/*.cu) with nvcc into one .fatbin for each part: machine code of every
// architecture, and PTX for others. Needs no GPU. Fails on a warning, a spill, a stack frame, and where a kernel lacks the
// wide memory accesses that scripts/device-code-accesses.json names (an addon built for the GPU that is there does without
// these demands). What was compiled before is not compiled again.
//
//   node scripts/build-device-code.mjs                  all architectures, into build-cuda/device-code
//   node scripts/build-device-code.mjs --arch 90        one architecture and its PTX, into build-cuda/device-code-90
//   --out FOLDER     another folder        --force    compile again what is there
//   --json           print kernels and registers as JSON        --quiet    print nothing unless it fails
//   --count          write the words that vector accesses of each kernel move, as they are now, into that file
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { argv, env, exit, pid } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  countsOf,
  problemsOf,
  readAccesses,
  readCompilerReport,
  readWarning,
  registerTable,
} from './check-device-code.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const native = join(root, 'native');

/** Machine code for each of these. */
export const architectures = [75, 80, 86, 89, 90, 100, 103, 120];
/** PTX, which the driver compiles: the first for what lies between, the second for what comes later. */
const ptxArchitectures = [75, 120];
export const parts = ['optimizers', 'vectors', 'tokens'];

// Without -fmad=false the arithmetic would not have the CPU's bits; std::bit_cast and other constexpr functions are called.
const flags = ['-std=c++20', '-O3', '-fmad=false', '--expt-relaxed-constexpr', '-Xptxas', '-v'];
const accessesFile = join(root, 'scripts', 'device-code-accesses.json');

/** The number that the option --arch names, undefined where it is not given. */
export function architectureOf(word) {
  if (word === undefined) return undefined;
  if (/^\d{2,3}$/.test(word)) return Number(word);
  throw new Error(`--arch must be a compute capability without its point, for instance 90, but is ${word}`);
}

/** The first nvcc of SOUL_NVCC, the PATH, CUDA_HOME and /usr/local/cuda that runs: its command and version. */
export function findNvcc() {
  const places = env.SOUL_NVCC
    ? [env.SOUL_NVCC]
    : ['nvcc', ...[env.CUDA_HOME, '/usr/local/cuda'].filter(Boolean).map((folder) => join(folder, 'bin', 'nvcc'))];
  for (const command of places) {
    const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
    const version = /release (\d+\.\d+), V(\S+)/.exec(stdout ?? '')?.[2];
    if (status === 0 && version !== undefined) return { command, version };
  }
  return undefined;
}

/** The architectures that this nvcc has machine code for. */
function architecturesOf(nvcc) {
  const { stdout } = spawnSync(nvcc.command, ['--list-gpu-code'], { encoding: 'utf8' });
  return new Set([...(stdout ?? '').matchAll(/sm_(\d+)/g)].map(([, number]) => Number(number)));
}

function requireNvcc(wanted) {
  const nvcc = findNvcc();
  if (nvcc === undefined) {
    throw new Error(
      `nvcc was not found (${env.SOUL_NVCC ? `SOUL_NVCC is ${env.SOUL_NVCC}` : 'looked on the PATH and in /usr/local/cuda/bin'}); ` +
        'install the CUDA toolkit 13.0, or name its nvcc in SOUL_NVCC.',
    );
  }
  const known = architecturesOf(nvcc);
  const unknown = wanted.filter((architecture) => !known.has(architecture));
  if (unknown.length > 0) {
    throw new Error(
      `nvcc ${nvcc.version} has no code for ${unknown.map((each) => `sm_${each}`).join(', ')}; ` +
        `use CUDA 13.0, or choose one architecture with --arch (it knows ${[...known].join(', ')}).`,
    );
  }
  return nvcc;
}

/** A part's sources, itself and all that it includes, and what compiles them, as one hash. */
function keyOf(nvcc, part) {
  const settings = [nvcc.version, ...flags, env.NVCC_PREPEND_FLAGS ?? '', env.NVCC_APPEND_FLAGS ?? ''];
  const hash = createHash('sha256').update(settings.join('\n'));
  const included = new Set([`kernels/cuda/${part}.cu`]);
  // A set gives what is added to it meanwhile, too.
  for (const name of included) {
    const text = readFileSync(join(native, name), 'utf8');
    hash.update(`\n${name}\n`).update(text);
    for (const [, other] of text.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)) {
      if (existsSync(join(native, other))) included.add(other);
    }
  }
  return `${part}-${hash.digest('hex').slice(0, 32)}`;
}

function run(command, words, cwd) {
  return new Promise((done) => {
    let output = '';
    const child = spawn(command, words, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (text) => {
      output += text;
    });
    child.stderr.on('data', (text) => {
      output += text;
    });
    child.on('error', (error) => done({ status: 1, output: `${command}: ${error.message}` }));
    child.on('close', (status) => done({ status, output }));
  });
}

/** One part for one architecture: files sm_<architecture>.cubin, .ptx and .txt (what the compiler said) in `folder`. */
async function compile(nvcc, folder, part, architecture, force) {
  const name = join(folder, `sm_${architecture}`);
  const finished = ['.cubin', '.ptx', '.txt'].every((extension) => existsSync(name + extension));
  if (finished && !force) return;
  const workplace = `${name}.${pid}`;
  mkdirSync(workplace, { recursive: true });
  try {
    const words = [...flags, '-I', native, `-arch=sm_${architecture}`, '--cubin', '--keep', '--keep-dir', workplace];
    const cubin = join(workplace, `${part}.cubin`);
    const source = join(native, 'kernels', 'cuda', `${part}.cu`);
    const { status, output } = await run(nvcc.command, [...words, source, '-o', cubin], root);
    if (status !== 0) {
      const lines = output.trim().split('\n');
      throw new Error(
        [`${part}.cu for sm_${architecture} could not be compiled:`, ...lines.slice(0, 40)].join('\n') +
          (lines.length > 40 ? `\n(${lines.length - 40} lines more)` : ''),
      );
    }
    writeFileSync(join(workplace, `${part}.txt`), output);
    for (const extension of ['.cubin', '.ptx', '.txt']) renameSync(join(workplace, part + extension), name + extension);
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
}

/** Runs `work` on each item, as many at a time as there are processors. */
async function forEach(items, work) {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), items.length) }, worker));
}

/** The program fatbinary that belongs to nvcc. */
function fatbinaryOf(nvcc) {
  const { stdout, stderr } = spawnSync(
    nvcc.command,
    ['--dryrun', '--fatbin', '-arch=sm_75', '-x', 'cu', '/dev/null', '-o', 'none'],
    {
      encoding: 'utf8',
    },
  );
  const folder = /^#\$ _HERE_=(.+)$/m.exec(`${stdout}${stderr}`)?.[1];
  const beside = folder === undefined ? undefined : join(folder.trim(), 'fatbinary');
  return beside !== undefined && existsSync(beside) ? beside : 'fatbinary';
}

const readNeeded = () => JSON.parse(readFileSync(accessesFile, 'utf8'));

/** Writes the words that vector accesses of every part's kernels move; the widths in the file stay as they are. */
function writeCounts(counts) {
  const lines = (values, indent) =>
    values.map(([key, value]) => `${indent}${JSON.stringify(key)}: ${value}`).join(',\n');
  const { widths } = readNeeded();
  const sections = { widths: [], counts: [] };
  for (const part of parts) {
    const entries = widths[part].map(
      ({ kernels, loads, stores }) => `      { "kernels": "${kernels}", "loads": ${loads}, "stores": ${stores} }`,
    );
    sections.widths.push([part, `[\n${entries.join(',\n')}\n    ]`]);
    const rows = Object.entries(counts[part]).sort(([a], [b]) => (a < b ? -1 : 1));
    const kernels = rows.map(([name, { loads, stores }]) => [name, `{ "loads": ${loads}, "stores": ${stores} }`]);
    sections.counts.push([part, `{\n${lines(kernels, '      ')}\n    }`]);
  }
  const text = Object.entries(sections).map(([name, values]) => [name, `{\n${lines(values, '    ')}\n  }`]);
  writeFileSync(accessesFile, `{\n${lines(text, '  ')}\n}\n`);
}

/** Writes the .fatbin of each part into folder `target`, where they are not there as the stamp says. */
async function pack({ nvcc, folders, target, wanted, ptx, stamp, force }) {
  const stampFile = join(target, 'stamp');
  const files = parts.map((part) => join(target, `${part}.fatbin`));
  const isFresh = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (!force && isFresh && files.every((file) => existsSync(file))) return;
  mkdirSync(target, { recursive: true });
  rmSync(stampFile, { force: true });
  const fatbinary = fatbinaryOf(nvcc);
  // Without it machine code lies there as it is, six times as large.
  const compression = ['--compress-all', ...(Number.parseInt(nvcc.version, 10) >= 13 ? ['--compress-mode=size'] : [])];
  await forEach(parts, async (part) => {
    const file = join(target, `${part}.fatbin`);
    const words = [`--create=${file}`, '-64', ...compression];
    for (const each of wanted)
      words.push(`--image3=kind=elf,sm=${each},file=${join(folders[part], `sm_${each}.cubin`)}`);
    for (const each of ptx) words.push(`--image3=kind=ptx,sm=${each},file=${join(folders[part], `sm_${each}.ptx`)}`);
    const { status, output } = await run(fatbinary, words, root);
    if (status !== 0) throw new Error(`${part}.fatbin could not be written:\n${output}`);
  });
  writeFileSync(stampFile, stamp);
}

/**
 * Compiles what is missing, and checks it where `strict`: what another compiler makes of the kernels may be slower, not
 * wrong. Returns { folder, nvcc, architectures, functions }; throws with every problem that was found.
 */
export async function buildDeviceCode({
  arch,
  out,
  force = false,
  strict = true,
  count = false,
  onProgress = () => {},
} = {}) {
  if (count && arch !== undefined) throw new Error('--count counts on all architectures, without --arch');
  const wanted = arch === undefined ? architectures : [arch];
  const ptx = arch === undefined ? ptxArchitectures : [arch];
  const nvcc = requireNvcc(wanted);
  const keys = parts.map((part) => keyOf(nvcc, part));
  const objects = join(root, 'build-cuda', 'objects');
  const folders = Object.fromEntries(parts.map((part, i) => [part, join(objects, keys[i])]));
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true });
  for (const other of readdirSync(objects)) {
    if (!keys.includes(other)) rmSync(join(objects, other), { recursive: true, force: true });
  }

  const jobs = parts.flatMap((part) => wanted.map((architecture) => ({ part, architecture })));
  const failures = [];
  await forEach(jobs, async ({ part, architecture }) => {
    // What one architecture does not compile, the others hardly will.
    if (failures.length > 0) return;
    try {
      await compile(nvcc, folders[part], part, architecture, force);
      onProgress(`${part} for sm_${architecture}`);
    } catch (error) {
      failures.push(error.message);
    }
  });
  if (failures.length > 0) throw new Error(failures.join('\n'));

  const functions = [];
  const counts = {};
  for (const part of parts) {
    const textOf = (architecture, extension) =>
      readFileSync(join(folders[part], `sm_${architecture}.${extension}`), 'utf8');
    const compiled = wanted.flatMap((architecture) => readCompilerReport(textOf(architecture, 'txt')));
    functions.push(...compiled.map((each) => ({ part, ...each })));
    if (!strict) continue;
    for (const architecture of wanted) {
      const warning = readWarning(textOf(architecture, 'txt'));
      if (warning !== undefined) failures.push(`${part}.cu for sm_${architecture}: ${warning}`);
    }
    const accesses = new Map(wanted.map((architecture) => [architecture, readAccesses(textOf(architecture, 'ptx'))]));
    const { widths, counts: needed } = readNeeded();
    counts[part] = count ? countsOf({ accesses, widths: widths[part] }) : needed[part];
    failures.push(...problemsOf({ part, functions: compiled, accesses, widths: widths[part], counts: counts[part] }));
  }
  if (failures.length > 0) throw new Error(failures.join('\n'));
  if (count) writeCounts(counts);

  const target = resolve(out ?? join(root, 'build-cuda', arch === undefined ? 'device-code' : `device-code-${arch}`));
  await pack({ nvcc, folders, target, wanted, ptx, stamp: `${keys} ${wanted} ${ptx}`, force });
  return { folder: target, nvcc, architectures: wanted, functions };
}

if (argv[1] && import.meta.url === pathToFileURL(argv[1]).href) {
  try {
    const { values } = parseArgs({
      options: {
        arch: { type: 'string' },
        out: { type: 'string' },
        force: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        quiet: { type: 'boolean', default: false },
        count: { type: 'boolean', default: false },
      },
    });
    const loud = !values.quiet && !values.json;
    const built = await buildDeviceCode({
      ...values,
      arch: architectureOf(values.arch),
      onProgress: loud ? (line) => console.error(`device code: ${line}`) : undefined,
    });
    if (values.json) console.log(JSON.stringify(built, undefined, 2));
    else if (loud) {
      console.log(registerTable(built.functions));
      console.log(`device code: nvcc ${built.nvcc.version}, no spill, no stack frame, no warning; in ${built.folder}`);
    }
  } catch (error) {
    console.error(`build-device-code: ${error.message}`);
    exit(1);
  }
}
