import { FlatBuffer, SoulError } from '../../lib/index.ts';
import { hashed } from './hashed.ts';

/** Values and gradients of hashed numbers, gradients scaled. */
export function setUp(length = 37, scale = 1) {
  const values = FlatBuffer.from(hashed(1, length));
  const gradients = FlatBuffer.from(hashed(2, length).map((x) => x * scale));
  return { values, gradients };
}

/** The code that a promise is rejected with, or that a call throws. */
export async function codeOf(work: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    if (error instanceof SoulError) return error.code;
    throw error;
  }
  return 'no error';
}
