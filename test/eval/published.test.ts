import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import { rougeL } from '../../lib/eval/index.ts';

/** One section of TOFU's evaluation logs: what a published model answered, and how TOFU scored it. */
interface Section {
  generated_text: Record<string, [prompt: string, generated: string, reference: string]>;
  rougeL_recall: Record<string, number>;
}

const data = process.env.SOUL_TEST_DATA;
if (!data) console.warn("SOUL_TEST_DATA is not set: TOFU's published scores are not recomputed");
const withData = data ? describe : describe.skip;

withData.each(['llama2-7b_full', 'llama2-7b_retain90'])("TOFU's published log of %s", (name) => {
  it('has the ROUGE-L recall that we compute, answer by answer', () => {
    const log: Record<string, Section> = JSON.parse(
      readFileSync(join(data ?? '', 'tofu', 'published', `${name}.json`), 'utf8'),
    );
    let compared = 0;
    for (const { generated_text: texts, rougeL_recall: recalls } of Object.values(log)) {
      for (const [index, [, generated, reference]] of Object.entries(texts)) {
        expect(rougeL(generated, reference).recall).toBeCloseTo(recalls[index]!, 12);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(800);
  });
});
