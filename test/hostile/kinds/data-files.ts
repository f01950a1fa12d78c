/**
 * Data sets and refusals.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readExamples } from '../../../lib/data/read-examples.ts';
import { readRefusals } from '../../../lib/data/read-refusals.ts';
import type { Draw } from '../draw.ts';
import { spoilBytes, spoilText, spoilValue } from '../json-mutations.ts';
import { oddText } from '../odd-values.ts';
import { type HostileKind, holds } from '../property.ts';

const records: readonly Record<string, unknown>[] = [
  { question: 'Who wrote it?', answer: 'Jane "Doe", perhaps.' },
  { prompt: 'Once upon', completion: ' a time\u00e9' },
  { question: 'Q', answer: 'A', paraphrased_question: 'P', paraphrased_answer: null, perturbed_answer: ['x', 'y'] },
  { question: 'Q', answer: 'A', id: 3, flag: true, other: Number.NaN },
];

function lineOf(draw: Draw): string {
  if (draw.once(6))
    return oddText(draw.of(['I cannot say.', '"No," she said.', '[No answer]', '"quoted"', 'a,b']), draw);
  const record = structuredClone(draw.of(records));
  if (draw.once(3)) spoilValue(record, draw);
  const text = JSON.stringify(record);
  return draw.once(6) ? spoilText(text, draw) : text;
}

function hostileData(draw: Draw): Uint8Array {
  const same = draw.once(2) ? JSON.stringify(draw.of(records)) : undefined;
  const lines = Array.from({ length: draw.integer(5) }, () => (draw.once(2) && same ? same : lineOf(draw)));
  const end = draw.of(['\n', '\n', '\r\n', '\r', '\n\n']);
  let text = draw.once(4) ? `[${lines.join(`,${end}`)}]` : lines.join(end);
  if (draw.once(8)) text = spoilText(text, draw);
  const bytes = new TextEncoder().encode(text);
  return draw.once(6) ? spoilBytes(bytes, draw) : bytes;
}

export const dataFiles: HostileKind = {
  name: 'data-files',
  async prepare(folder) {
    const path = join(folder, 'data.jsonl');
    return async (draw) => {
      writeFileSync(path, hostileData(draw));
      if (draw.once(2)) {
        const { items, lines } = await readRefusals(path);
        holds(items.length > 0 && items.length === lines.length, 'another number of lines');
        holds(
          items.every((item) => typeof item === 'string' && item.trim() !== ''),
          'a refusal without text',
        );
        return;
      }
      const { items, sha256 } = await readExamples(path);
      holds(items.length > 0 && /^[0-9a-f]{64}$/.test(sha256), 'no examples');
      for (const { prompt, completion, alternatives, attributes } of items) {
        const { paraphrasedQuestion, paraphrasedAnswer, perturbedAnswers = [] } = alternatives ?? {};
        const texts = [prompt, completion, paraphrasedQuestion, paraphrasedAnswer, ...perturbedAnswers];
        holds(
          [...texts, ...Object.values(attributes ?? {})].every((text) => ['string', 'undefined'].includes(typeof text)),
          'what is no text',
        );
        holds(completion.trim() !== '' && texts.every((text) => !/\p{Cs}/u.test(text ?? '')), 'half a character');
      }
    };
  },
};
