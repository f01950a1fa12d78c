/**
 * Which operation of libtorch computes attention.
 *
 * @module
 */

import { type Device, describeDevices } from '../core/devices.ts';
import type { WeightDType } from '../model/checkpoint.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';

/**
 * `host`: flash attention for CPUs. `packed`: flash attention for NVIDIA GPUs over sequences as they are packed, without padding.
 * `portable`: `scaled_dot_product_attention` over padded blocks, on every device.
 */
export type AttentionKind = 'host' | 'portable' | 'packed';

/** The oldest that has libtorch's flash attention: compute capability 8.0. */
const packedSince = 80;

/** What a model takes on a device: packed in bf16 where the GPU and the size of its heads allow it. */
export function attentionKind(
  { attentionSoftcap, headSize }: Pick<DecoderConfig, 'attentionSoftcap' | 'headSize'>,
  device: Device,
  dtype: WeightDType,
): AttentionKind {
  if (device === 'cpu') return 'host';
  if (dtype !== 'bf16' || attentionSoftcap !== undefined || headSize % 8 !== 0 || headSize > 256) return 'portable';
  const found = describeDevices().cuda.devices.find(({ name }) => name === device);
  const capability = Number(found?.architecture.replace('sm_', '') ?? 0);
  return capability >= packedSince ? 'packed' : 'portable';
}
