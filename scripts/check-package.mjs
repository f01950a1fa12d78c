// Packs the package, installs it into an empty project, and uses it there as a user would: import, require, the command.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const project = mkdtempSync(join(tmpdir(), 'soul-package-'));

function run(command, words, options = {}) {
  const result = spawnSync(command, words, { cwd: project, encoding: 'utf8', ...options });
  if (result.status !== 0) {
    console.error(`${command} ${words.join(' ')}\n${result.stdout}${result.stderr}`);
    throw new Error(`${command} ${words[0]} exited with ${result.status}`);
  }
  return result.stdout;
}

const entries = ['.', './unsafe', './model', './torch', './data', './unlearn', './eval', './study'];
const step = `
  const values = FlatBuffer.from(new Float32Array([1, 2, 3]));
  const gradients = FlatBuffer.from(new Float32Array([1, -1, 0.5]));
  const sophia = new Sophia({ values, gradients }, { learningRate: 0.5, rho: 0.04, weightDecay: 0 });
  sophia.step().then(({ step }) => {
    if (step !== 1 || values.array.join() !== '0.5,2.5,2.5') throw new Error('a step gave ' + values.array.join());
  });
`;

try {
  const [{ filename }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], { cwd: root }),
  );
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true }');
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', join(project, filename)]);
  run('npx', ['--no-install', 'soul', 'addon', 'build']);
  const imports = entries.map((entry) => `await import('soul-unlearn${entry.slice(1)}');`).join('\n');
  writeFileSync(join(project, 'user.mjs'), `${imports}\nimport { FlatBuffer, Sophia } from 'soul-unlearn';${step}`);
  writeFileSync(join(project, 'user.cjs'), `const { FlatBuffer, Sophia } = require('soul-unlearn');${step}`);
  run('node', ['user.mjs']);
  run('node', ['user.cjs']);
  run('npx', ['--no-install', 'soul', '--help']);
  const doctor = JSON.parse(run('npx', ['--no-install', 'soul', 'doctor', '--json']));
  if (!doctor.addon.loaded) throw new Error('the installed package does not load its addon');
  console.log(`${filename}: installs, imports, requires and runs`);
} finally {
  rmSync(project, { recursive: true, force: true });
}
