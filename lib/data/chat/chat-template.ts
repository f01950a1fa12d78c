/**
 * A model's chat template: questions and conversations as its makers have it see them.
 *
 * @see https://huggingface.co/docs/transformers/chat_templating
 * @module
 */

import { describe, invalidArgument, SoulError, shortMessage } from '../../core/errors.ts';
import { checkOwn, ownKey } from '../../core/own-construction.ts';
import type { ChatTemplateFile } from '../../model/chat-template-file.ts';
import type { TextTokenizer } from '../../model/tokenizer.ts';
import { type ChatMessage, type Example, whereIs } from '../example.ts';
import type { ExampleTemplate, RenderedConversation, RenderedExample, TemplateRecord } from '../example-template.ts';
import { type CompiledTemplate, compileTemplate, RaisedByTemplate } from './jinja.ts';
import { strftime } from './python-text.ts';
import { generationMarks } from './template-source.ts';
import { conversationOf, type Rendering } from './turns.ts';

/** The day that templates are told, unless another is asked for: that which the templates of Llama 3 fall back to. */
export const defaultTemplateDate = '2024-07-26';

export interface ChatTemplateOptions {
  /** The day that `strftime_now` and `date_string` give, as 2024-07-26; that by default. */
  readonly date?: string;
  /** What the system says where a conversation does not begin with that; the template's own by default. */
  readonly system?: string;
}

/** What a chat template needs of a tokenizer. */
export type RoleTokenizer = TextTokenizer & { readonly roles: Readonly<Record<string, string>> };

/** @throws SoulError SOUL_INVALID_ARGUMENT unless it is a day, as 2024-07-26 */
export function checkTemplateDate(argument: string, value: unknown): void {
  const date =
    typeof value === 'string' && /^[1-9]\d{3}-\d\d-\d\d$/.test(value) ? new Date(`${value}T00:00Z`) : undefined;
  if (date && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value as string)) return;
  throw invalidArgument(argument, `a day, as ${defaultTemplateDate}`, value);
}

/**
 * Renders questions as a turn of the user, answers as one of the assistant, and conversations as they are; prompts and texts that
 * are to be taken verbatim pass by.
 *
 * Texts are those of transformers' `apply_chat_template` with `enable_thinking=False` and `date_string` of the fixed day, without tools
 * and documents. Where an answer holds thoughts, so that the prompt without them does not lead to it, `enable_thinking` is not
 * said.
 */
export class ChatTemplate implements ExampleTemplate {
  readonly setting = 'chat';
  readonly name = 'the chat template of the model';
  readonly record: TemplateRecord;
  readonly endTokens: readonly number[];
  readonly #render: CompiledTemplate;
  readonly #variables: Readonly<Record<string, unknown>>;
  readonly #system: string | undefined;
  readonly #tokenizer: TextTokenizer;
  readonly #file: ChatTemplateFile;
  readonly #hasThoughts: boolean;
  /** What was found behind answers: mostly the same. */
  readonly #ends = new Map<string, TurnEnd | undefined>();

  private constructor(
    key: typeof ownKey,
    file: ChatTemplateFile,
    tokenizer: RoleTokenizer,
    options: ChatTemplateOptions,
  ) {
    checkOwn(key, 'ChatTemplate', 'ChatTemplate.of');
    const { date = defaultTemplateDate, system } = options;
    checkTemplateDate('date', date);
    if (system !== undefined && typeof system !== 'string') throw invalidArgument('system', 'a text', system);
    this.record = {
      ...{ kind: 'chat', file: file.file, sha256: file.sha256, date },
      ...(system === undefined ? {} : { system }),
    };
    this.#file = file;
    this.#tokenizer = tokenizer;
    this.#system = system;
    this.#hasThoughts = file.text.includes('enable_thinking');
    this.#variables = {
      ...tokenizer.roles,
      ...{ tools: null, documents: null, date_string: strftime(date, '%d %b %Y') },
      strftime_now: (format: unknown) => strftime(date, String(format)),
    };
    try {
      this.#render = compileTemplate(file.text);
    } catch (cause) {
      throw this.#unknown(cause);
    }
    this.endTokens = this.#endOfTurn();
  }

  /**
   * @param file of {@link readChatTemplate}
   * @throws SoulError SOUL_INVALID_ARGUMENT; SOUL_UNSUPPORTED for a template that the engine cannot read
   */
  static of(file: ChatTemplateFile, tokenizer: RoleTokenizer, options: ChatTemplateOptions = {}): ChatTemplate {
    return new ChatTemplate(ownKey, file, tokenizer, options);
  }

  /**
   * @throws SoulError SOUL_BAD_DATA for a conversation that the template refuses, or whose answers it does not show;
   *   SOUL_UNSUPPORTED where the engine cannot render it
   */
  render(example: Example): RenderedExample | RenderedConversation {
    const { kind, prompt, completion } = example;
    if (kind === 'prompt-completion' || kind === 'text') return { prompt, completion };
    const messages = this.messagesOf(example);
    const thinks =
      this.#hasThoughts && !this.#leadsTo(example, messages, false) && this.#leadsTo(example, messages, true);
    const ends = {
      special: (text: string) => this.#endAt(text)?.text,
      ofText: (text: string) => (this.#endAt(text)?.isOfText ? this.#endAt(text)?.text : undefined),
    };
    const render = (some: readonly ChatMessage[], withPrompt: boolean) =>
      this.#rendering(example, some, { withPrompt, thinks });
    const rendered = conversationOf(messages, render, ends);
    if (rendered) return rendered;
    throw new SoulError(
      'SOUL_BAD_DATA',
      `${whereIs(example)}: the chat template leaves out the last answer, ${describe(completion)}`,
      { ...example.source },
    );
  }

  /** The conversation that an example stands for, as it is given to the template. */
  messagesOf({ prompt, completion, messages }: Example): ChatMessage[] {
    const turns = messages ?? [
      { role: 'user', content: prompt },
      { role: 'assistant', content: completion },
    ];
    const begins = this.#system === undefined || turns[0]?.role === 'system';
    return begins ? [...turns] : [{ role: 'system', content: this.#system! }, ...turns];
  }

  /** Whether the whole goes on from the prompt. */
  #leadsTo(example: Example, messages: readonly ChatMessage[], thinks: boolean): boolean {
    if (messages.length === 1) return true;
    const prompt = this.#rendering(example, messages.slice(0, -1), { withPrompt: true, thinks });
    return this.#rendering(example, messages, { withPrompt: false, thinks }).text.startsWith(prompt.text);
  }

  #rendering(
    example: Pick<Example, 'source'>,
    messages: readonly ChatMessage[],
    { withPrompt, thinks }: { withPrompt: boolean; thinks: boolean },
  ): Rendering {
    let text: string;
    try {
      text = this.#render({
        ...this.#variables,
        messages,
        add_generation_prompt: withPrompt,
        ...(thinks ? {} : { enable_thinking: false }),
      });
    } catch (cause) {
      if (!(cause instanceof RaisedByTemplate)) throw this.#unknown(cause);
      throw new SoulError(
        'SOUL_BAD_DATA',
        `${whereIs(example as Example)}: the chat template refuses it: ${cause.message}`,
        { ...example.source },
        { cause },
      );
    }
    return withoutMarks(text);
  }

  /** The token that ends the assistant's turn, where it is one of its own. */
  #endOfTurn(): number[] {
    const sample = {
      kind: 'question-answer',
      prompt: 'Hi',
      completion: 'Hello',
      source: { file: 'sample', line: 1 },
    } as const;
    try {
      const rendered = this.render(sample) as RenderedConversation;
      const end = this.#endAt(rendered.text.slice(rendered.text.lastIndexOf('Hello') + 'Hello'.length));
      return end === undefined ? [] : this.#tokenizer.encode(end.text.trim(), { addSpecialTokens: false }).slice(0, 1);
    } catch (error) {
      // A template may refuse any one conversation; what it refuses of the data is said there.
      if (error instanceof SoulError && error.code === 'SOUL_BAD_DATA') return [];
      throw error;
    }
  }

  /** The special token that a text begins with, and the white space before it. */
  #endAt(text: string): TurnEnd | undefined {
    const beginning = text.slice(0, 200);
    if (this.#ends.size > 1000) this.#ends.clear();
    if (!this.#ends.has(beginning)) this.#ends.set(beginning, this.#readEnd(beginning));
    return this.#ends.get(beginning);
  }

  #readEnd(text: string): TurnEnd | undefined {
    const rest = text.trimStart();
    const [first] = this.#tokenizer.encode(rest, { addSpecialTokens: false });
    if (first === undefined) return undefined;
    const token = this.#tokenizer.decode([first], { skipSpecialTokens: false });
    const isOfText = this.#tokenizer.endOfTextTokens.includes(first);
    const isSpecial = isOfText || this.#tokenizer.decode([first]) === '';
    if (!isSpecial || token === '' || !rest.startsWith(token)) return undefined;
    return { text: text.slice(0, text.length - rest.length + token.length), isOfText };
  }

  #unknown(cause: unknown): SoulError {
    return new SoulError(
      'SOUL_UNSUPPORTED',
      `the chat template in ${this.#file.file} cannot be used: ${shortMessage(cause)}; say how questions become text (--template plain, or a text with {question} and {answer})`,
      { file: this.#file.file },
      { cause },
    );
  }
}

/** A special token and the white space before it. */
interface TurnEnd {
  readonly text: string;
  readonly isOfText: boolean;
}

/** Takes out the marks of `{% generation %}` and says where they stood. */
function withoutMarks(marked: string): Rendering {
  const { begin, end } = generationMarks;
  if (!marked.includes(begin)) return { text: marked, generated: undefined };
  const generated: [number, number][] = [];
  let text = '';
  for (const part of marked.split(new RegExp(`(${begin}|${end})`, 'u'))) {
    if (part === begin) generated.push([text.length, text.length]);
    else if (part === end) generated.at(-1)![1] = text.length;
    else text += part;
  }
  return { text, generated };
}
