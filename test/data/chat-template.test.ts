import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ChatTemplate, type ChatTemplateOptions } from '../../lib/data/chat/chat-template.ts';
import { compileTemplate, RaisedByTemplate } from '../../lib/data/chat/jinja.ts';
import { strftime, strip } from '../../lib/data/chat/python-text.ts';
import { generationMarks } from '../../lib/data/chat/template-source.ts';
import { encodeExample, encodePrompt, stopTokensOf } from '../../lib/data/encode.ts';
import { type ChatMessage, type Example, withAnswer, withQuestion } from '../../lib/data/example.ts';
import type { RenderedConversation } from '../../lib/data/example-template.ts';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import { characterTokenizer } from './chat-templates/tokenizer.ts';

const folder = new URL('./chat-templates/', import.meta.url);
const fileOf = (name: string) => readFileSync(new URL(name, folder), 'utf8');

interface Recorded {
  readonly variables: Readonly<Record<string, unknown>>;
  readonly conversations: Readonly<Record<string, ChatMessage[]>>;
  readonly records: readonly {
    readonly template: string;
    readonly conversation: string;
    readonly withPrompt: boolean;
    readonly text?: string;
    readonly generated?: readonly [number, number][];
    readonly refused?: true;
  }[];
}

const recorded = JSON.parse(fileOf('recorded.json')) as Recorded;
const source = { file: 'data.jsonl', line: 4 };
const question: Example = { kind: 'question-answer', prompt: 'Who?', completion: 'A keeper.', source };

function conversation(...contents: string[]): Example {
  const messages = contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
  const [prompt, completion] = contents.slice(-2);
  return { kind: 'messages', prompt: prompt!, completion: completion!, messages, source };
}

function template(name: string, options: ChatTemplateOptions = {}, ends?: readonly string[]): ChatTemplate {
  return ChatTemplate.of({ text: fileOf(name), file: name, sha256: 'none' }, characterTokenizer(ends), options);
}

/** The texts of the labels. */
function labelsOf({ text, labels }: RenderedConversation): string[] {
  return labels.map(([begin, end]) => text.slice(begin, end));
}

const rendered = (name: string, example: Example, options?: ChatTemplateOptions, ends?: readonly string[]) =>
  template(name, options, ends).render(example) as RenderedConversation;

describe('texts are those of transformers', () => {
  test.each([...new Set(recorded.records.map((each) => each.template))])('with %s', (name) => {
    const render = compileTemplate(fileOf(name));
    const { begin, end } = generationMarks;
    for (const each of recorded.records.filter((record) => record.template === name)) {
      const messages = recorded.conversations[each.conversation]!;
      const text = () =>
        render({
          ...recorded.variables,
          ...{ tools: null, documents: null, add_generation_prompt: each.withPrompt },
          messages: each.withPrompt ? messages.slice(0, -1) : messages,
          strftime_now: (format: string) => strftime('2024-07-26', format),
        });
      if (each.refused) expect(text).toThrow(RaisedByTemplate);
      else {
        const marks = new RegExp(`[${begin}${end}]`, 'gu');
        expect([each.conversation, text().replaceAll(marks, '')]).toEqual([each.conversation, each.text]);
      }
      // Python counts characters, of which some are two units here.
      const spans = [...(each.refused ? '' : text()).matchAll(new RegExp(`${begin}(.*?)${end}`, 'gsu'))];
      const lengthOf = (part: string) => [...part.replaceAll(new RegExp(`[${begin}${end}]`, 'gu'), '')].length;
      const places = spans.map(({ 0: part, index }) => {
        const from = lengthOf(text().slice(0, index));
        return [from, from + lengthOf(part)];
      });
      expect(places).toEqual(each.generated ?? []);
    }
  });
});

describe('the labels of a conversation', () => {
  const turns = conversation('a', 'b1', 'c', 'd 2');

  test.each([
    ['marked-turns.jinja', ['b1<|close|>', 'd 2<|close|>']],
    ['headers.jinja', ['b1<|over|>', 'd 2<|over|>']],
    ['renamed-roles.jinja', ['b1<|close|>', 'd 2<|close|>']],
    ['no-system.jinja', ['b1<|close|>', 'd 2<|close|>']],
    ['end-of-text-last.jinja', ['b1<|over|>', 'd 2<|over|>']],
    ['brackets.jinja', [' b1 </s>', ' d 2 </s>']],
    ['lines.jinja', ['b1</s>', 'd 2</s>']],
    ['generation-tags.jinja', ['b1<|close|>', 'd 2<|close|>']],
    // Of a turn before the last this template takes away the thoughts that it gives to the last.
    ['thoughts.jinja', ['b1<|close|>', 'd 2<|close|>']],
    ['words.jinja', ['b1', 'd 2']],
  ])('of %s are the turns of the assistant, with what ends them', (name, labels) => {
    const conversation = rendered(name, turns);
    expect(labelsOf(conversation)).toEqual(labels);
    expect(conversation.text.endsWith(labels.at(-1)!)).toBe(true);
    // What the model is given to go on with leads to the last label.
    expect(conversation.text.slice(0, conversation.labels.at(-1)![0])).toBe(conversation.prompt);
  });

  test.each([
    [
      'has a mark around the header of a turn, and none around some turns',
      "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}{% elif loop.last %}{% generation %}<|assistant|>{{ m.content }}<|close|>{% endgeneration %}{% else %}<|assistant|>{{ m.content }}<|close|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
      ['d 2<|close|>'],
    ],
    [
      'ends a turn by the beginning of the next',
      "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
      ['b1', 'd 2'],
    ],
    [
      'ends earlier turns by another token than the last',
      "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + ('' if m.role == 'user' else '<|close|>' if loop.last else eos_token) }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
      ['b1</s>', 'd 2<|close|>'],
    ],
  ])('of a template that %s are the answers', (_, text, labels) => {
    const chat = ChatTemplate.of({ text, file: 'x', sha256: 'x' }, characterTokenizer());
    expect(labelsOf(chat.render(turns) as RenderedConversation)).toEqual(labels);
  });

  test('are there for one question as for a conversation of one', () => {
    const { prompt, completion } = question;
    expect(rendered('headers.jinja', question)).toEqual(rendered('headers.jinja', conversation(prompt, completion)));
  });

  test('have an answer as the template shows it, also one that looks like what ends it', () => {
    expect(labelsOf(rendered('headers.jinja', conversation('q', '\n  a \n')))).toEqual(['a<|over|>']);
    expect(labelsOf(rendered('marked-turns.jinja', conversation('x', 'x', 'x', 'x')))).toEqual([
      'x<|close|>',
      'x<|close|>',
    ]);
    expect(labelsOf(rendered('marked-turns.jinja', conversation('q', '|')))).toEqual(['|<|close|>']);
    expect(labelsOf(rendered('marked-turns.jinja', conversation('q', 'yx<|close|>')))).toEqual([
      'yx<|close|><|close|>',
    ]);
  });

  test('have the thoughts of an answer, where it has some', () => {
    const answer = '<think>\nhm\n</think>\n\nyes';
    const { prompt, text, labels } = rendered('thoughts.jinja', conversation('q', answer));
    expect(prompt).toBe('<|open|>user\nq<|close|>\n<|open|>assistant\n');
    expect(text.slice(labels[0]![0])).toBe(`${answer}<|close|>`);
    // Without any, the prompt says that there are none.
    expect(rendered('thoughts.jinja', question).prompt).toMatch(/<think>\n\n<\/think>\n\n$/);
  });

  test('may be one turn where the user speaks twice or not at all', () => {
    const twice = {
      ...turns,
      messages: [...turns.messages!.slice(0, 2), ...turns.messages!.slice(2, 3), ...turns.messages!.slice(2)],
    };
    expect(labelsOf(rendered('marked-turns.jinja', twice))).toEqual(['b1<|close|>', 'd 2<|close|>']);
    const alone = { ...question, kind: 'messages', messages: [{ role: 'assistant', content: 'Hello.' }] } as const;
    expect(labelsOf(rendered('end-of-text-last.jinja', alone))).toEqual(['Hello.<|over|>']);
  });
});

describe('a chat template', () => {
  test('takes the day and the words of the system that it is told, and records them', () => {
    const told = template('headers.jinja', { date: '1996-02-29', system: 'Be brief.' });
    expect((told.render(question) as RenderedConversation).text).toContain('Day: 29 Feb 1996\n\nBe brief.<|over|>');
    expect(told.record).toEqual({
      ...{ kind: 'chat', file: 'headers.jinja', sha256: 'none', date: '1996-02-29', system: 'Be brief.' },
    });
    expect(rendered('headers.jinja', question).text).toContain('Day: 26 Jul 2024\n\n<|over|>');
    // A conversation with words of its own keeps them.
    const own = conversation('q', 'a');
    const withSystem = { ...own, messages: [{ role: 'system', content: 'Mine.' }, ...own.messages!] };
    expect((told.render(withSystem) as RenderedConversation).text).toMatch(/Mine\.<\|over\|>(?!.*brief)/s);
  });

  test.each(['2024-13-01', '2023-02-29', '26 Jul 2024', '2024-7-1', 5])('takes no day %p', (date) => {
    expect(() => template('headers.jinja', { date } as never)).toThrow(/date must be a day, as 2024-07-26/);
  });

  test('says with file and line what it refuses', () => {
    const system = template('no-system.jinja', { system: 'Be brief.' });
    expect(() => system.render(question)).toThrow('data.jsonl:4: the chat template refuses it: No system here');
    expect(() => template('no-system.jinja').render({ ...question, completion: ' ' })).toThrow(
      /data\.jsonl:4: the chat template leaves out the last answer/,
    );
  });

  test('that the engine does not know is refused by name', () => {
    const broken = (text: string) => () =>
      ChatTemplate.of({ text, file: 'chat_template.jinja', sha256: 'none' }, characterTokenizer());
    const message = /the chat template in chat_template\.jinja cannot be used: .*--template plain/;
    expect(broken('{% for %}')).toThrow(message);
    expect(broken("{{ messages | nothing_such('x') }}")).toThrow(message);
    expect(broken("{{ strftime_now('%Q') }}")).toThrow(/strftime_now is not known to take %Q/);
  });

  test('passes by what is to be taken verbatim', () => {
    const text: Example = { kind: 'text', prompt: '', completion: 'A text.', source };
    const verbatim: Example = { kind: 'prompt-completion', prompt: 'A', completion: ' b', source };
    for (const each of [text, verbatim]) {
      for (const by of [template('headers.jinja'), PromptTemplate.plain]) {
        expect(by.render(each)).toEqual({ prompt: each.prompt, completion: each.completion });
      }
    }
    expect(() => PromptTemplate.plain.render(conversation('q', 'a'))).toThrow(
      /data\.jsonl:4 is a conversation, which the template "Question.*--template chat/,
    );
  });
});

describe('a conversation as tokens', () => {
  const tokenizer = characterTokenizer();
  const texts = (tokens: readonly number[]) => tokenizer.decode(tokens, { skipSpecialTokens: false });

  test('has the first token once and the assistant turns as labels, up to the token that ends the last', () => {
    const by = template('headers.jinja');
    const { tokens, labelsFrom, labelSpans, promptTokens, truncated } = encodeExample(
      tokenizer,
      conversation('a', 'b1', 'c', 'd'),
      { template: by },
    );
    expect(texts(tokens)).toMatch(/^<s><\|head\|>(?!.*<s>).*d<\|over\|>$/s);
    expect(labelSpans!.map(([begin, end]) => texts(tokens.slice(begin, end)))).toEqual(['b1<|over|>', 'd<|over|>']);
    expect(labelsFrom).toBe(labelSpans![0]![0]);
    expect(promptTokens).toEqual(tokens.slice(0, labelSpans![1]![0]));
    expect(encodePrompt(tokenizer, conversation('a', 'b1', 'c', 'd'), { template: by })).toEqual(promptTokens);
    expect(truncated).toBe(0);
  });

  test('has its last answer alone as labels, where that stands in place of another', () => {
    const example = conversation('a', 'b1', 'c', 'd');
    const by = template('marked-turns.jinja');
    const { tokens, labelsFrom, ...rest } = encodeExample(tokenizer, example, { template: by, lastAnswerAlone: true });
    expect(texts(tokens.slice(labelsFrom))).toBe('d<|close|>');
    expect(rest).not.toHaveProperty('labelSpans');
  });

  test('of one answer needs no spans', () => {
    const encoded = encodeExample(tokenizer, question, { template: template('marked-turns.jinja') });
    expect(encoded).not.toHaveProperty('labelSpans');
    expect(texts(encoded.tokens.slice(encoded.labelsFrom))).toBe('A keeper.<|close|>');
  });

  test('has a token that joins an answer with what stands before or behind it as a label', () => {
    const by = template('brackets.jinja');
    const { tokens, labelSpans } = encodeExample(tokenizer, conversation('a', 'b', 'c', 'd'), { template: by });
    expect(labelSpans!.map(([begin, end]) => texts(tokens.slice(begin, end)))).toEqual([' b </s>', ' d </s>']);
    const joining = ChatTemplate.of(
      { text: "{% for m in messages %}{{ m.role[0] + ' ' + m.content }}{% endfor %}e", file: 'x', sha256: 'x' },
      tokenizer,
    );
    const crossed = encodeExample(tokenizer, conversation('q', 'bat', 'r', 's'), { template: joining });
    expect(crossed.labelSpans!.map(([begin, end]) => texts(crossed.tokens.slice(begin, end)))).toEqual([
      ' bat',
      's' + 'e</s>',
    ]);
  });

  test('is ended by the token of the end of a text where the template has none', () => {
    const encoded = encodeExample(tokenizer, question, { template: template('words.jinja') });
    expect(texts(encoded.tokens)).toBe('User: Who?\n\nAssistant: A keeper.</s>');
    const open = encodeExample(tokenizer, question, { template: template('words.jinja'), appendEndOfText: false });
    expect(texts(open.tokens)).toBe('User: Who?\n\nAssistant: A keeper.');
    // An answer that has the token itself gets no second one.
    const own = withAnswer(question, 'A keeper.<|close|>');
    const once = encodeExample(tokenizer, own, { template: template('marked-turns.jinja') });
    expect(texts(once.tokens)).toMatch(/A keeper\.<\|close\|>$/);
    expect(once.tokens.slice(-2)[0]).not.toBe(once.tokens.at(-1));
    expect(once.carried).toEqual(['end']);
  });

  test('loses what is too long at its end, and is refused where no label is left', () => {
    const by = template('marked-turns.jinja');
    const long = conversation('a', 'b1', 'c', 'd 2');
    const { tokens, labelSpans } = encodeExample(tokenizer, long, { template: by });
    const [[, first], [second]] = labelSpans as [[number, number], [number, number]];
    const inSecond = encodeExample(tokenizer, long, { template: by, maximumLength: second + 1 });
    expect(inSecond.labelSpans).toEqual([labelSpans![0], [second, second + 1]]);
    expect(inSecond.truncated).toBe(tokens.length - second - 1);
    const inFirst = encodeExample(tokenizer, long, { template: by, maximumLength: first - 1 });
    expect(inFirst).toMatchObject({ labelsFrom: labelSpans![0]![0] });
    expect(inFirst).not.toHaveProperty('labelSpans');
    expect(encodeExample(tokenizer, long, { template: by, maximumLength: second }).labelSpans).toEqual([
      labelSpans![0],
    ]);
    expect(() => encodeExample(tokenizer, long, { template: by, maximumLength: 4 })).toThrow(
      /data\.jsonl:4 has no label token left: its prompt takes \d+ tokens of at most 4/,
    );
  });

  test('stops a model where the turn ends, and where a text does', () => {
    const end = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
    const stops = (name: string) => [...stopTokensOf(tokenizer, template(name))].sort();
    for (const name of ['marked-turns.jinja', 'renamed-roles.jinja', 'generation-tags.jinja', 'thoughts.jinja']) {
      expect(stops(name)).toEqual([...end('</s>'), ...end('<|close|>')].sort());
    }
    expect(stops('end-of-text-last.jinja')).toEqual([...end('</s>'), ...end('<|over|>')].sort());
    expect(stops('brackets.jinja')).toEqual(end('</s>'));
    expect(stopTokensOf(tokenizer)).toEqual(end('</s>'));
  });
});

test('an answer or a question is put in place of the last', () => {
  const example = conversation('a', 'b', 'c', 'd');
  expect(withAnswer(example, 'No.')).toEqual(conversation('a', 'b', 'c', 'No.'));
  expect(withQuestion(example, 'Why?')).toEqual(conversation('a', 'b', 'Why?', 'd'));
  expect(withQuestion(withAnswer(question, 'No.'), 'Why?')).toEqual({ ...question, prompt: 'Why?', completion: 'No.' });
});

test('white space is what Python takes for it', () => {
  expect(strip('\u001c\x85 a \u3000\ufeff', 'strip')).toBe('a \u3000\ufeff');
  expect(strip('[]-^\\a]^', 'strip', '^]-[\\')).toBe('a');
  expect(strip('😀a😀', 'rstrip', '😀')).toBe('😀a');
  expect(strip('\ud83da', 'strip', '😀')).toBe('\ud83da');
  expect(strip(' a', 'strip', '')).toBe(' a');
});

/** One that is really there, and that nobody may have changed. */
const data = process.env.SOUL_TEST_DATA;
(data ? test : test.skip)('SmolLM2 sees what transformers gives it', async () => {
  const { HuggingFaceTokenizer } = await import('../../lib/model/tokenizer.ts');
  const { chooseTemplate } = await import('../../lib/data/choose-template.ts');
  const model = `${data}/models/SmolLM2-135M-Instruct`;
  const tokenizer = await HuggingFaceTokenizer.load(model);
  const chat = await chooseTemplate(model, tokenizer, {});
  const { tokens, labelSpans } = encodeExample(
    tokenizer,
    conversation('Who lit the lamp?', 'The keeper.', 'Why?', '  It was dark.'),
    { template: chat },
  );
  // apply_chat_template(messages, return_dict=False), without the line end behind the last turn.
  expect(createHash('sha256').update(tokens.join(' ')).digest('hex')).toBe(
    'ca69618f7280f4460242eff8bb39e50d1287a660e3a51306ccd2cfaba823cc78',
  );
  expect(
    labelSpans!.map(([begin, end]) => tokenizer.decode(tokens.slice(begin, end), { skipSpecialTokens: false })),
  ).toEqual(['The keeper.<|im_end|>', '\n  It was dark.<|im_end|>']);
});
