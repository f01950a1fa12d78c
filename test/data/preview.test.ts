import { expect, test } from '@jest/globals';
import { ChatTemplate } from '../../lib/data/chat/chat-template.ts';
import type { Example } from '../../lib/data/example.ts';
import { previewData } from '../../lib/data/preview.ts';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import { characterTokenizer } from './chat-templates/tokenizer.ts';

const tokenizer = characterTokenizer();
const text =
  "{% for m in messages %}{{ m.role[0] + m.content + '<|close|>' }}{% endfor %}{% if add_generation_prompt %}a{% endif %}";
const chat = ChatTemplate.of({ text, file: 'chat_template.jinja', sha256: 'none' }, tokenizer);
const question = (prompt: string, completion: string, line: number): Example => ({
  kind: 'question-answer',
  prompt,
  completion,
  source: { file: 'data.jsonl', line },
});

test('texts are shown with the labels of every turn marked', () => {
  const messages = ['q', 'ab', 'r', 'c'].map((content, i) => ({ role: i % 2 ? 'assistant' : 'user', content }));
  const source = { file: 'data.jsonl', line: 1 };
  const conversation: Example = { kind: 'messages', prompt: 'r', completion: 'c', messages, source };
  const document: Example = {
    kind: 'text',
    prompt: '',
    completion: 'A text.',
    source: { file: 'data.jsonl', line: 2 },
  };
  const preview = previewData(tokenizer, [conversation, document], { template: chat });
  expect(preview).toMatchObject({ examples: 2, kinds: { messages: 1, text: 1 }, template: { kind: 'chat' } });
  expect(preview.shown).toEqual([
    {
      ...{ source, kind: 'messages', tokens: 13, labels: 5, truncated: 0 },
      parts: [
        { text: 'uq<|close|>a', isLabel: false },
        { text: 'ab<|close|>', isLabel: true },
        { text: 'ur<|close|>a', isLabel: false },
        { text: 'c<|close|>', isLabel: true },
      ],
    },
    {
      ...{ source: document.source, kind: 'text', tokens: 8, labels: 7, truncated: 0 },
      parts: [
        { text: '<s>', isLabel: false },
        { text: 'A text.</s>', isLabel: true },
      ],
    },
  ]);
});

test('lengths, cuts, refusals, repetitions and what the retain set has are counted', () => {
  // A prompt of 4 tokens, then the answer and the end.
  const examples = [
    question('q', 'a', 1),
    question('q', 'A ', 2),
    question('q', 'abc', 3),
    question('r', 'abcdefgh', 4),
    question('a question far too long', 'a', 5),
  ];
  const retain = [question('q', 'a', 1), question('r', 'no', 2)];
  const preview = previewData(tokenizer, examples, { template: chat, maximumLength: 10, retain, show: 1 });
  expect(preview.tokens).toEqual({ minimum: 6, median: 7, percentile95: 10, maximum: 10 });
  expect(preview.labels).toEqual({ minimum: 2, median: 3, percentile95: 6, maximum: 6 });
  expect(preview.truncated).toEqual({ examples: 1, tokens: 3, first: examples[3]!.source });
  expect(preview.refused).toEqual({
    examples: 1,
    first: expect.stringMatching(/data\.jsonl:5 has no label token left/),
  });
  expect(preview.duplicates).toMatchObject({ count: 1, first: { example: examples[1]!.source } });
  expect(preview.overlap).toMatchObject({ exact: 2, samePrompt: 2, sameCompletion: 1 });
  expect(preview.shown).toHaveLength(1);
});

test('texts that have a token of the beginning or end themselves are named', () => {
  const examples = [question('q', 'a</s>', 7)];
  const preview = previewData(tokenizer, examples, { template: PromptTemplate.plain });
  expect(preview.notes).toEqual([
    expect.stringMatching(/data\.jsonl:7 has the token of a text's end \(<\/s>\) itself/),
  ]);
  expect(previewData(tokenizer, examples, { template: PromptTemplate.plain, show: 0 }).shown).toEqual([]);
});
