/**
 * How a question becomes the text that a model sees.
 *
 * @module
 */

import { invalidArgument, SoulError, shortName } from '../core/errors.ts';
import { checkOwn, ownKey } from '../core/own-construction.ts';
import { type Example, whereIs } from './example.ts';
import type { ExampleTemplate, RenderedExample, TemplateRecord } from './example-template.ts';

/**
 * Text with the placeholders `{question}` and, after it, `{answer}`; without `{answer}` the answer follows at the end.
 *
 * Spaces right before the answer count as its own, since tokenizers join a space with the word that follows: the prompt of
 * `'Q: {question} A: {answer}'` ends with `A:` and its completion begins with a space.
 */
export class PromptTemplate implements ExampleTemplate {
  /** `Question: ...`, a new line, `Answer:`, then a space and the answer. */
  static readonly plain: PromptTemplate = PromptTemplate.parse('Question: {question}\nAnswer: {answer}');

  /** The text it was made of. */
  readonly text: string;
  /** The text before the question. */
  readonly beforeQuestion: string;
  /** The text behind the answer. */
  readonly afterAnswer: string;
  readonly name: string;
  readonly record: TemplateRecord;
  readonly endTokens: readonly number[] = [];
  readonly #afterQuestion: string;
  readonly #beforeAnswer: string;

  private constructor(key: typeof ownKey, text: string, question: number, answer: number) {
    checkOwn(key, 'PromptTemplate', 'PromptTemplate.parse');
    const between = text.slice(question + '{question}'.length, answer);
    this.text = text;
    this.name = `the template ${JSON.stringify(text)}`;
    this.record = { kind: 'text', text };
    this.beforeQuestion = text.slice(0, question);
    this.#afterQuestion = between.replace(/ +$/, '');
    this.#beforeAnswer = between.slice(this.#afterQuestion.length);
    this.afterAnswer = text.slice(answer + '{answer}'.length);
  }

  get setting(): string {
    return this.text;
  }

  /**
   * @param text for instance `'[INST] {question} [/INST]'`
   * @throws SoulError SOUL_INVALID_ARGUMENT unless there is one `{question}` and at most one `{answer}` after it, and no
   *   other `{word}`
   */
  static parse(text: string): PromptTemplate {
    if (typeof text !== 'string') throw invalidArgument('template', 'a text with the placeholder {question}', text);
    const placeholders = [...text.matchAll(/\{\s*[A-Za-z_]+\s*\}/g)].map(([placeholder]) => placeholder);
    const unknown = placeholders.find((placeholder) => placeholder !== '{question}' && placeholder !== '{answer}');
    if (unknown) {
      const expected = `a text whose placeholders are {question} and {answer}, not ${shortName(unknown)}`;
      throw invalidArgument('template', expected, text);
    }
    const counts = ['{question}', '{answer}'].map((name) => placeholders.filter((other) => other === name).length);
    if (counts[0] !== 1) throw invalidArgument('template', 'a text with the placeholder {question} once', text);
    if (counts[1]! > 1) throw invalidArgument('template', 'a text with the placeholder {answer} at most once', text);
    const whole = counts[1] === 1 ? text : `${text}${/\s$/.test(text) ? '' : ' '}{answer}`;
    const [question, answer] = [whole.indexOf('{question}'), whole.indexOf('{answer}')];
    if (answer < question) throw invalidArgument('template', 'a text with {answer} after {question}', text);
    return new PromptTemplate(ownKey, whole, question, answer);
  }

  /**
   * The texts of an example; a prompt with its completion and a text are taken verbatim.
   *
   * @throws SoulError SOUL_INVALID_ARGUMENT for what is no example; SOUL_BAD_DATA for a conversation
   */
  render(example: Pick<Example, 'kind' | 'prompt' | 'completion'> & Partial<Example>): RenderedExample {
    if (typeof example?.prompt !== 'string' || typeof example.completion !== 'string') {
      throw invalidArgument('example', '{ kind, prompt, completion }, as readExamples gives it', example);
    }
    const { kind, prompt, completion } = example;
    if (kind === 'prompt-completion' || kind === 'text') return { prompt, completion };
    if (kind === 'messages') {
      throw new SoulError(
        'SOUL_BAD_DATA',
        `${whereIs(example as Example)} is a conversation, which ${this.name} cannot show; it takes a model with a chat template (--template chat)`,
        { ...example.source },
      );
    }
    return {
      prompt: this.beforeQuestion + prompt + this.#afterQuestion,
      completion: this.#beforeAnswer + completion + this.afterAnswer,
    };
  }
}
