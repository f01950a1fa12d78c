import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openSafetensors } from '../../lib/core/safetensors.ts';
import { AdamW, FlatBuffer, Sophia } from '../../lib/index.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import { hashed } from './hashed.ts';
import { codeOf } from './set-up.ts';

const matrix = { name: 'w.weight', shape: [7, 5], group: 'matrix' } as const;
const bias = { name: 'w.bias', shape: [7], group: 'vector' } as const;
const norm = { name: 'norm', shape: [3], group: 'vector' } as const;

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-named-state-'));
  path = join(folder, 'state.safetensors');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Buffers of a layout, every element of a parameter a function of its name and index alone. */
function parametersOf(layout: ParameterLayout, dtype: 'f32' | 'bf16' = 'f32') {
  const values = new Float32Array(layout.length);
  for (const [name, { offset, shape }] of layout) {
    values.set(
      hashed(
        name.length,
        shape.reduce((product, extent) => product * extent, 1),
      ),
      offset,
    );
  }
  const buffer = () => FlatBuffer.alloc(layout.length, { dtype });
  const parameters = { values: buffer(), gradients: buffer(), layout };
  void parameters.values.copyFrom(values);
  void parameters.gradients.copyFrom(values);
  return parameters;
}

async function part(buffer: FlatBuffer, layout: ParameterLayout, name: string): Promise<number[]> {
  const { offset, shape } = layout.get(name)!;
  const floats = await buffer.toFloat32Array();
  return [...floats.subarray(offset, offset + shape.reduce((product, extent) => product * extent, 1))];
}

describe.each(['f32', 'bf16'] as const)('a state of %s parameters with a layout', (dtype) => {
  test('goes by their names, so that it fits another layout of the same parameters', async () => {
    const layout = ParameterLayout.of([matrix, bias, norm]);
    const sophia = new Sophia(parametersOf(layout, dtype));
    await sophia.updateHessian({ batchSize: 4, prime: true });
    await sophia.step();
    await sophia.saveState(path);
    const file = await openSafetensors(path);
    expect(file.tensors.get('hessian/w.weight')).toEqual({ dtype: 'F32', shape: [7, 5], byteLength: 140 });
    await file.close();

    const reordered = ParameterLayout.of([norm, bias, matrix]);
    const other = new Sophia(parametersOf(reordered, dtype));
    await other.loadState(path);
    expect(other.state.step).toBe(1);
    for (const name of ['w.weight', 'w.bias', 'norm']) {
      for (const average of ['momentum', 'hessian', 'master'] as const) {
        const [mine, theirs] = [sophia.state[average], other.state[average]];
        if (mine === undefined || theirs === undefined) continue;
        expect(await part(theirs, reordered, name)).toEqual(await part(mine, layout, name));
      }
    }
  });
});

describe('a state is refused, and nothing changes', () => {
  const saved = async (...parameters: Parameters<typeof ParameterLayout.of>[0][]) => {
    const adamw = new AdamW(parametersOf(ParameterLayout.of(parameters.flatMap((each) => [...each]))));
    await adamw.step();
    await adamw.saveState(path);
  };
  const loading = async (...own: (typeof matrix | typeof bias | typeof norm)[]) => {
    const adamw = new AdamW(parametersOf(ParameterLayout.of(own)));
    const code = await codeOf(adamw.loadState(path));
    expect(adamw.state.step).toBe(0);
    expect((await adamw.state.momentum.toFloat32Array()).every((m) => m === 0)).toBe(true);
    return code;
  };

  test('where a parameter is missing, foreign, or of another shape', async () => {
    await saved([matrix, bias]);
    expect(await loading(matrix, bias, norm)).toBe('SOUL_BAD_FILE');
    expect(await loading(matrix)).toBe('SOUL_INVALID_ARGUMENT');
    await saved([{ ...matrix, shape: [5, 7] }, bias]);
    expect(await loading(matrix, bias)).toBe('SOUL_INVALID_ARGUMENT');
  });

  test('where the optimizer knows no names', async () => {
    await saved([matrix, bias]);
    const { values, gradients } = parametersOf(ParameterLayout.of([matrix, bias]));
    expect(await codeOf(new AdamW({ values, gradients }).loadState(path))).toBe('SOUL_INVALID_ARGUMENT');
  });
});

test('a state without names fits parameters of the same length that have some', async () => {
  const layout = ParameterLayout.of([matrix, bias]);
  const { values, gradients } = parametersOf(layout);
  const unnamed = new AdamW({ values, gradients });
  await unnamed.step();
  await unnamed.saveState(path);
  const named = new AdamW(parametersOf(layout));
  await named.loadState(path);
  expect(named.state.momentum.array).toEqual(unnamed.state.momentum.array);
});

test('a layout whose parameters overlap or do not fit is refused before anything rests on it', () => {
  const { values, gradients } = parametersOf(ParameterLayout.of([matrix]));
  const layoutOf = (...places: [string, object][]) => ({
    length: values.length,
    [Symbol.iterator]: () => places[Symbol.iterator](),
  });
  for (const places of [
    [
      ['a', { offset: 0, shape: [10] }],
      ['b', { offset: 9, shape: [2] }],
    ],
    [['a', { offset: 250, shape: [7] }]],
    [['a', { offset: -1, shape: [7] }]],
    [['a', { offset: 0 }]],
  ] as [string, object][][]) {
    expect(() => new AdamW({ values, gradients, layout: layoutOf(...places) as never })).toThrow(
      expect.objectContaining({ code: 'SOUL_INVALID_ARGUMENT' }),
    );
  }
});

test('a layout of another length is refused', () => {
  const { values, gradients } = parametersOf(ParameterLayout.of([matrix]));
  const layout = ParameterLayout.of([matrix, bias]);
  expect(() => new AdamW({ values, gradients, layout })).toThrow('layout.length must be 256');
});

test('parameters begin at multiples of 256 elements', () => {
  const offsets = Array.from(ParameterLayout.of([norm, bias, matrix]), ([, { offset }]) => offset);
  expect(offsets).toEqual([0, 256, 512]);
});
