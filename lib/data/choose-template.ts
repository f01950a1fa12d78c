/**
 * The template that a command or a run asks for, with the model's own as the default.
 *
 * @module
 */

import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { readChatTemplate } from '../model/chat-template-file.ts';
import { ChatTemplate, type RoleTokenizer } from './chat/chat-template.ts';
import type { Example } from './example.ts';
import type { ExampleTemplate } from './example-template.ts';
import { PromptTemplate } from './prompt-template.ts';

/** How questions are to become text. */
export interface TemplateChoice {
  /** `chat`, `plain` or a text with {question} and {answer}; the model's chat template by default, `plain` where it has none. */
  readonly template?: string | undefined;
  /** The day that a chat template is told, as 2024-07-26. */
  readonly templateDate?: string | undefined;
  /** What the system says, in a chat template. */
  readonly system?: string | undefined;
}

/** Words that stand for a template in place of its text. */
const templateWords = ['chat', 'plain'] as const;

/** @throws SoulError SOUL_INVALID_ARGUMENT for a text that is no template and none of {@link templateWords} */
export function checkTemplate(text: unknown): void {
  if (!templateWords.some((word) => word === text)) PromptTemplate.parse(text as string);
}

/**
 * @param folder the model's
 * @throws SoulError SOUL_NOT_FOUND where `chat` is asked for and the folder has no chat template; SOUL_INVALID_ARGUMENT for a system
 *   prompt without one; of {@link readChatTemplate}, {@link ChatTemplate.of} and {@link PromptTemplate.parse}
 */
export async function chooseTemplate(
  folder: string,
  tokenizer: RoleTokenizer,
  { template, templateDate: date, system }: TemplateChoice,
): Promise<ExampleTemplate> {
  const file = template === undefined || template === 'chat' ? await readChatTemplate(folder) : undefined;
  if (file) return ChatTemplate.of(file, tokenizer, withoutUndefined({ date, system }));
  if (template === 'chat') {
    throw new SoulError(
      'SOUL_NOT_FOUND',
      `${folder} has no chat template, neither in chat_template.jinja nor in tokenizer_config.json; copy it there, or say how questions become text (--template plain, or a text with {question} and {answer})`,
      { folder },
    );
  }
  if (system !== undefined) {
    const why = template === undefined ? `${folder} has none` : 'another was asked for (--template)';
    throw new SoulError('SOUL_INVALID_ARGUMENT', `a system prompt (--system) belongs to a chat template; ${why}`, {
      argument: 'system',
    });
  }
  return template === undefined || template === 'plain' ? PromptTemplate.plain : PromptTemplate.parse(template);
}

/** A sentence on a model's own template, where it makes text of some of the examples: it is seldom asked for by name. */
export function templateNotes({ setting, record }: ExampleTemplate, examples: readonly Example[]): string[] {
  const shown = examples.some(({ kind }) => kind === 'question-answer' || kind === 'messages');
  if (setting !== 'chat' || !shown) return [];
  return [`questions go through the chat template in the model's ${record.file}, which is told the day ${record.date}`];
}
