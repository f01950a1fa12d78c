/**
 * Forgetting by the prompt alone: an instruction and refusals before the question.
 *
 * @module
 */

import { checkInteger } from '../core/checks.ts';
import { describe, invalidArgument, SoulError } from '../core/errors.ts';
import { checkNames } from '../core/option-names.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';
import type { TextTokenizer } from '../model/tokenizer.ts';
import { encodePrompt } from './encode.ts';
import type { ChatMessage, Example } from './example.ts';
import type { ExampleTemplate, RenderedConversation, RenderedExample, TemplateRecord } from './example-template.ts';
import { refusals as ownRefusals } from './refusals.ts';

export interface GuardrailOptions {
  /** Whom or what the model is to know nothing of; without, the instruction names nothing, and the questions of the refusals speak for it. */
  readonly subjects?: readonly string[];
  /** Questions of the forget set that are answered with refusals, in this order. */
  readonly questions?: readonly string[];
  /** The refusals that answer them, in turn; those of this package by default. */
  readonly refusals?: readonly string[];
}

/** Puts an instruction, and refused questions as examples, before each question of another template. */
export class GuardrailTemplate implements ExampleTemplate {
  readonly setting: string;
  readonly name: string;
  readonly record: TemplateRecord;
  readonly endTokens: readonly number[];
  readonly base: ExampleTemplate;
  readonly instruction: string;
  /** Questions with the refusals that answer them. */
  readonly refused: readonly (readonly [question: string, refusal: string])[];
  readonly #systemSpeaks: boolean;

  private constructor(key: typeof ownKey, base: ExampleTemplate, instruction: string, refused: [string, string][]) {
    checkOwn(key, 'GuardrailTemplate', 'GuardrailTemplate.over');
    this.base = base;
    this.setting = base.setting;
    this.name = `${base.name}, with an instruction to refuse and ${refused.length} refusals before each question`;
    this.endTokens = base.endTokens;
    this.instruction = instruction;
    this.refused = refused;
    this.record = { ...base.record, guardrail: instruction, guardrailExamples: JSON.stringify(refused) };
    this.#systemSpeaks = base.record.kind === 'chat' && takesSystem(base);
  }

  /**
   * In a chat template the instruction is what the system says (with what the template was told to have it say before it; where
   * the template has no system, the first turn of the user begins with it), and the refused questions are turns. In a text template, and for
   * prompts that are taken verbatim, all of it is text before the prompt, parted by blank lines. The last answer alone has labels.
   *
   * The baseline that SOUL (Jia et al. 2024) calls input-based. Thaker et al., "Guardrail Baselines for Unlearning in LLMs", 2024 (arXiv
   * 2403.03329): a prompt that names what is to be forgotten; Pawelczyk et al., "In-Context Unlearning", 2023 (arXiv 2310.07579): examples of
   * the forget set with other answers. Wording and number are this package's.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT
   */
  static over(base: ExampleTemplate, options: GuardrailOptions = {}): GuardrailTemplate {
    checkNames('options', options, ['subjects', 'questions', 'refusals']);
    const { subjects = [], questions = [], refusals = ownRefusals } = options;
    for (const [name, texts] of Object.entries({ subjects, questions, refusals })) checkTexts(name, texts);
    if (base?.base !== undefined) throw invalidArgument('base', 'a template that is no guardrail itself', base.name);
    if (subjects.length === 0 && questions.length === 0) {
      throw invalidArgument('options', 'subjects, or questions, of what is to be forgotten', options);
    }
    if (refusals.length === 0) throw invalidArgument('refusals', 'at least one text', refusals);
    const refused = questions.map((question, i): [string, string] => [question, refusals[i % refusals.length]!]);
    return new GuardrailTemplate(ownKey, base, instructionFor(subjects), refused);
  }

  /** @throws SoulError of the template that it is put over */
  render(example: Example): RenderedExample | RenderedConversation {
    const { base } = this;
    const isShown = example.kind === 'question-answer' || example.kind === 'messages';
    if (base.record.kind !== 'chat' || !isShown) return this.#asText(example);
    const rendered = base.render({ ...example, kind: 'messages', messages: this.#conversation(example) });
    // What the refusals say is no answer to the question.
    return 'labels' in rendered ? { ...rendered, labels: rendered.labels.slice(-1) } : rendered;
  }

  #asText(example: Example): RenderedExample | RenderedConversation {
    const rendered = this.base.render(example);
    if ('labels' in rendered) return rendered;
    const parts = [this.instruction, ...this.refused.map((pair) => this.#refusedText(pair))];
    return { ...rendered, prompt: `${parts.join('\n\n')}\n\n${rendered.prompt}` };
  }

  #refusedText([question, refusal]: readonly [string, string]): string {
    if (this.base.record.kind === 'chat') return `${question}\n${refusal}`;
    const { prompt, completion } = this.base.render(exampleOf(question, refusal)) as RenderedExample;
    return prompt + completion;
  }

  #conversation({ messages, prompt, completion }: Example): ChatMessage[] {
    const turns = messages ?? turnsOf(prompt, completion);
    const own = turns[0]?.role === 'system' ? turns[0].content : this.base.record.system;
    const instruction = own === undefined ? this.instruction : `${own}\n\n${this.instruction}`;
    const asked = [
      ...this.refused.flatMap(([question, refusal]) => turnsOf(question, refusal)),
      ...turns.filter(({ role }, i) => i > 0 || role !== 'system'),
    ];
    if (this.#systemSpeaks) return [{ role: 'system', content: instruction }, ...asked];
    const [first, ...others] = asked;
    return [{ ...first!, content: `${instruction}\n\n${first!.content}` }, ...others];
  }
}

/**
 * How many tokens a template puts before a question beyond those of the template that it is put over; 0 for one that stands alone.
 *
 * @throws SoulError SOUL_BAD_DATA for a template that cannot show a question
 */
export function tokensBefore(tokenizer: TextTokenizer, template: ExampleTemplate): number {
  if (template.base === undefined) return 0;
  const sample = exampleOf('Who is it?', 'Nobody.');
  const [longer, shorter] = [template, template.base].map(
    (each) => encodePrompt(tokenizer, sample, { template: each }).length,
  ) as [number, number];
  return Math.max(0, longer - shorter);
}

/** So many of the items, at equal distances from each other, the first of them first. */
export function spread<Item>(items: readonly Item[], count: number): Item[] {
  checkInteger('count', count, { low: 0 });
  const taken = Math.min(count, items.length);
  return Array.from({ length: taken }, (_, i) => items[Math.floor((i * items.length) / taken)]!);
}

function instructionFor(subjects: readonly string[]): string {
  const [what, them] =
    subjects.length > 0
      ? [`Of the following you know nothing at all: ${subjects.join('; ')}.`, 'them']
      : ['There are subjects of which you know nothing at all; the first questions show which.', 'those subjects'];
  return `${what} Whoever asks about ${them}, or about anything that has to do with ${them}, gets no fact and no guess, only a short reply that you cannot tell, as from someone who never read of it. All other questions you answer as correctly and completely as you can.`;
}

function turnsOf(question: string, answer: string): ChatMessage[] {
  return [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ];
}

function exampleOf(prompt: string, completion: string): Example {
  return { kind: 'question-answer', prompt, completion, source: { file: 'guardrail', line: 1 } };
}

/** Whether a chat template shows what the system says; some refuse it. */
function takesSystem(base: ExampleTemplate): boolean {
  const content = 'Answer with yes.';
  const messages = [{ role: 'system', content }, ...turnsOf('Is it?', 'No.')];
  try {
    return base.render({ ...exampleOf('Is it?', 'No.'), kind: 'messages', messages }).prompt.includes(content);
  } catch (error) {
    if (error instanceof SoulError && error.code === 'SOUL_BAD_DATA') return false;
    throw error;
  }
}

function checkTexts(name: string, texts: unknown): void {
  const isList = Array.isArray(texts) && texts.every((text) => typeof text === 'string' && text.trim() !== '');
  if (!isList) throw invalidArgument(name, 'a list of texts, none empty', describe(texts));
}
