/**
 * Data sets, prompts, labels and the order of examples.
 *
 * @module
 */

export {
  type EncodedExample,
  type EncodeOptions,
  encodeExample,
  encodeExamples,
  encodePrompt,
} from './encode.ts';
export type { Example, ExampleAlternatives } from './example.ts';
export { countOverlap, type Overlap } from './overlap.ts';
export { PromptTemplate, type RenderedExample } from './prompt-template.ts';
export { type DataFile, readExamples } from './read-examples.ts';
export { type RefusalFile, readRefusals } from './read-refusals.ts';
export { refusals } from './refusals.ts';
export { BatchSampler, type BatchSamplerOptions, PartnerSampler, type PartnerSamplerOptions } from './sampling.ts';
