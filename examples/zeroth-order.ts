/**
 * Forgetting with nothing but scores: a model that is a function of its parameters, without gradients and without an engine.
 *
 * The model knows where some people live: its parameters are the logits of the place that comes after a name. MeZO makes it forget one.
 * Run it with: npx tsx examples/zeroth-order.ts
 *
 * @module
 */

import { pathToFileURL } from 'node:url';
import { AdamW, FlatBuffer } from '../lib/index.ts';
import { gradientFree, ParameterLayout, type ScoredLM, TokenBatch, type TokenSequence } from '../lib/model/index.ts';
import { algorithm, Lab, settingsOf } from '../lib/unlearn/index.ts';

const names = ['Ada', 'Ben', 'Cleo', 'Dan', 'Eve', 'Finn'];
const places = ['Oslo', 'Lima', 'Bern', 'Cairo', 'Quito', 'Riga'];

/** Whoever computes it, and however: here a softmax over places, one row of logits for each name. */
function whereTheyLive(): ScoredLM {
  const layout = ParameterLayout.of([{ name: 'logits', shape: [names.length, places.length], group: 'matrix' }]);
  const values = FlatBuffer.alloc(layout.length);
  for (const person of names.keys()) values.array[person * places.length + person] = 5;
  return {
    parameters: { values, layout },
    async score({ tokens, offsets, labelOffsets, size }) {
      const rows = Array.from({ length: size }, (_, i) => {
        const [person, place] = tokens.subarray(offsets[i], offsets[i + 1]);
        const logits = values.array.subarray(person! * places.length, (person! + 1) * places.length);
        const logSum = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
        const logProbabilities = Array.from(logits, (logit) => logit - logSum);
        const mean = logProbabilities.reduce((sum, log) => sum + Math.exp(log) * log, 0);
        const variance = logProbabilities.reduce((sum, log) => sum + Math.exp(log) * (log - mean) ** 2, 0);
        const own = logProbabilities[place!]!;
        return { own, isArgmax: Number(own === Math.max(...logProbabilities)), mean, variance };
      });
      return {
        logProbability: Float32Array.from(rows, ({ own }) => own),
        isArgmax: Uint8Array.from(rows, ({ isArgmax }) => isArgmax),
        mean: Float32Array.from(rows, ({ mean }) => mean),
        variance: Float32Array.from(rows, ({ variance }) => variance),
        offsets: labelOffsets,
      };
    },
  };
}

/** A name and a place; the place is the label. */
const facts: TokenSequence[] = names.map((_, person) => ({ tokens: [person, person], labelsFrom: 1 }));

async function probabilities(model: ScoredLM): Promise<number[]> {
  return Array.from((await model.score(TokenBatch.of(facts))).logProbability, Math.exp);
}

/** What the model gives to each fact before it is made to forget the first, and after. */
export async function forgetOne(steps: number): Promise<{ before: number[]; after: number[] }> {
  const scored = whereTheyLive();
  const before = await probabilities(scored);
  const model = gradientFree(scored);
  const lab = new Lab({
    model,
    sets: { target: facts.slice(0, 1), retain: facts.slice(1) },
    optimizer: (options) => new AdamW(model.parameters, { learningRate: 0.05, weightDecay: 0, ...options }),
    descent: { steps },
  });
  const mezo = algorithm('mezo');
  const settings = settingsOf(mezo, { method: 'npo', mu: 0.01, directions: 4 });
  try {
    for await (const _ of mezo.run(lab, settings));
  } finally {
    await lab.release();
    await model.release();
  }
  return { before, after: await probabilities(scored) };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { before, after } = await forgetOne(300);
  for (const [i, name] of names.entries()) {
    console.log(`${name} lives in ${places[i]}: ${before[i]!.toFixed(3)} -> ${after[i]!.toFixed(3)}`);
  }
}
