/**
 * Data sets, prompts, labels and the order of examples.
 *
 * @module
 */

export {
  ChatTemplate,
  type ChatTemplateOptions,
  defaultTemplateDate,
  type RoleTokenizer,
} from './chat/chat-template.ts';
export { chooseTemplate, type TemplateChoice } from './choose-template.ts';
export {
  type EncodedExample,
  type EncodeOptions,
  encodeExample,
  encodeExamples,
  encodePrompt,
} from './encode.ts';
export type { ChatMessage, Example, ExampleAlternatives } from './example.ts';
export type { ExampleFile, ExampleSet, Filter } from './example-set.ts';
export type {
  ExampleTemplate,
  RenderedConversation,
  RenderedExample,
  TemplateRecord,
} from './example-template.ts';
export { filterExamples } from './filter.ts';
export { type GuardrailOptions, GuardrailTemplate } from './guardrail-template.ts';
export { countDuplicates, countOverlap, type Duplicates, type Overlap } from './overlap.ts';
export {
  type DataPreview,
  type PreviewedExample,
  type PreviewOptions,
  previewData,
  type Spread,
  type TextPart,
} from './preview.ts';
export { PromptTemplate } from './prompt-template.ts';
export { readExampleSet } from './read-example-set.ts';
export { type DataFile, readExamples } from './read-examples.ts';
export { type RefusalFile, readRefusals } from './read-refusals.ts';
export { refusals } from './refusals.ts';
export { BatchSampler, type BatchSamplerOptions, PartnerSampler, type PartnerSamplerOptions } from './sampling.ts';
