import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { AdamW, type Device, FlatBuffer, maskOfRanges, type Precision, Sophia } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { codeOf } from '../optim/set-up.ts';

const device = 'cuda:0';
const length = 1003;
let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-device-state-'));
  path = join(folder, 'state.safetensors');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function parametersOn(place: Device, dtype: 'f32' | 'bf16' = 'f32') {
  const values = FlatBuffer.alloc(length, { dtype, device: place });
  const gradients = FlatBuffer.alloc(length, { dtype, device: place });
  values.copyFrom(hashed(1, length));
  gradients.copyFrom(hashed(2, length));
  return { values, gradients };
}

const sophiaOn = (place: Device, precision?: Precision) =>
  new Sophia(parametersOn(place, precision ? 'bf16' : 'f32'), {
    learningRate: 0.01,
    rho: { clippedFraction: 0.2 },
    seed: 5n,
    ...(precision ? { precision } : {}),
  });

/** All that an optimizer has made, as numbers. */
async function contents(sophia: Sophia): Promise<Record<string, number[]>> {
  const { momentum, hessian, master } = sophia.state;
  const buffers = { values: sophia.parameters.values, momentum, hessian, ...(master ? { master } : {}) };
  const entries = Object.entries(buffers).map(async ([name, buffer]) => [name, [...(await buffer.toFloat32Array())]]);
  return Object.fromEntries(await Promise.all(entries));
}

const precisions: (Precision | undefined)[] = [
  undefined,
  {},
  { states: 'bf16' },
  { master: 'none' },
  { master: 'none', states: 'bf16' },
];

describe('an optimizer on a device', () => {
  test.each(precisions)('goes as on the CPU, state and statistics: %j', async (precision) => {
    const [here, there] = [sophiaOn('cpu', precision), sophiaOn(device, precision)];
    expect(there.state.momentum.device).toBe(device);
    expect(there.state.master?.device).toBe(here.state.master && device);
    for (const sophia of [here, there]) sophia.updateHessian({ batchSize: 4, prime: true });
    for (let i = 0; i < 3; i++) {
      const [expected, found] = await Promise.all(
        [here, there].map((sophia) => sophia.step({ zeroGradients: i === 2 })),
      );
      expect(found).toEqual({ ...expected, gradientNorm: expect.any(Number) });
      expect(found!.gradientNorm).toBeCloseTo(expected!.gradientNorm, 8);
    }
    expect(there.rho).toBe(here.rho);
    expect(there.state.step).toBe(3);
    expect(await contents(there)).toEqual(await contents(here));
    expect([...(await there.parameters.gradients.toFloat32Array())]).toEqual(new Array(length).fill(0));
    await there.release();
  });

  test.each(precisions)('goes on from its progress, taken to another of either device: %j', async (precision) => {
    const first = sophiaOn(device, precision);
    await first.updateHessian({ batchSize: 4, prime: true });
    for (let i = 0; i < 3; i++) await first.step();
    const { buffers, counters } = first.progress();
    const others = [sophiaOn(device, precision), sophiaOn('cpu', precision)];
    for (const other of others) {
      await other.parameters.values.copyFrom(first.parameters.values);
      for (const [name, own] of Object.entries(other.progress().buffers)) await own.copyFrom(buffers[name]!);
      await other.resumeAt(counters);
    }
    for (const sophia of [first, ...others]) await sophia.step();
    for (const other of others) {
      expect(await contents(other)).toEqual(await contents(first));
      expect(other.progress().counters).toEqual(first.progress().counters);
    }
    for (const sophia of [first, ...others]) await sophia.release();
  });

  test.each(precisions)('goes on from its file as if it had never stopped, on either device: %j', async (precision) => {
    const first = sophiaOn(device, precision);
    first.updateHessian({ batchSize: 4, prime: true });
    for (let i = 0; i < 3; i++) first.step({ hessian: { batchSize: 2 } });
    await first.saveState(path);
    const others = [sophiaOn(device, precision), sophiaOn('cpu', precision)];
    for (const other of others) {
      await other.parameters.values.copyFrom(first.parameters.values);
      await other.loadState(path);
      expect(other.state.step).toBe(3);
      expect(other.rho).toBe(first.rho);
    }
    for (const sophia of [first, ...others]) {
      sophia.updateHessian({ batchSize: 3 });
      expect((await sophia.step()).step).toBe(4);
    }
    for (const other of others) expect(await contents(other)).toEqual(await contents(first));
  });

  test('is saved as it is when its turn comes', async () => {
    const sophia = sophiaOn(device);
    const names = ['new', 'primed', 'one', 'two'].map((name) => join(folder, name));
    const saved = [sophia.saveState(names[0]!)];
    sophia.updateHessian({ batchSize: 4, prime: true });
    saved.push(sophia.saveState(names[1]!));
    sophia.step();
    saved.push(sophia.saveState(names[2]!));
    sophia.step();
    saved.push(sophia.saveState(names[3]!));
    const { step } = await sophia.step();
    expect(step).toBe(3);
    await Promise.all(saved);
    const metadata = [];
    for (const name of names) {
      const file = await openSafetensors(name);
      metadata.push(file.metadata);
      await file.close();
    }
    expect(metadata.map((words) => [words.step, words.estimates, words.rho !== undefined])).toEqual([
      ['0', '0', false],
      ['0', '1', false],
      ['1', '1', true],
      ['2', '1', true],
    ]);
  });

  test('takes a file after steps that nobody awaited, and its own steps after it', async () => {
    const other = sophiaOn('cpu');
    await other.updateHessian({ batchSize: 4, prime: true });
    for (let i = 0; i < 5; i++) await other.step();
    await other.saveState(path);
    const sophia = sophiaOn(device);
    sophia.updateHessian({ batchSize: 9, prime: true });
    sophia.step();
    sophia.updateHessian({ batchSize: 9, part: [0, 2] });
    await sophia.loadState(path);
    expect(sophia.state.step).toBe(5);
    expect(sophia.rho).toBe(other.rho);
    // Saved before any step.
    const again = join(folder, 'again');
    await sophia.saveState(again);
    const file = await openSafetensors(again);
    expect(file.metadata).toMatchObject({ step: '5', rho: String(other.rho) });
    await file.close();
    expect((await sophia.step()).step).toBe(6);
    expect(sophia.state.step).toBe(6);
  });

  test('tells of a step when its promise settles, and never while JavaScript runs', async () => {
    const sophia = sophiaOn(device);
    await sophia.updateHessian({ batchSize: 4, prime: true });
    const step = sophia.step();
    const until = performance.now() + 100;
    while (performance.now() < until && sophia.state.step === 0 && Number.isNaN(sophia.rho));
    expect([sophia.state.step, sophia.rho]).toEqual([0, Number.NaN]);
    const { rho } = await step;
    expect([sophia.state.step, sophia.rho]).toEqual([1, rho]);
  });

  test('loses no counter to steps that are called while a file is read', async () => {
    const other = sophiaOn('cpu');
    await other.updateHessian({ batchSize: 4, prime: true });
    for (let i = 0; i < 5; i++) await other.step();
    await other.saveState(path);
    const sophia = sophiaOn(device);
    await sophia.updateHessian({ batchSize: 9, prime: true });
    let loaded = false;
    const loading = sophia.loadState(path).then(() => {
      loaded = true;
    });
    let last = 0;
    while (!loaded) last = (await sophia.step()).step;
    await loading;
    // The file's five, and those that came after it.
    const { step } = await sophia.step();
    expect(step).toBeLessThanOrEqual(Math.max(last, 5) + 1);
    expect([step, sophia.state.step]).toEqual([step, step]);
    await sophia.saveState(path);
    const file = await openSafetensors(path);
    expect(file.metadata.step).toBe(String(step));
    await file.close();
  });

  test('is not saved in the middle of an estimate in parts', async () => {
    const sophia = sophiaOn(device);
    sophia.updateHessian({ batchSize: 4, part: [0, 2] });
    const within = codeOf(sophia.saveState(join(folder, 'within')));
    const step = codeOf(sophia.step());
    sophia.updateHessian({ batchSize: 4, part: [1, 2] });
    expect(await within).toBe('SOUL_INVALID_ARGUMENT');
    expect(await step).toBe('SOUL_INVALID_ARGUMENT');
    await sophia.saveState(join(folder, 'after'));
    expect((await sophia.step()).step).toBe(1);
    expect(await codeOf(sophia.updateHessian({ batchSize: 4, part: [1, 2] }))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('skips what is not finite, and says so', async () => {
    const sophia = sophiaOn(device);
    await sophia.updateHessian({ batchSize: 4, prime: true });
    const before = await contents(sophia);
    await sophia.parameters.gradients.view(700, 1).fill(Number.NaN);
    expect(await sophia.step()).toMatchObject({ step: 0, skipped: true, stepped: 0 });
    expect(await sophia.updateHessian({ batchSize: 4 })).toEqual({ skipped: true });
    expect(await contents(sophia)).toEqual(before);
  });
});

describe.each(['cpu', device] as const)('values with a float32 master on %s', (place) => {
  test('are written and not read, but for frozen ones, which stay', async () => {
    const values = FlatBuffer.alloc(length, { dtype: 'bf16', device: place });
    const gradients = FlatBuffer.alloc(length, { dtype: 'bf16', device: place });
    await values.copyFrom(hashed(1, length));
    const expected = await values.toFloat32Array();
    // All of some groups, the first of others, and none of the last.
    const isFrozen = (i: number) => (i >= 64 && i < 320) || (i < 700 && i % 8 === 0);
    const ranges = Array.from({ length }, (_, i) => i).filter(isFrozen);
    const mask = maskOfRanges(
      length,
      ranges.map((start) => ({ start, length: 1 })),
    );
    const frozen = FlatBuffer.alloc(mask.length, { dtype: 'u8', device: place });
    await frozen.copyFrom(mask.array);
    for (const optimizer of [
      new Sophia({ values, gradients }, { learningRate: 0, frozen }),
      new AdamW({ values, gradients }, { learningRate: 0, frozen }),
    ]) {
      await values.fill(9);
      const { changedFraction, stepped } = await optimizer.step();
      // The master has not changed, and the values are its copy again.
      expect([changedFraction, stepped]).toEqual([0, length - ranges.length]);
      expect(await values.toFloat32Array()).toEqual(expected.map((x, i) => (isFrozen(i) ? 9 : x)));
      await values.copyFrom(expected);
      await optimizer.release();
    }
  });
});

describe('AdamW on a device', () => {
  test('goes as on the CPU, and on from its file', async () => {
    const [here, there] = (['cpu', device] as const).map((place) => new AdamW(parametersOn(place), { clipNorm: 1e9 }));
    for (let i = 0; i < 3; i++) {
      const [expected, found] = await Promise.all([here!.step(), there!.step()]);
      expect(found).toEqual({ ...expected, gradientNorm: expect.any(Number) });
    }
    await there!.saveState(path);
    const loaded = new AdamW(parametersOn(device), { clipNorm: 1e9 });
    await loaded.parameters.values.copyFrom(there!.parameters.values);
    await loaded.loadState(path);
    await Promise.all([here!.step(), loaded.step()]);
    expect(await loaded.parameters.values.toFloat32Array()).toEqual(await here!.parameters.values.toFloat32Array());
    expect(loaded.state.step).toBe(4);
  });
});

describe('what does not lie on the device of the values', () => {
  test('is refused, with both devices in the message', async () => {
    const { values, gradients } = parametersOn(device);
    const onHost = parametersOn('cpu');
    expect(() => new Sophia({ values, gradients: onHost.gradients })).toThrow(/gradients.device must be cuda:0.*cpu/);
    expect(() => new AdamW({ values: onHost.values, gradients })).toThrow(/gradients.device must be cpu.*cuda:0/);
    const frozen = maskOfRanges(length, [{ start: 0, length: 10 }]);
    expect(() => new AdamW({ values, gradients }, { frozen })).toThrow(/frozen.device must be cuda:0.*cpu/);
    const sophia = new Sophia({ values, gradients });
    await expect(sophia.updateHessian({ from: onHost.gradients, batchSize: 4 })).rejects.toThrow(
      /from.device must be cuda:0.*cpu/,
    );
    expect(sophia.state.step).toBe(0);
  });

  test('is brought there: a mask', async () => {
    const onHost = maskOfRanges(length, [{ start: 3, length: 500 }]);
    const frozen = FlatBuffer.alloc(onHost.length, { dtype: 'u8', device });
    await frozen.copyFrom(onHost);
    const [here, there] = [
      new Sophia(parametersOn('cpu'), { frozen: onHost }),
      new Sophia(parametersOn(device), { frozen }),
    ];
    for (const sophia of [here, there]) await sophia.updateHessian({ batchSize: 4, prime: true });
    const [expected, found] = await Promise.all([here.step(), there.step()]);
    expect(found.stepped).toBe(length - 500);
    expect(found).toEqual({ ...expected, gradientNorm: expect.any(Number) });
    expect(await contents(there)).toEqual(await contents(here));
  });
});

test('release gives the memory of the state up, and leaves the parameters', async () => {
  const sophia = sophiaOn(device);
  const { momentum, hessian } = sophia.state;
  const last = sophia.updateHessian({ batchSize: 4, prime: true });
  await sophia.release();
  expect(await last).toEqual({ skipped: false });
  expect([momentum.released, hessian.released, sophia.parameters.values.released]).toEqual([true, true, false]);
  expect(await codeOf(sophia.step())).toBe('SOUL_RELEASED');
  await sophia.parameters.values.fill(1);
});
