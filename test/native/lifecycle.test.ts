import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a program in a process of its own, with a buffer and an optimizer whose step takes a while. */
function run(program: string, ...flags: string[]): SpawnSyncReturns<string> {
  const prelude = `
    import { Worker } from 'node:worker_threads';
    import { FlatBuffer, Sophia } from './lib/index.ts';
    const length = 4_000_000;
    const make = () => new Sophia({ values: FlatBuffer.alloc(length), gradients: FlatBuffer.alloc(length) });
  `;
  return spawnSync(
    process.execPath,
    [...flags, '--import', 'tsx', '--input-type=module', '--eval', prelude + program],
    { cwd: root, encoding: 'utf8', timeout: 60_000 },
  );
}

/** A worker that steps without end; `ready` resolves when it has begun. */
const steppingWorker = `
  const source = \`
    import { parentPort } from 'node:worker_threads';
    import { register } from 'tsx/esm/api';
    register();
    const { FlatBuffer, Sophia } = await import('./lib/index.ts');
    const length = 2_000_000;
    const sophia = new Sophia({ values: FlatBuffer.alloc(length), gradients: FlatBuffer.alloc(length) });
    for (let i = 0; i < 50; i++) sophia.step();
    parentPort.postMessage('begun');
    for (;;) await sophia.step();
  \`;
  const start = async () => {
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source.replace(
      './lib/index.ts', new URL('./lib/index.ts', 'file://' + process.cwd() + '/').href).replace(
      'tsx/esm/api', import.meta.resolve('tsx/esm/api')))));
    await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
    return worker;
  };
`;

function expectCleanExit({ status, signal, stdout, stderr }: SpawnSyncReturns<string>, output: string): void {
  expect({ status, signal, stdout: stdout.trim(), stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: output,
    stderr: '',
  });
}

describe('the process', () => {
  test('stays alive until pending work is done, and then ends by itself', () => {
    const program = 'const s = make(); s.step(); s.step().then(({ step }) => console.log(step));';
    expectCleanExit(run(program), '2');
  });

  test('ends at once when the addon is loaded and idle', () => {
    expectCleanExit(run('await make().step(); console.log("idle");'), 'idle');
  });

  test('may exit in the middle of a step', () => {
    const program = 'const s = make(); for (let i = 0; i < 20; i++) s.step(); setTimeout(() => process.exit(0), 5);';
    expectCleanExit(run(program), '');
  });

  test('may end in an uncaught error in the middle of a step', () => {
    const { status, signal, stderr } = run(
      'const s = make(); for (let i = 0; i < 20; i++) s.step(); throw new Error("mine");',
    );
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(stderr).toContain('mine');
  });

  test('survives garbage collection of everything a step uses', () => {
    const program = `
      for (let i = 0; i < 30; i++) { make().step(); if (i % 5 === 0) { globalThis.gc(); await null; } }
      const last = make();
      await last.step();
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
      globalThis.gc();
      console.log((await last.step()).step);
    `;
    expectCleanExit(run(program, '--expose-gc'), '2');
  });

  test('keeps the owner of foreign memory alive as long as work on it runs', () => {
    const program = `
      const { fromPointer } = await import('./lib/unsafe.ts');
      const { nativeAddon } = await import('./lib/core/addon.ts');
      const collected = [];
      const registry = new FinalizationRegistry((name) => collected.push(name));
      const work = (() => {
        const owner = FlatBuffer.alloc(length);
        registry.register(owner, 'owner');
        const { address } = nativeAddon().describe(owner.array);
        const view = fromPointer({ pointer: address, length, owner }).view(5);
        const busy = make();
        for (let i = 0; i < 10; i++) busy.step();
        return view.fill(1);
      })();
      globalThis.gc();
      await new Promise((resolve) => setImmediate(resolve));
      globalThis.gc();
      console.log(collected.length);
      await work;
      for (let i = 0; i < 50 && collected.length === 0; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        globalThis.gc();
      }
      console.log(collected.length);
    `;
    expectCleanExit(run(program, '--expose-gc'), '0\n1');
  });
});

describe('workers', () => {
  test('two of them and the main thread step at once', () => {
    const program = `${steppingWorker}
      const workers = await Promise.all([start(), start()]);
      const s = make();
      for (let i = 0; i < 5; i++) await s.step();
      console.log(s.state.step);
      process.exit(0);
    `;
    expectCleanExit(run(program), '5');
  });

  test('may be terminated in the middle of a step, again and again', () => {
    const program = `${steppingWorker}
      for (let i = 0; i < 4; i++) {
        const worker = await start();
        await new Promise((resolve) => setTimeout(resolve, 3 * i));
        await worker.terminate();
      }
      console.log((await make().step()).step);
    `;
    expectCleanExit(run(program), '1');
  });
});

test('a missing addon is one clear error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'soul-empty-'));
  try {
    for (const name of ['lib', 'package.json', 'tsconfig.json'])
      cpSync(join(root, name), join(folder, name), { recursive: true });
    mkdirSync(join(folder, 'node_modules'));
    cpSync(join(root, 'node_modules/node-gyp-build'), join(folder, 'node_modules/node-gyp-build'), { recursive: true });
    const program = `
      const { nativeAddon } = await import(${JSON.stringify(join(folder, 'lib/core/addon.ts'))});
      try { nativeAddon(); } catch (error) { console.log(error.code); console.log(error.message); }
    `;
    const { stdout } = run(program);
    expect(stdout).toContain('SOUL_ADDON_MISSING');
    expect(stdout).toContain('npm run build:addon');
    expect(stdout).toContain('npx soul-unlearn addon build');
    expect(stdout).toContain(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
