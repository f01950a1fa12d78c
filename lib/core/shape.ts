/**
 * Shapes of tensors.
 *
 * @module
 */

/** Number of elements of a shape: the product of its extents, 1 for a scalar's. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
