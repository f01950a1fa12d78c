/**
 * An objective of one's own: a bounded cross-entropy that stops pushing once an answer is unlikely.
 *
 * Run it with: npx tsx examples/own-objective.ts MODEL_FOLDER FORGET.jsonl RETAIN.jsonl OUT_FOLDER
 *
 * @module
 */

import { pathToFileURL } from 'node:url';
import { encodeExamples, readExamples } from '../lib/data/index.ts';
import { Sophia } from '../lib/index.ts';
import { defaultEpochs, defaultLearningRate } from '../lib/run/index.ts';
import { TorchLM } from '../lib/torch/index.ts';
import { algorithm, crossEntropy, type Objective, retainSet, targetSet, train } from '../lib/unlearn/index.ts';

/**
 * Mean over label tokens of -log(1 - p / 2): between 0, where the model has forgotten, and log 2.
 *
 * Source: the unlearning cross-entropy of arXiv 2412.20412.
 */
export const boundedCrossEntropy: Objective = ({ values, whole }) => {
  const count = whole?.tokens ?? values.length;
  const probabilities = values.map((nll) => Math.exp(-nll));
  return {
    loss: probabilities.reduce((sum, p) => sum - Math.log1p(-p / 2), 0) / count,
    weights: probabilities.map((p) => -p / (2 - p) / count),
  };
};

async function main([modelFolder, forgetFile, retainFile, outFolder]: string[]): Promise<void> {
  if (!modelFolder || !forgetFile || !retainFile || !outFolder) {
    throw new Error('usage: own-objective.ts MODEL_FOLDER FORGET.jsonl RETAIN.jsonl OUT_FOLDER');
  }
  const { model, tokenizer } = await TorchLM.loadWithTokenizer(modelFolder);
  const [forget, retain] = [await readExamples(forgetFile), await readExamples(retainFile)].map(
    ({ items }) => encodeExamples(tokenizer, items, { maximumLength: 512 }).encoded,
  );
  // As the command runs gradient difference, with the objective in the place of ascent.
  const graddiff = algorithm('graddiff');
  const learningRate = defaultLearningRate('sophia', graddiff, model.parameters.values.length);
  const optimizer = new Sophia(model.parameters, { learningRate, rho: { clippedFraction: 0.1 } });
  const batchSize = 8;
  await train({
    model,
    optimizer,
    method: {
      name: 'bounded',
      terms: [
        { name: 'forget', source: targetSet, objective: boundedCrossEntropy },
        { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 5 },
      ],
    },
    target: forget!,
    retain: retain!,
    batchSize,
    epochs: defaultEpochs(graddiff, Math.ceil(forget!.length / batchSize)),
    onStep: ({ step, steps, losses }) => console.log(`${step}/${steps}`, losses),
  });
  await model.save(outFolder);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(process.argv.slice(2));
}
