import { describe, expect, test } from '@jest/globals';
import { PromptTemplate } from '../../lib/data/prompt-template.ts';
import { probability } from '../../lib/eval/probability.ts';
import { AdamW } from '../../lib/optim/adamw.ts';
import { runDemo } from '../../lib/study/demo.ts';
import { completeCurvatureOptions } from '../../lib/unlearn/curvature.ts';
import type { Objective } from '../../lib/unlearn/objective.ts';
import { negativePreference } from '../../lib/unlearn/objectives/negative-preference.ts';
import { pullBack } from '../../lib/unlearn/pull-back.ts';
import { referenceValues } from '../../lib/unlearn/reference-values.ts';
import { method } from '../../lib/unlearn/registry.ts';
import { targetSet } from '../../lib/unlearn/source.ts';
import { type TrainingOptions, train } from '../../lib/unlearn/train.ts';
import { BigramLM } from '../model/bigram-lm.ts';

const sequence = { tokens: [0, 1, 2], labelsFrom: 1 };

/** Options of a run that would work, but for what is given; deliberately of any type. */
function trainWith(wrong: Record<string, unknown>): Promise<unknown> {
  const model = BigramLM.random(4, 1n);
  const right = {
    model,
    optimizer: new AdamW(model.parameters),
    method: method('ascent'),
    target: [sequence],
    steps: 1,
  };
  return train({ ...right, ...wrong } as TrainingOptions);
}

function withObjective(objective: unknown): Record<string, unknown> {
  return { method: { name: 'own', terms: [{ name: 'forget', source: targetSet, objective }] } };
}

async function refusalOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    expect(error).toMatchObject({ code: 'SOUL_INVALID_ARGUMENT' });
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
}

const mistakes: [string, Record<string, unknown>, RegExp][] = [
  ['an unknown option', { learningrate: 1 }, /options has no option learningrate; did you mean learningRate\?/],
  [
    'sequences that are strings',
    { target: ['what is it?'] },
    /target\[0\] must be { tokens, labelsFrom }.* "what is it\?"/,
  ],
  ['one sequence in place of many', { target: sequence }, /target must be an array of { tokens, labelsFrom }/],
  [
    'a sequence of text',
    { retain: [sequence, { tokens: 'abc', labelsFrom: 1 }] },
    /retain\[1\].tokens must be an array/,
  ],
  ['a sequence without a label', { target: [{ tokens: [1], labelsFrom: 1 }] }, /target\[0\].labelsFrom must be/],
  ['a token that is none', { target: [{ tokens: [1, 0.5], labelsFrom: 1 }] }, /target\[0\].tokens\[1\] must be/],
  [
    'the name of a method',
    { method: 'npo' },
    /method must be a method, as method\('npo'\) makes it, or { name, terms }, but is "npo"/,
  ],
  [
    'a coefficient that is none',
    { method: { name: 'own', terms: [{ ...method('ascent').terms[0], coefficient: Number.NaN }] } },
    /method.terms\[0\] \(forget\).coefficient must be/,
  ],
  [
    'reference values of another quantity than the term has',
    { method: { name: 'own', terms: [{ ...method('npo').terms[0], quantity: 'kl' }] } },
    /method.terms\[0\] \(forget\).quantity must be 'nll', which the objective's reference values are of, but is "kl"/,
  ],
  [
    'a shift that float32 cannot hold',
    {
      method: {
        name: 'own',
        terms: [{ ...method('ascent').terms[0], quantity: { kind: 'target', from: 'start', shift: 1e39 } }],
      },
    },
    /method.terms\[0\] \(forget\).quantity.shift must be -Infinity, or a number that float32 can hold, but is 1e\+39/,
  ],
  ['an optimizer that is none', { optimizer: 'adamw' }, /optimizer must be an optimizer, but is "adamw"/],
  ['a controller for its signal', { signal: new AbortController() }, /signal must be an AbortSignal/],
  ['a schedule that is a number', { schedule: 0.5 }, /schedule must be an object/],
  ['a schedule of no numbers', { schedule: () => Number.NaN }, /schedule\(0\) must be a number/],
  [
    'an unknown option of the curvature',
    { curvature: { evry: 1 } },
    /curvature has no option evry; did you mean every\?/,
  ],
  [
    'a refusal that is text',
    { method: method('po', { retainCoefficient: 0 }), refusals: { count: 1, of: () => 'I do not know.' } },
    /refusals.of\(0, 0\) must be { tokens, labelsFrom }/,
  ],
];

const objectives: [string, unknown, RegExp][] = [
  [
    'that is async',
    async function bounded() {
      throw new Error('nobody awaits it');
    },
    /the objective bounded of the term forget must return .*, but returned a promise/,
  ],
  ['that returns a number', () => 1.5, /the objective of the term forget must return .*, but returned 1.5/],
  ['that returns nothing', () => {}, /but returned undefined/],
  [
    'that fails',
    function unready() {
      throw new TypeError('no table');
    },
    /^the objective unready of the term forget failed: TypeError: no table$/,
  ],
  ['without a loss', () => ({ weights: new Float32Array(2) }), /but its loss is undefined/],
  ['whose weights are a list', () => ({ loss: 1, weights: [1, 1] }), /but its weights are an array of 2/],
  [
    'of a weight too few',
    () => ({ loss: 1, weights: new Float32Array(1) }),
    /a Float32Array of 2, but its weights are a Float32Array of 1/,
  ],
];

describe('a run refuses', () => {
  test.each(mistakes)('%s', async (_, wrong, message) => {
    expect(await refusalOf(() => trainWith(wrong))).toMatch(message);
  });

  test.each(objectives)('an objective %s', async (_, objective, message) => {
    expect(await refusalOf(() => trainWith(withObjective(objective)))).toMatch(message);
    const linear = Object.assign(objective as Objective, { linear: true });
    expect(await refusalOf(() => trainWith(withObjective(linear)))).toMatch(message);
  });

  test('no name with undefined, which is an option left out', async () => {
    await trainWith({
      curvature: undefined,
      signal: undefined,
      onStep: undefined,
      retain: undefined,
      epochs: undefined,
    });
  });
});

describe('a method refuses', () => {
  test.each<[string, object, RegExp]>([
    ['npo', { retainWeight: 2 }, /npo has no setting retainWeight; it has forgetCoefficient, retainCoefficient/],
    ['npo', { Beta: 2 }, /did you mean beta\?/],
    ['graddiff', { beta: 0.1 }, /beta is of no effect on graddiff; it belongs to npo/],
    [
      'ascent',
      { retainCoefficient: 1 },
      /retainCoefficient is of no effect on ascent; it belongs to graddiff, po, npo/,
    ],
    ['finetune', { forgetCoefficient: 1 }, /it belongs to ascent, graddiff, po, npo/],
    ['graddiff', { retainCoefficient: Number.NaN }, /retainCoefficient must be a number/],
    ['gradient', {}, /there is no method "gradient"; there are: finetune, ascent/],
    ['toString', {}, /there is no method "toString"/],
  ])('%s with %p', async (name, options, message) => {
    expect(await refusalOf(() => method(name as never, options as never))).toMatch(message);
  });

  test('nothing that is undefined', () => {
    expect(method('npo', { beta: undefined, reduction: undefined } as never).settings).toEqual({
      forgetCoefficient: 1,
      retainCoefficient: 1,
      retainLoss: 'ce',
      beta: 0.1,
      reduction: 'sum',
    });
    expect(method('graddiff', { beta: undefined } as never).settings).toEqual({
      forgetCoefficient: 1,
      retainCoefficient: 1,
      retainLoss: 'ce',
    });
  });
});

describe('single calls refuse', () => {
  const model = BigramLM.random(4, 1n);
  const term = method('graddiff').terms[1]!;

  test.each<[string, () => unknown, RegExp]>([
    [
      'text to pull back',
      () => pullBack(model, term, ['ab'] as never, { microBatchSize: 1 }),
      /sequences\[0\] must be/,
    ],
    ['no micro-batch', () => pullBack(model, term, [sequence], { microBatchSize: 0 }), /microBatchSize must be/],
    ['text as a reference', () => referenceValues(model, ['ab'] as never, 1), /sequences\[0\] must be/],
    ['no batch of references', () => referenceValues(model, [sequence], 0), /batchSize must be/],
    [
      'an unknown option of a gradient',
      () => pullBack(model, term, [sequence], { microBatch: 1 } as never),
      /no option microBatch/,
    ],
    [
      'an unknown option of a measurement',
      () => probability(model, [sequence], { batch: 1 } as never),
      /no option batch;/,
    ],
    ['text in place of examples', () => PromptTemplate.plain.render('who?' as never), /example must be { kind, prompt/],
    ['text to measure', () => probability(model, ['ab'] as never), /examples\[0\] must be/],
    ['a misspelt option of NPO', () => negativePreference({ betta: 1 } as never), /did you mean beta\?/],
    [
      'a misspelt option of the curvature',
      () => completeCurvatureOptions({ chunk: 1 } as never),
      /did you mean chunks\?/,
    ],
    ['a misspelt option of the demo', () => runDemo({ folder: 'x', sed: 1n } as never), /did you mean seed\?/],
    [
      'a demo that loads nothing',
      () => runDemo({ folder: 'x', loadModel: null } as never),
      /loadModel must be a function/,
    ],
    [
      'a demo by a method that needs what it has not',
      () => runDemo({ folder: 'x', methods: ['npo', 'dpo'] } as never),
      /the demo has no other answers to its questions, which dpo needs; leave it out/,
    ],
    [
      'a demo by a method that there is not',
      () => runDemo({ folder: 'x', methods: ['nop'] } as never),
      /there is no method "nop"/,
    ],
  ])('%s', async (_, call, message) => {
    expect(await refusalOf(call)).toMatch(message);
  });

  test("a token beyond the model's vocabulary is refused before the first step, wherever it comes from", async () => {
    const model = Object.assign(BigramLM.random(4, 1n), { vocabularySize: 4 });
    const optimizer = new AdamW(model.parameters);
    const wide = { tokens: [0, 1, 4], labelsFrom: 1 };
    const message = /\.tokens\[2\] must be an integer from 0 to 3, the model's last token, but is 4/;
    const refusals = { count: 1, of: () => wide };
    for (const wrong of [
      { target: [wide] },
      { retain: [wide] },
      { method: method('po', {}), retain: [sequence], refusals },
    ]) {
      expect(await refusalOf(() => trainWith({ model, optimizer, ...wrong }))).toMatch(message);
    }
    expect(await refusalOf(() => probability(model, [sequence, wide]))).toMatch(message);
    expect(await refusalOf(() => referenceValues(model, [wide], 1))).toMatch(message);
  });
});
