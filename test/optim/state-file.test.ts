import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openSafetensors, writeSafetensors } from '../../lib/core/safetensors.ts';
import { AdamW, FlatBuffer, type Precision, Sophia } from '../../lib/index.ts';
import { hashed } from './hashed.ts';
import { codeOf, setUp } from './set-up.ts';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-state-'));
  path = join(folder, 'state.safetensors');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const bySophia = (length = 37) => new Sophia(setUp(length), { rho: { clippedFraction: 0.2 } });

describe('Sophia', () => {
  test('goes on from its file as if it had never stopped', async () => {
    const first = bySophia();
    await first.updateHessian({ batchSize: 4, prime: true });
    for (let i = 0; i < 5; i++) await first.step();
    await first.saveState(path);
    const second = bySophia();
    await second.parameters.values.copyFrom(first.parameters.values);
    await second.loadState(path);
    expect(second.state.step).toBe(5);
    expect(second.rho).toBe(first.rho);
    expect(await second.step()).toEqual(await first.step());
    expect(second.parameters.values.array).toEqual(first.parameters.values.array);
    expect(second.state.hessian.array).toEqual(first.state.hessian.array);
  });

  test('writes the names that other libraries use, and says that the batch size is in', async () => {
    const sophia = bySophia();
    sophia.updateHessian({ batchSize: 4, prime: true });
    sophia.step();
    const saved = sophia.saveState(path);
    sophia.step();
    await saved;
    expect(sophia.state.step).toBe(2);
    const file = await openSafetensors(path);
    expect(file.metadata).toMatchObject({ step: '1', estimates: '1' });
    expect(new Float32Array((await file.read('step')).buffer)).toEqual(Float32Array.of(1));
    expect([...file.tensors.keys()].sort()).toEqual(['exp_avg', 'hessian', 'step']);
    expect(file.tensors.get('hessian')).toEqual({ dtype: 'F32', shape: [37], byteLength: 148 });
    expect(file.metadata).toMatchObject({ format: 'soul-unlearn', optimizer: 'sophia', hessian_batch_size: 'folded' });
    const momentum = new Float32Array(37);
    await file.readInto('exp_avg', momentum);
    await file.close();
    for (const [i, m] of momentum.entries()) expect(m).toBeCloseTo(0.035 * setUp().gradients.array[i]!, 6);
    expect(await readdir(folder)).toEqual(['state.safetensors']);
  });

  test('is not saved in the middle of an estimate in parts, though before and after', async () => {
    const sophia = bySophia();
    const before = sophia.saveState(join(folder, 'before'));
    sophia.updateHessian({ batchSize: 4, part: [0, 2] });
    const within = codeOf(sophia.saveState(join(folder, 'within')));
    sophia.updateHessian({ batchSize: 4, part: [1, 2] });
    const after = sophia.saveState(join(folder, 'after'));
    await before;
    expect(await within).toBe('SOUL_INVALID_ARGUMENT');
    await after;
    expect((await readdir(folder)).sort()).toEqual(['after', 'before', 'state.safetensors']);
    await Promise.all(['after', 'before'].map((name) => rm(join(folder, name))));
  });

  test('whose memory was given up is neither saved nor changed', async () => {
    const sophia = bySophia();
    await sophia.updateHessian({ batchSize: 4, prime: true });
    await sophia.step();
    await sophia.saveState(path);
    await sophia.step();
    const momentum = sophia.state.momentum.array.slice();
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    await sophia.state.hessian.release();
    expect(await codeOf(sophia.saveState(join(folder, 'never')))).toBe('SOUL_RELEASED');
    expect(await codeOf(sophia.loadState(path))).toBe('SOUL_RELEASED');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
    expect(sophia.state.momentum.array).toEqual(momentum);
    expect(sophia.state.step).toBe(2);
    expect(await readdir(folder)).toEqual(['state.safetensors']);
  });

  test('takes a file without the batch size only when it is told', async () => {
    const hessian = hashed(5, 37).map(Math.abs);
    await writeSafetensors(path, [
      { name: 'exp_avg', dtype: 'F32', shape: [37], data: hashed(4, 37) },
      { name: 'hessian', dtype: 'F32', shape: [37], data: hessian },
      { name: 'step', dtype: 'F32', shape: [], data: Float32Array.of(12) },
    ]);
    const sophia = new Sophia(setUp());
    expect(await codeOf(sophia.loadState(path))).toBe('SOUL_INVALID_ARGUMENT');
    expect(sophia.state.step).toBe(0);
    expect(await codeOf(sophia.loadState(path, { batchSize: Number.NaN }))).toBe('SOUL_INVALID_ARGUMENT');
    await sophia.loadState(path, { batchSize: 64 });
    expect(sophia.state.step).toBe(12);
    expect(sophia.state.hessian.array).toEqual(hessian.map((h) => h * 64));
    await sophia.saveState(path);
    expect(await codeOf(sophia.loadState(path, { batchSize: 64 }))).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('is unchanged by a file that does not fit', async () => {
    await bySophia(36).saveState(path);
    const sophia = bySophia();
    await sophia.updateHessian({ batchSize: 4, prime: true });
    await sophia.step();
    const before = [sophia.state.momentum.array.slice(), sophia.state.hessian.array.slice()];
    expect(await codeOf(sophia.loadState(path))).toBe('SOUL_INVALID_ARGUMENT');
    await new AdamW(setUp()).saveState(path);
    expect(await codeOf(sophia.loadState(path))).toBe('SOUL_BAD_FILE');
    expect(await codeOf(sophia.loadState(join(folder, 'missing')))).toBe('SOUL_NOT_FOUND');
    expect(await codeOf(sophia.saveState(join(folder, 'no', 'folder')))).toBe('SOUL_NOT_FOUND');
    expect([sophia.state.momentum.array, sophia.state.hessian.array]).toEqual(before);
    expect(sophia.state.step).toBe(1);
  });
});

describe('AdamW', () => {
  test('goes on from its file as if it had never stopped', async () => {
    const first = new AdamW(setUp());
    for (let i = 0; i < 5; i++) await first.step();
    await first.saveState(path);
    const second = new AdamW(setUp());
    await second.parameters.values.copyFrom(first.parameters.values);
    await second.loadState(path);
    expect(await second.step()).toEqual(await first.step());
    expect(second.parameters.values.array).toEqual(first.parameters.values.array);
    const file = await openSafetensors(path);
    expect([...file.tensors.keys()].sort()).toEqual(['exp_avg', 'exp_avg_sq', 'step']);
    await file.close();
  });
});

describe('bf16', () => {
  const narrow = async (stream: number) => {
    const buffer = FlatBuffer.alloc(101, { dtype: 'bf16' });
    await buffer.copyFrom(hashed(stream, 101));
    return buffer;
  };
  const precisions: Precision[] = [{}, { states: 'bf16' }, { master: 'none' }, { master: 'none', states: 'bf16' }];

  test.each(precisions)('goes on from its file as if it had never stopped: %j', async (precision) => {
    const make = async () => {
      const parameters = { values: await narrow(1), gradients: await narrow(2) };
      return new Sophia(parameters, { learningRate: 0.01, precision, seed: 5n, rho: { clippedFraction: 0.2 } });
    };
    const first = await make();
    await first.updateHessian({ batchSize: 4, prime: true });
    for (let i = 0; i < 3; i++) await first.step({ hessian: { batchSize: 2 } });
    await first.saveState(path);
    const file = await openSafetensors(path);
    expect(file.tensors.get('hessian')!.dtype).toBe(precision.states === 'bf16' ? 'BF16' : 'F32');
    expect(file.tensors.has('master')).toBe(precision.master !== 'none');
    await file.close();
    const second = await make();
    await second.parameters.values.copyFrom(first.parameters.values);
    await second.loadState(path);
    for (const sophia of [first, second]) {
      await sophia.updateHessian({ batchSize: 3 });
      await sophia.step();
    }
    expect(second.parameters.values.array).toEqual(first.parameters.values.array);
    expect(second.state.momentum.array).toEqual(first.state.momentum.array);
    expect(second.state.hessian.array).toEqual(first.state.hessian.array);
    expect(second.state.master?.array).toEqual(first.state.master?.array);
  });

  test('a master takes the values as they are where the file has none', async () => {
    const wide = new AdamW(setUp(101));
    await wide.step();
    await wide.saveState(path);
    const values = await narrow(1);
    const adamw = new AdamW({ values, gradients: await narrow(2) }, { precision: { states: 'bf16' } });
    await values.copyFrom(hashed(3, 101));
    await adamw.loadState(path);
    expect(adamw.state.master!.array).toEqual(await values.toFloat32Array());
    const rounded = FlatBuffer.alloc(101, { dtype: 'bf16' });
    await rounded.copyFrom(wide.state.momentum);
    expect(adamw.state.momentum.array).toEqual(rounded.array);
  });

  test('a file in bf16 is read into float32', async () => {
    const parameters = { values: await narrow(1), gradients: await narrow(2) };
    const sophia = new Sophia(parameters, { precision: { master: 'none', states: 'bf16' } });
    await sophia.updateHessian({ batchSize: 3, prime: true });
    await sophia.saveState(path);
    const wide = new Sophia(setUp(101));
    await wide.loadState(path);
    expect(wide.state.hessian.array).toEqual(await sophia.state.hessian.toFloat32Array());
  });
});

test('a rho that was given as a number does not keep a fraction from being reached', async () => {
  const fixed = new Sophia(setUp(), { rho: 0.04 });
  await fixed.updateHessian({ batchSize: 4, prime: true });
  await fixed.saveState(path);
  const byFraction = bySophia();
  await byFraction.loadState(path);
  expect(byFraction.rho).toBeNaN();
  expect((await byFraction.step()).clippedFraction).toBeCloseTo(0.2, 1);
});
