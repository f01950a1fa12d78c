/**
 * Shapes of tensors.
 *
 * @module
 */

/** Whether a value is a shape: an array of extents, integers of at least 0. */
export function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((extent) => Number.isSafeInteger(extent) && extent >= 0);
}

/** A shape for messages, cut where a file gives one of many extents. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.slice(0, 8)}${shape.length > 8 ? `,... (${shape.length} extents)` : ''}]`;
}

/** Number of elements of a shape: the product of its extents, 1 for a scalar's. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
