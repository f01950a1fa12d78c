/**
 * State files of optimizers: moving averages as safetensors, by the names of the parameters where there are any.
 *
 * @module
 */

import type { NativeArray } from '../core/addon.ts';
import { SoulError, shortName } from '../core/errors.ts';
import { type DType, FlatBuffer } from '../core/flat-buffer.ts';
import {
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsSource,
  writeSafetensors,
} from '../core/safetensors.ts';
import { elementCount, shapeText } from '../core/shape.ts';
import { countNonFinite } from '../core/vector-operations.ts';
import type { BufferLayout } from './optimizer.ts';

/** A moving average, or a master, as it lies in memory. */
export interface SavedBuffer {
  readonly name: string;
  readonly dtype: DType;
  readonly data: NativeArray;
}

/**
 * Writes buffers and the step. With a layout a buffer `exp_avg` becomes a tensor `exp_avg/<parameter>` for each parameter, in its
 * shape, so that the file fits any layout of the same parameters; what lies between parameters is not written. Without one it
 * becomes one tensor `exp_avg`.
 *
 * @throws SoulError of {@link writeSafetensors}
 */
export async function writeStateFile(
  path: string,
  buffers: readonly SavedBuffer[],
  layout: BufferLayout | undefined,
  step: number,
  metadata: Record<string, string>,
): Promise<void> {
  const tensors = buffers.flatMap(({ name, dtype, data }): SafetensorsSource[] => {
    const kind = { dtype: dtype === 'bf16' ? ('BF16' as const) : ('F32' as const) };
    if (layout === undefined) return [{ ...kind, name, shape: [data.length], data }];
    return Array.from(layout, ([parameter, { offset, shape }]) => ({
      ...kind,
      name: tensorName(name, parameter),
      shape: [...shape],
      data: data.subarray(offset, offset + elementCount(shape)),
    }));
  });
  const count = { name: 'step', dtype: 'F32' as const, shape: [], data: Float32Array.of(step) };
  await writeSafetensors(path, [...tensors, count], { format: 'soul-unlearn', step: String(step), ...metadata });
}

export interface StateFile {
  /** The buffers that the file has, in float32, laid out as those of the optimizer. */
  readonly buffers: ReadonlyMap<string, FlatBuffer<'f32'>>;
  readonly step: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads what {@link writeStateFile} or another library wrote.
 *
 * @param names of buffers; one that is `optional` may be absent
 * @param length of each buffer, in elements
 * @throws SoulError SOUL_NOT_FOUND; SOUL_BAD_FILE for a damaged file, and one that lacks a tensor; SOUL_UNSUPPORTED for a dtype;
 *   SOUL_INVALID_ARGUMENT for another length or shape, and for parameters that are not the layout's
 */
export async function readStateFile(
  path: string,
  names: readonly { readonly name: string; readonly optional: boolean }[],
  length: number,
  layout: BufferLayout | undefined,
): Promise<StateFile> {
  const file = await openSafetensors(path);
  try {
    const buffers = new Map<string, FlatBuffer<'f32'>>();
    for (const { name, optional } of names) {
      const named = [...file.tensors.keys()].filter((each) => each.startsWith(tensorName(name, '')));
      if (named.length === 0 && optional && !file.tensors.has(name)) continue;
      const read =
        named.length > 0 ? await readNamed(file, name, named, length, layout) : await readWhole(file, name, length);
      if ((await countNonFinite(read)) > 0) {
        throw new SoulError('SOUL_BAD_FILE', `${path}: ${name} holds NaN or infinity; no step could use it`, {
          path,
          name,
        });
      }
      buffers.set(name, read);
    }
    return { buffers, step: await readStep(file), metadata: file.metadata };
  } finally {
    await file.close();
  }
}

function tensorName(buffer: string, parameter: string): string {
  return `${buffer}/${parameter}`;
}

async function readWhole(file: SafetensorsFile, name: string, length: number): Promise<FlatBuffer<'f32'>> {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw missing(file, name);
  const elements = elementCount(tensor.shape);
  if (elements !== length) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${file.path}: ${name} has ${elements} elements, but the parameters have ${length}`,
      { path: file.path, expected: length, found: elements },
    );
  }
  const floats = FlatBuffer.alloc(length);
  await readInto(file, name, floats);
  return floats;
}

/** Puts each parameter's tensor in its place; between them are zeros, as in a new state. */
async function readNamed(
  file: SafetensorsFile,
  name: string,
  named: readonly string[],
  length: number,
  layout: BufferLayout | undefined,
): Promise<FlatBuffer<'f32'>> {
  if (layout === undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${file.path} holds ${name} by the names of parameters; give the optimizer the model's parameters with their layout`,
      { path: file.path },
    );
  }
  const floats = FlatBuffer.alloc(length);
  const places = new Map(Array.from(layout, ([parameter, place]) => [tensorName(name, parameter), place]));
  const unknown = named.find((each) => !places.has(each));
  if (unknown !== undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${file.path} has a tensor ${shortName(unknown)}, but there is no such parameter`,
      {
        path: file.path,
        name: unknown,
      },
    );
  }
  for (const [tensor, { offset, shape }] of places) {
    const found = file.tensors.get(tensor)?.shape;
    if (found === undefined) throw missing(file, tensor);
    if (found.length !== shape.length || found.some((extent, i) => extent !== shape[i])) {
      throw new SoulError(
        'SOUL_INVALID_ARGUMENT',
        `${file.path}: ${tensor} has shape ${shapeText(found)}, but the parameter has [${shape}]`,
        { path: file.path, expected: shape, found },
      );
    }
    await readInto(file, tensor, floats.view(offset, elementCount(shape)));
  }
  return floats;
}

function missing(file: SafetensorsFile, name: string): SoulError {
  const found = [...file.tensors.keys()];
  const shown =
    found.slice(0, 8).map(shortName).join(', ') + (found.length > 8 ? `, and ${found.length - 8} more` : '');
  return new SoulError('SOUL_BAD_FILE', `${file.path} has no tensor ${name}; it has ${shown}`, {
    path: file.path,
    name,
  });
}

/** A tensor of F32 or BF16 in float32. */
async function readInto(file: SafetensorsFile, name: string, target: FlatBuffer<'f32'>): Promise<void> {
  const { dtype } = file.tensors.get(name)!;
  if (dtype === 'F32') return file.readInto(name, target.array);
  if (dtype !== 'BF16') {
    throw new SoulError(
      'SOUL_UNSUPPORTED',
      `${file.path}: ${name} is of dtype ${shortName(dtype)}; F32 or BF16 is needed`,
      {
        name,
      },
    );
  }
  const halves = FlatBuffer.alloc(target.length, { dtype: 'bf16' });
  await file.readInto(name, halves.array);
  await target.copyFrom(halves);
}

async function readStep(file: SafetensorsFile): Promise<number> {
  const text = file.metadata.step ?? '';
  const counted = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  const exact = file.metadata.format === 'soul-unlearn' ? counted : await readStepTensor(file);
  if (Number.isSafeInteger(exact) && exact >= 0) return exact;
  throw new SoulError('SOUL_BAD_FILE', `${file.path}: step is ${exact}, not a count`, { path: file.path });
}

/** Other libraries write the step as a tensor of one number. */
async function readStepTensor(file: SafetensorsFile): Promise<number> {
  const tensor = file.tensors.get('step');
  const bytes = tensor === undefined || tensor.byteLength > 8 ? undefined : await file.read('step');
  if (tensor?.dtype === 'F32' && bytes?.length === 4) return new Float32Array(bytes.buffer)[0]!;
  if (tensor?.dtype === 'F64' && bytes?.length === 8) return new Float64Array(bytes.buffer)[0]!;
  if (tensor?.dtype === 'I64' && bytes?.length === 8) return Number(new BigInt64Array(bytes.buffer)[0]!);
  throw new SoulError('SOUL_BAD_FILE', `${file.path} has no tensor step of one F32, F64 or I64`, { path: file.path });
}
