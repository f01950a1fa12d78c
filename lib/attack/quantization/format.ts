/**
 * What a number format of quantised weights is.
 *
 * @module
 */

export interface QuantizationFormat {
  readonly name: string;
  /** Bits a weight, the scales not counted. */
  readonly bits: number;
  readonly summary: string;
  readonly source: string;
  /**
   * Rounds the weights of one linear layer, in place: to what they are when they have been quantised and are read again.
   *
   * @param weights float32, [outputs, inputs], row after row
   * @param inputs how many there are, which is the length of a row
   * @param codes takes the level of each weight, by a number from 0 to 255, whatever the scale is
   */
  round(weights: Float32Array, inputs: number, codes?: Uint8Array): void;
}
