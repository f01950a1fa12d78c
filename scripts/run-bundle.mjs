// What run.sh of a bundle (scripts/bundle.mjs) does on a GPU machine: builds the addon with code for its GPU and the engine
// against its PyTorch, runs the tests of CUDA, the benchmarks and compute-sanitizer, within ten minutes; each has its share of
// the time. Writes JSON results and a log into $OUT, else ./results. Ends with 0 where everything that ran passed, and names
// what did not run.
//
//   bash run.sh                            everything
//   bash run.sh --only tests,bench         some stages; what they need is built
//   bash run.sh --emulated                 without a GPU: tests on emulated devices
//   bash run.sh --tests casts,walks        of the tests, these files of test/cuda
//   bash run.sh --minutes 5                time for all of it
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cwd, env, execPath, exit, hrtime } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { presentArchitectures } from './build-addon.mjs';
import { findNvcc } from './build-device-code.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const order = ['build', 'tests', 'bench', 'peers', 'sanitizer'];
/** Of the whole time, what a stage has for itself, however long those before it take. */
const shares = { build: 0.3, tests: 0.22, bench: 0.2, peers: 0.18, sanitizer: 0.1 };
const seconds = () => Number(hrtime.bigint() / 1_000_000n) / 1000;
const begun = seconds();

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: order.join(',') },
    emulated: { type: 'boolean', default: false },
    tests: { type: 'string' },
    minutes: { type: 'string', default: '9.8' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  const lines = readFileSync(fileURLToPath(import.meta.url), 'utf8').split('\n');
  console.log(
    lines
      .slice(
        0,
        lines.findIndex((line) => !line.startsWith('//')),
      )
      .join('\n')
      .replaceAll(/^\/\/ ?/gm, ''),
  );
  exit(0);
}
const selected = options.only.split(',').map((name) => name.trim());
const unknown = selected.find((name) => !order.includes(name));
if (unknown !== undefined || !(Number(options.minutes) > 0)) {
  console.error(`run: --only takes ${order.join(', ')}; --minutes a number`);
  exit(2);
}

const results = resolve(env.OUT || join(cwd(), 'results'));
mkdirSync(results, { recursive: true });
const log = join(results, 'log.txt');
writeFileSync(log, '');
const deadline = begun + 60 * Number(options.minutes);
/** When the present stage must have ended. */
let stageDeadline = deadline;

function say(line) {
  console.log(line);
  appendFileSync(log, `${line}\n`);
}

/** An environment like that of a user, though nothing but a PATH may have been given. */
const common = {
  ...env,
  HOME: env.HOME || join(root, '..'),
  SOUL_CACHE: join(root, '..', 'cache'),
};
const tsx = [execPath, '--import', 'tsx'];
const jest = [
  ...[execPath, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  ...['node_modules/jest/bin/jest.js', '--ci', '--verbose', '--json', '--testPathPatterns'],
  options.tests === undefined ? 'test/cuda/' : `test/cuda/(${options.tests.split(',').join('|')})\\.test`,
];

const running = new Set();

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended, or never began.
  }
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const pid of running) endGroup(pid);
    exit(1);
  });
}

/** Runs a command into the log for at most `limit` seconds, and no longer than its stage may take. */
function run(words, { limit = Infinity, environment = {}, output } = {}) {
  const given = Math.min(limit, timeLeft());
  appendFileSync(log, `\n$ ${words.join(' ')}\n`);
  if (given < 5) return Promise.resolve({ status: 'left out', note: 'no time was left', text: '' });
  return new Promise((done) => {
    // A process group of its own: what the command started ends with it.
    const child = spawn(words[0], words.slice(1), {
      cwd: root,
      env: { ...common, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    running.add(child.pid);
    if (output !== undefined) writeFileSync(output, '');
    let text = '';
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      endGroup(child.pid);
    }, given * 1000);
    const take = (data) => {
      text += data;
      appendFileSync(log, data);
    };
    child.stderr.on('data', take);
    child.stdout.on('data', (data) => {
      if (output === undefined) take(data);
      else appendFileSync(output, data);
    });
    child.on('error', (error) => {
      text += error.message;
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      running.delete(child.pid);
      const note = late ? `stopped after ${Math.round(given)} s` : status === 0 ? '' : lastWords(text);
      done({ status: late ? undefined : (status ?? 1), note, text });
    });
  });
}

const timeLeft = () => stageDeadline - seconds();
const lastWords = (text) => text.trim().split('\n').slice(-3).join(' | ').slice(-300);

function firstLine(command, ...words) {
  const { status, stdout } = spawnSync(command, words, { encoding: 'utf8', timeout: 60_000 });
  return status === 0 ? stdout.trim().split('\n').at(0) : undefined;
}

/** PyTorch as this machine's python3 has it: its folder, version, and the GPU that it sees. */
function describeTorch() {
  const program = `
import json, os, torch
found = {"folder": os.path.dirname(torch.__file__), "version": torch.__version__, "cuda": torch.version.cuda}
if torch.cuda.is_available():
    found["device"] = torch.cuda.get_device_name(0)
    found["architecture"] = int("%d%d" % torch.cuda.get_device_capability(0))
print(json.dumps(found))`;
  const { status, stdout, stderr, error } = spawnSync('python3', ['-c', program], {
    encoding: 'utf8',
    timeout: 90_000,
  });
  if (status !== 0) return { problem: lastWords(stderr ?? '') || (error?.message ?? `python3 ended with ${status}`) };
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** compute-sanitizer's program: on the PATH, or in the toolkit. */
function findSanitizer() {
  const places = ['/usr/local/cuda/bin', ...(env.CUDA_HOME ? [join(env.CUDA_HOME, 'bin')] : [])];
  const programs = ['compute-sanitizer', ...places.map((place) => join(place, 'compute-sanitizer'))];
  return programs.find((program) => firstLine(program, '--version') !== undefined);
}

const torch = describeTorch();
const architecture = presentArchitectures()[0] ?? torch.architecture;
const machine = {
  gpu: firstLine('nvidia-smi', '--query-gpu=name,driver_version,memory.total', '--format=csv,noheader') ?? torch.device,
  architecture,
  torch,
  nvcc: findNvcc(),
  cmake: firstLine('cmake', '--version'),
  compiler: firstLine(env.CXX ?? 'c++', '--version'),
  sanitizer: findSanitizer(),
};
const bundleFile = join(root, '..', 'bundle.json');
const bundle = existsSync(bundleFile) ? JSON.parse(readFileSync(bundleFile, 'utf8')) : undefined;
say(`bundle: ${bundle?.commit ?? 'a checkout'}`);
say(`GPU: ${machine.gpu ?? 'none'}${architecture === undefined ? '' : `, sm_${architecture}`}`);
say(`nvcc: ${machine.nvcc?.version ?? 'none'}; ${machine.cmake ?? 'no cmake'}; ${machine.compiler ?? 'no compiler'}`);
say(`PyTorch: ${torch.version ?? `none (${torch.problem})`}`);

const stages = [];
/** What did not run: one sentence each. */
const notRun = () =>
  stages.flatMap(({ name, steps }) =>
    steps.flatMap((step) => (step.outcome === 'left out' ? [`${name}: ${step.name} (${step.note})`] : [])),
  );
const write = () =>
  writeFileSync(
    join(results, 'summary.json'),
    `${JSON.stringify({ bundle, machine, emulated: options.emulated, stages, notRun: notRun() }, undefined, 2)}\n`,
  );

/** One stage: `work` gives its steps { name, status, note }; a status of 0 passes, 'left out' counts for nothing. */
async function stage(name, work) {
  const start = seconds();
  const later = order.slice(order.indexOf(name) + 1).filter(willRun);
  stageDeadline = deadline - later.reduce((sum, each) => sum + shares[each] * (deadline - begun), 0);
  say(`\n== ${name}`);
  const steps = [];
  const step = async (what, running) => {
    const from = seconds();
    const { status, note, text } = await running;
    const outcome = status === 0 ? 'passed' : status === 'left out' ? 'left out' : 'FAILED';
    steps.push({ name: what, outcome, seconds: round(seconds() - from), ...(note ? { note } : {}) });
    say(`${outcome.padEnd(8)} ${what}${note ? `: ${note}` : ''} (${round(seconds() - from)} s)`);
    return { passed: status === 0, text: text ?? '' };
  };
  await work(step);
  const failed = steps.some(({ outcome }) => outcome === 'FAILED');
  const ran = steps.some(({ outcome }) => outcome === 'passed');
  stages.push({
    name,
    outcome: failed ? 'FAILED' : ran ? 'passed' : 'left out',
    seconds: round(seconds() - start),
    steps,
  });
  write();
  return !failed;
}

const round = (value) => Math.round(value * 10) / 10;
const leftOut = (note) => Promise.resolve({ status: 'left out', note });

const bundledCode = join(root, 'build-cuda', 'device-code');
const hasGpu = architecture !== undefined && !options.emulated;
/** Whether a stage will take time; one that is left out has no share. */
function willRun(name) {
  if (!selected.includes(name)) return false;
  if (name === 'tests') return hasGpu || options.emulated;
  return hasGpu && (name !== 'peers' || torch.folder !== undefined) && (name !== 'sanitizer' || machine.sanitizer);
}
// Where there is no GPU, nvcc is tried all the same.
const target = String(architecture ?? 90);

const built = { addon: false, engine: false };
await stage('build', async (step) => {
  const addon = async () => {
    if (machine.nvcc !== undefined) {
      const own = run([execPath, 'scripts/build-addon.mjs', '--cuda', '--arch', target], { limit: timeLeft() / 2 });
      const { passed } = await step(
        `the addon, device code for sm_${target} by the nvcc that is here`,
        own.then((ended) =>
          ended.status === 0 ? ended : { status: 'left out', note: `${ended.note}; the bundled code is used` },
        ),
      );
      built.addon = passed;
      if (passed) return;
    }
    const program = `import('./scripts/build-with-cmake.mjs').then((m) => m.buildWithCmake({ build: 'build-cuda/addon', deviceCode: process.argv[1], addon: 'build/Release/soul.node' }))`;
    const other = await step(
      'the addon, with the device code of the bundle',
      run([execPath, '-e', program, bundledCode]),
    );
    built.addon = other.passed;
  };
  const engine = async () => {
    if (torch.folder === undefined) return void (await step('the engine', leftOut('python3 has no torch')));
    const { passed } = await step(
      `the engine against PyTorch ${torch.version}`,
      run([...tsx, 'lib/cli/main.ts', 'engine', 'install', '--libtorch', torch.folder, '--quiet']),
    );
    built.engine = passed;
  };
  const emulator = () => step('the emulated driver', run([execPath, 'scripts/build-emulator.mjs']));
  await Promise.all([addon(), engine(), emulator()]);
  await step(
    'doctor',
    run([...tsx, 'lib/cli/main.ts', 'doctor', '--json'], { limit: 60, output: join(results, 'doctor.json') }),
  );
});

const wanted = (name) => selected.includes(name) && built.addon;
const noGpu =
  'no GPU was found (looked with nvidia-smi and with PyTorch); run this on a machine with one, or with --emulated';

if (wanted('tests')) {
  await stage('tests', async (step) => {
    if (!hasGpu && !options.emulated) return void (await step('tests on the GPU', leftOut('there is none')));
    const emulator = join(root, 'build-emulator');
    const environment = {
      SOUL_TEST_CUDA: options.emulated ? 'emulated' : 'device',
      SOUL_TEST_EMULATOR: emulator,
      ...(options.emulated
        ? { SOUL_CUDA_DRIVER: join(emulator, 'libsoul-emulated-cuda.so'), SOUL_DEVICE_CODE: 'none' }
        : {}),
      // Where there is an engine, its tests are not left out.
      ...(built.engine ? { SOUL_REQUIRE_ENGINE: '1' } : {}),
    };
    const running = run([...jest, `--outputFile=${join(results, 'tests.json')}`], { environment });
    await step(
      options.emulated ? 'the tests of CUDA on emulated devices' : 'the tests of CUDA on the GPU',
      running.then((ended) => ({ ...ended, note: /^Tests: .*$/m.exec(ended.text)?.[0] ?? ended.note })),
    );
    if (hasGpu) {
      const environment = { SOUL_DEVICE_CODE: bundledCode };
      const program = [...tsx, 'test/cuda/sanitizer-program.ts'];
      await step('every kernel once, of the device code in the bundle', run(program, { limit: 60, environment }));
    }
  });
}

for (const [name, program] of [
  ['bench', 'bench/kernels.ts'],
  ['peers', 'bench/peers.ts'],
]) {
  if (!wanted(name)) continue;
  await stage(name, async (step) => {
    if (!hasGpu) return void (await step(program, leftOut('it needs a GPU')));
    if (name === 'peers' && torch.folder === undefined)
      return void (await step(program, leftOut('python3 has no torch')));
    // Each ends by itself within its budget, a little late; the stage's end is for one that hangs.
    const budget = Math.min(120, timeLeft() - 25);
    if (budget < 20) return void (await step(program, leftOut('no time was left')));
    const words = [...tsx, program, '--device', 'cuda', '--budget', String(Math.floor(budget))];
    await step(program, run([...words, '--out', join(results, `${name}.json`)]));
  });
}

/** The tool's own lines, among those of the program that it watches. */
const ownLines = (text) => text.split('\n').filter((line) => line.startsWith('========= '));

if (wanted('sanitizer')) {
  await stage('sanitizer', async (step) => {
    if (!hasGpu) return void (await step('compute-sanitizer', leftOut('it needs a GPU')));
    if (machine.sanitizer === undefined) return void (await step('compute-sanitizer', leftOut('it is not installed')));
    for (const tool of ['memcheck', 'racecheck', 'initcheck']) {
      const command = [machine.sanitizer, '--tool', tool, '--error-exitcode', '9'];
      const running = run([...command, ...tsx, 'test/cuda/sanitizer-program.ts'], { limit: 100 }).then((ended) => {
        if (ended.status === 'left out' || ended.status === undefined) return ended;
        const lines = ownLines(ended.text).map((line) => line.slice('========= '.length).trim());
        const summary = lines.find((line) => /^(ERROR|RACECHECK) SUMMARY: /.test(line));
        // It says so where it cannot watch this device or under this driver at all, and may then let the program run alone.
        const refusal = lines.find((line) => /not supported|unable to|insufficient|permission/i.test(line));
        if (refusal !== undefined && ended.status !== 9) return { status: 'left out', note: refusal };
        if (ended.status === 0 && summary === undefined) return { status: 1, note: 'it ended without its summary' };
        return { ...ended, note: summary ?? ended.note };
      });
      await step(tool, running);
    }
  });
}

say(`\n${'stage'.padEnd(12)}${'outcome'.padEnd(10)}seconds`);
for (const { name, outcome, seconds: took } of stages) say(`${name.padEnd(12)}${outcome.padEnd(10)}${took}`);
say(`in ${round(seconds() - begun)} s; results and log in ${results}`);
write();
const passed = stages.every(({ outcome }) => outcome !== 'FAILED') && (hasGpu || options.emulated);
if (!hasGpu && !options.emulated) say(`run: ${noGpu}`);
const omitted = notRun();
say(`run: ${passed ? 'passed' : 'FAILED'}${omitted.length > 0 ? `; not run: ${omitted.join('; ')}` : ''}`);
exit(passed ? 0 : 1);
