/**
 * The optimizer package: flat buffers and the optimizers over them. Needs no libtorch and no Python.
 *
 * @module
 */

export { errorCodes, SoulError, type SoulErrorCode } from './core/errors.ts';
export { type Device, type DType, FlatBuffer, type FlatBufferOptions, type NumberArray } from './core/flat-buffer.ts';
