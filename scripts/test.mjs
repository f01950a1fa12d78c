// The tests: what needs no GPU first, then test/cuda, on the machine's GPU or, where there is none, on emulated devices
// (scripts/build-emulator.mjs).
//
//   node scripts/test.mjs                       everything
//   node scripts/test.mjs --only cuda           test/cuda alone; or: --only cpu
//   node scripts/test.mjs -- test/optim -t rho  what follows goes to jest: of each half what it selects
//   --set-up        make the checkout ready first
//   --full          the tests that take minutes (*.full.test.ts), which are left out otherwise
//   SOUL_TEST_CUDA=device|emulated              says which, where there is a choice
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { argv, env, execPath, exit, platform } from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildEmulator } from './build-emulator.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];

// What jest is given may look like an option of this script's.
const words = argv.slice(2);
const given = [];
let only = 'both';
let setUp = false;
let full = false;
for (let word = words.shift(); word !== undefined; word = words.shift()) {
  if (word === '--only') only = words.shift();
  else if (word === '--set-up') setUp = true;
  else if (word === '--full') full = true;
  else if (word !== '--') given.push(word);
}
if (!['both', 'cpu', 'cuda'].includes(only)) {
  console.error(`test: --only takes cpu or cuda, not ${only}`);
  exit(2);
}

const run = (words, more = {}, stdio = 'inherit') =>
  spawnSync(execPath, words, {
    cwd: root,
    encoding: 'utf8',
    stdio,
    env: { ...env, ...(full ? { SOUL_TEST_FULL: '1' } : {}), ...more },
  });

if (setUp && run(['scripts/setup.mjs', '--engine', 'optional']).status !== 0) exit(1);

/** Whether a run has anything to do, where jest was told what to run. */
const selects = (more) =>
  given.length === 0 || run([...jest, '--listTests', ...given], more, ['ignore', 'pipe', 2]).stdout.trim() !== '';

/** 'device' where the addon can use a GPU of this machine. */
function whichCuda() {
  if (env.SOUL_TEST_CUDA) return env.SOUL_TEST_CUDA;
  const look = "import('./lib/core/devices.ts').then((m) => console.log(m.describeDevices().cuda.available))";
  return run(['--import', 'tsx', '-e', look], {}, ['ignore', 'pipe', 2]).stdout.trim() === 'true'
    ? 'device'
    : 'emulated';
}

/** What the tests of CUDA find in their environment; tests of failures play them on emulated devices in any case. */
async function environmentOf(which) {
  const driver = await buildEmulator();
  const emulator = { SOUL_TEST_CUDA: which, SOUL_TEST_EMULATOR: dirname(driver) };
  // The stand-in has the kernels in it: an addon with device code and one without are tested alike.
  return which === 'device' ? emulator : { ...emulator, SOUL_CUDA_DRIVER: driver, SOUL_DEVICE_CODE: 'none' };
}

const outcomes = [];
const cpu = { SOUL_TEST_CUDA: '', SOUL_CUDA_DRIVER: 'none' };
if (only !== 'cuda' && selects(cpu)) {
  outcomes.push(['without a GPU', run([...jest, ...given], cpu).status === 0]);
}
// There is no CUDA elsewhere, and no stand-in for its driver.
const hasCuda = platform === 'linux' && only !== 'cpu';
if (!hasCuda && only !== 'cpu')
  console.error(`test: the device tests are left out: they need Linux, this is ${platform}`);
const which = hasCuda && selects({ SOUL_TEST_CUDA: 'emulated' }) ? whichCuda() : undefined;
if (which !== undefined) {
  try {
    const { status } = run([...jest, ...given], await environmentOf(which));
    outcomes.push([which === 'emulated' ? 'on emulated CUDA devices' : 'on a GPU', status === 0]);
  } catch (error) {
    console.error(`test: ${error.message}`);
    outcomes.push(['on emulated CUDA devices', false]);
  }
}
for (const [what, passed] of outcomes) console.error(`test: ${what}: ${passed ? 'passed' : 'FAILED'}`);
if (outcomes.length === 0 && (hasCuda || only !== 'cuda')) {
  console.error(`test: no test file matches ${given.join(' ')}`);
}
exit(outcomes.length > 0 && outcomes.every(([, passed]) => passed) ? 0 : 1);
