import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { printed, run, type Variables } from './set-up.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Emulated kernels take a while, so that work is under way; on a GPU this is nobody's variable. */
const slow: Variables = { SOUL_EMULATED_DELAY: '15' };

const library = JSON.stringify(pathToFileURL(join(root, 'lib/index.ts')).href);
/** A thread that steps on a device without end; \`start\` resolves when it has begun. */
const steppingWorker = `
  const source = (device) => \`
    import { parentPort } from 'node:worker_threads';
    import { register } from '\${import.meta.resolve('tsx/esm/api')}';
    register();
    const { FlatBuffer, Sophia } = await import(${library});
    const length = 3000;
    const make = () => FlatBuffer.alloc(length, { device: '\${device}' });
    const sophia = new Sophia({ values: make(), gradients: make() });
    sophia.updateHessian({ batchSize: 1, prime: true });
    for (let i = 0; i < 3; i++) sophia.step();
    parentPort.postMessage('begun');
    parentPort.on('message', async () => parentPort.postMessage((await sophia.step()).step));
    for (let i = 0; i < 20; i++) sophia.step();
  \`;
  const start = async (device = 'cuda:0') => {
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(source(device))));
    await new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
    return worker;
  };
  const ask = (worker) => new Promise((resolve) => { worker.once('message', resolve); worker.postMessage('step'); });
`;

describe('a process with work on a device', () => {
  test('stays until it is done, and then ends by itself', () => {
    const program = `
      const sophia = optimizerOn('cuda', 3000);
      sophia.updateHessian({ batchSize: 1, prime: true });
      for (let i = 0; i < 3; i++) sophia.step();
      sophia.step().then(({ step }) => print(step));
    `;
    expect(printed(program, { variables: slow })).toEqual([4]);
  });

  test('ends at once when its devices are idle', () => {
    const program = "const s = optimizerOn('cuda', 3000); await s.step(); print('idle');";
    expect(printed(program)).toEqual(['idle']);
  });

  test('may exit in the middle of it', () => {
    const program = `
      const sophia = optimizerOn('cuda', 3000);
      for (let i = 0; i < 20; i++) sophia.step();
      setTimeout(() => { print('leaving'); process.exit(0); }, 5);
    `;
    expect(printed(program, { variables: slow })).toEqual(['leaving']);
  });

  test('may end in an error of its own in the middle of it', () => {
    const program = `
      const sophia = optimizerOn('cuda', 3000);
      for (let i = 0; i < 20; i++) sophia.step();
      throw new Error('mine');
    `;
    const { status, signal, stderr } = run(program, { variables: slow });
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(stderr).toContain('mine');
  });

  test('holds no thread of libuv, and leaves the event loop alone', () => {
    const program = `
      const { readFile } = await import('node:fs/promises');
      const sophia = optimizerOn('cuda', 3000);
      await sophia.updateHessian({ batchSize: 1, prime: true });
      const done = [];
      const steps = [0, 1, 2].map(() => sophia.step());
      const all = Promise.all(steps).then(() => done.push('steps'));
      const reads = [0, 1, 2].map(async () => { await readFile('package.json'); done.push('file'); });
      await Promise.all([...reads, all]);
      print(done);
    `;
    const [done] = printed(program, { variables: { SOUL_EMULATED_DELAY: '300', UV_THREADPOOL_SIZE: '1' } });
    const inOrder = ['file', 'file', 'file', 'steps'];
    expect([...(done as string[])].sort()).toEqual(inOrder);
    // A GPU may be done before the disk.
    if (process.env.SOUL_TEST_CUDA === 'emulated') expect(done).toEqual(inOrder);
  });
});

describe('garbage collection', () => {
  test('of all that work uses does not disturb it', () => {
    const program = `
      const make = () => optimizerOn('cuda', 3000);
      for (let i = 0; i < 10; i++) { make().step(); if (i % 3 === 0) { globalThis.gc(); await null; } }
      const last = make();
      await last.step();
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
      globalThis.gc();
      print((await last.step()).step);
    `;
    expect(printed(program, { variables: slow, flags: ['--expose-gc'] })).toEqual([2]);
  });

  test('gives memory back when nobody uses it, also that of views', () => {
    // Room for four; thirty are made.
    const program = `
      for (let i = 0; i < 30; i++) {
        const view = FlatBuffer.alloc(250_000, { device: 'cuda' }).view(7);
        view.fill(i);
        await view.view(1);
        print((await view.toFloat32Array())[9]);
        for (let turn = 0; turn < 3; turn++) {
          globalThis.gc();
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    `;
    const options = { variables: { SOUL_EMULATED_MEMORY: '4100000' }, flags: ['--expose-gc'] };
    expect(printed(program, options)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  test('keeps what work under way uses', () => {
    const program = `
      const sums = [];
      for (let i = 1; i <= 6; i++) {
        const buffer = FlatBuffer.alloc(1000, { device: 'cuda' });
        buffer.fill(i);
        scale(buffer, 2);
        sums.push(squaredNorm(buffer));
        globalThis.gc();
        await new Promise((resolve) => setImmediate(resolve));
      }
      globalThis.gc();
      print(await Promise.all(sums));
    `;
    const wanted = [1, 2, 3, 4, 5, 6].map((i) => 4000 * i * i);
    expect(printed(program, { variables: slow, flags: ['--expose-gc'] })).toEqual([wanted]);
  });

  test('of released memory, in any order, is nothing', () => {
    const program = `
      for (let i = 0; i < 10; i++) {
        const buffer = FlatBuffer.alloc(1000, { device: 'cuda' });
        const view = buffer.view(3);
        scale(buffer, 2);
        const released = buffer.release();
        if (i % 2 === 0) await released;
        globalThis.gc();
      }
      await new Promise((resolve) => setImmediate(resolve));
      globalThis.gc();
      print(await cpuWorks());
    `;
    expect(printed(program, { variables: slow, flags: ['--expose-gc'] })).toEqual([true]);
  });
});

describe('worker threads', () => {
  test('step on the devices at the same time as the main thread', () => {
    const program = `${steppingWorker}
      const other = describeDevices().cuda.devices.at(-1).name;
      const workers = await Promise.all([start(), start(), start(other)]);
      const sophia = optimizerOn('cuda', 3000);
      sophia.updateHessian({ batchSize: 1, prime: true });
      for (let i = 0; i < 5; i++) await sophia.step();
      print([sophia.state.step, ...await Promise.all(workers.map(ask))]);
      process.exit(0);
    `;
    // Each with its 23 steps before, and one that was asked for.
    expect(printed(program)).toEqual([[5, 24, 24, 24]]);
  });

  test('may be terminated in the middle of a step, again and again, and leave nothing behind', () => {
    const program = `${steppingWorker}
      for (let i = 0; i < 5; i++) {
        const worker = await start();
        await new Promise((resolve) => setTimeout(resolve, 7 * i));
        await worker.terminate();
      }
      print((await optimizerOn('cuda', 3000).step()).step);
    `;
    // A worker takes a good million bytes, with what its kernels need beside its buffers.
    const variables = { ...slow, SOUL_EMULATED_MEMORY: '4000000' };
    expect(printed(program, { variables })).toEqual([1]);
  });

  test('may end while the main thread goes on', () => {
    const program = `${steppingWorker}
      const sophia = optimizerOn('cuda', 3000);
      const worker = await start();
      const steps = Array.from({ length: 10 }, () => sophia.step());
      await worker.terminate();
      print((await Promise.all(steps)).at(-1).step);
    `;
    expect(printed(program, { variables: slow })).toEqual([10]);
  });
});
