/**
 * Influence unlearning: the weights that training without the forget set would have led to, by one Newton step.
 *
 * @module
 */

import { throwIfCancelled } from '../../core/cancellation.ts';
import { walkElements } from '../../core/element-walk.ts';
import { SoulError } from '../../core/errors.ts';
import type { FlatBuffer } from '../../core/flat-buffer.ts';
import { fillFrozen } from '../../core/frozen-masks.ts';
import { withoutUndefined } from '../../core/optional.ts';
import { randomStream } from '../../core/random.ts';
import { axpy, cast, scale, squaredNorm } from '../../core/vector-operations.ts';
import { batchParts } from '../../model/batch-parts.ts';
import type { CurvatureProducts } from '../../model/contract.ts';
import { TokenBatch, type TokenSequence } from '../../model/token-batch.ts';
import { estimateHessian } from '../../optim/estimate-hessian.ts';
import { Sophia } from '../../optim/sophia.ts';
import { defineAlgorithm } from '../algorithm.ts';
import { conjugateGradient } from '../conjugate-gradient.ts';
import type { RunEvent } from '../events.ts';
import type { Lab } from '../lab.ts';
import { checkSets } from '../method.ts';
import { crossEntropy } from '../objectives/cross-entropy.ts';
import { movableCount } from '../selection.ts';
import { choiceSetting, integerSetting, numberSetting } from '../setting.ts';
import { retainSet, targetSet } from '../source.ts';
import type { Term } from '../term.ts';
import { countsOf } from '../term-parts.ts';

const forget: Term = { name: 'forget', source: targetSet, objective: crossEntropy };
const retain: Term = { name: 'retain', source: retainSet, objective: crossEntropy };
const forms = ['conjugate-gradient', 'diagonal'] as const;

export const influence = defineAlgorithm({
  name: 'influence',
  summary: 'influence unlearning in one step: the inverse curvature of the retain set times the forget gradient',
  paper: 'Jia et al. 2023, arXiv 2304.04934 (Koh and Liang 2017, arXiv 1703.04730)',
  formula:
    'theta <- theta + strength * (G + damping * I)^-1 * (1 / N) * sum of grad -log p over the label tokens of the forget set; G: the ' +
    'Gauss-Newton matrix of the mean over label tokens of the retain set; N: label tokens of both sets',
  departures:
    'The paper takes weights w of the training samples and steps by the inverse Hessian times the gradient of the loss that w leaves out; ' +
    'here H is the Gauss-Newton matrix, which is never negative, of the retain set alone, and damped. Its released WoodFisher code is not ' +
    'reproduced: the vector that it updates begins as the gradient of the first sample and is only ever rescaled, so what it takes from the ' +
    'forget gradient is a multiple of that one gradient, and no inverse curvature. The retain set stands for the rest of the training data: ' +
    'where it is a small part of it, N is too small and the step too long (strength). The step is that of one quadratic model, good for ' +
    'what moves the model little: with three times the strength everything is lost. Conjugate gradients end after a few products, long ' +
    'before the residual is small, which damps the step, too: how far it goes hangs on iterations as on strength, and a model that is all ' +
    'but sure of its answers needs more of both. The diagonal knows no correlations between weights and goes far too far without ' +
    "diagonalShare, which was found on the demo's model, as were the other defaults.",
  settings: {
    form: choiceSetting('G whole, by products with it, or its diagonal alone', forms, 'conjugate-gradient'),
    strength: numberSetting('factor of the step; 1: what takes the forget set out of the training loss once', 1),
    damping: numberSetting('added to the diagonal of G; absent: relativeDamping says', undefined, {
      lowExclusive: true,
    }),
    relativeDamping: numberSetting('damping, as a share of the mean of the diagonal of G', 0.3, { lowExclusive: true }),
    diagonalShare: numberSetting('what is taken of the step, which goes too far without correlations (diagonal)', 0.04),
    sequences: integerSetting('sequences of the retain set that G is made of, drawn once; of a smaller set all', 256),
    iterations: integerSetting('products with G at most (conjugate-gradient)', 10),
    tolerance: numberSetting('residual at which it is enough, as a share of the gradient (conjugate-gradient)', 1e-2),
  },
  advice: { forgetMore: { strength: 'raise' }, keepMore: { strength: 'lower' } },
  promises: { forget: 0.4, retain: 0.85 },
  buffers: ({ form }) => ({ float32: form === 'diagonal' ? 3 : 4 }),
  checkModel({ dtype }, { form }) {
    if (form !== 'diagonal' && dtype !== 'f32') throw withoutProducts(`its weights are ${dtype}`);
  },
  needs: () => ['retain'],
  async *run(lab, settings) {
    checkSets({ name: 'influence', terms: [forget, retain] }, lab.sets);
    const { form, strength, diagonalShare } = settings;
    const { values, gradients } = lab.model.parameters;
    const products = form === 'diagonal' ? undefined : requireProducts(lab);
    const [removed, kept] = [lab.sets.target, lab.sets.retain!].map((set) => countsOf(set).tokens);
    const gradient = lab.scratch();
    const gradientOfForget = async function* (): AsyncGenerator<RunEvent, void, void> {
      yield* lab.gradient(forget);
      await cast(gradients, gradient);
      await scale(gradient, removed! / (removed! + kept!));
    };
    yield* lab.stage('gradient of the forget set', gradientOfForget, () => ({ gradient }));
    const sequences = drawnSequences(lab, settings.sequences);
    const solved = products
      ? yield* solveWhole(lab, products, gradient, sequences, settings)
      : yield* solveDiagonal(lab, gradient, sequences, settings);
    await gradients.fill(0);
    const factor = products ? strength : strength * diagonalShare;
    const [step, before] = [Math.sqrt(await squaredNorm(solved.solution)), Math.sqrt(await squaredNorm(values))];
    if (!Number.isFinite(step)) {
      throw new SoulError('SOUL_NON_FINITE', `the step of influence unlearning has length ${step}; raise the damping`, {
        length: step,
      });
    }
    const share = ((100 * factor * step) / before).toPrecision(3);
    const said = `${solved.said}; the weights are moved by ${(factor * step).toPrecision(3)}, ${share} % of their length`;
    yield { kind: 'note', text: said };
    throwIfCancelled(lab.signal, 'influence unlearning was cancelled before its step');
    // The one change of the weights, in a single call: before it they are as they were.
    await axpy(factor, solved.solution, values);
    return undefined;
  },
});

interface Options {
  readonly damping: number | undefined;
  readonly relativeDamping: number;
  readonly iterations: number;
  readonly tolerance: number;
}

interface Solved {
  readonly solution: FlatBuffer<'f32'>;
  /** How it was come by. */
  readonly said: string;
}

/** @throws SoulError SOUL_UNSUPPORTED */
function requireProducts({ model }: Lab): CurvatureProducts {
  const { dtype } = model.parameters.values;
  if (typeof model.addGaussNewtonProduct !== 'function') {
    throw withoutProducts('this model has none (addGaussNewtonProduct)');
  }
  if (dtype !== 'f32') throw withoutProducts(`its weights are ${dtype}`);
  return model as CurvatureProducts;
}

function withoutProducts(lack: string): SoulError {
  return new SoulError(
    'SOUL_UNSUPPORTED',
    `influence by conjugate-gradient needs curvature products of float32 weights, and ${lack}; take form 'diagonal'`,
    { argument: 'form' },
  );
}

function drawnSequences({ seed, sets }: Lab, most: number): TokenSequence[] {
  const set = sets.retain!;
  if (set.length <= most) return [...set];
  const drawn = randomStream(seed, 'influence sequences').permutation(set.length, 0).slice(0, most);
  return [...drawn].sort((a, b) => a - b).map((index) => set[index]!);
}

/** x with (G + damping I) x = gradient, which is spent. */
async function* solveWhole(
  lab: Lab,
  products: CurvatureProducts,
  gradient: FlatBuffer<'f32'>,
  sequences: readonly TokenSequence[],
  { damping: given, relativeDamping, iterations, tolerance }: Options,
): AsyncGenerator<RunEvent, Solved, void> {
  const { signal, frozen } = lab;
  const gradients = lab.model.parameters.gradients as FlatBuffer<'f32'>;
  const damping =
    given ?? relativeDamping * (yield* lab.stage('the scale of the curvature', () => meanDiagonal(lab, sequences)));
  const { microBatchSize, batchSize = 8, batchTokens } = lab.descent;
  const limits = { examples: microBatchSize ?? batchSize, tokens: batchTokens };
  const parts = batchParts(
    sequences.map(({ tokens }) => [tokens.length]),
    limits,
  ).map((part) => TokenBatch.of(part.map((index) => sequences[index]!)));
  const { tokens } = countsOf(sequences);
  const [solution, direction, scratch] = [lab.scratch(), lab.scratch(), lab.scratch()];
  const nameOf = (iteration: number) => `product ${iteration + 1} of at most ${iterations} with the curvature`;
  async function* multiply(iteration: number): AsyncGenerator<RunEvent, void, void> {
    const what = nameOf(iteration);
    await gradients.fill(0);
    for (const [done, batch] of parts.entries()) {
      throwIfCancelled(signal, `${what} was cancelled after ${done} of ${parts.length} batches`);
      const weights = new Float32Array(batch.labelCount).fill(1 / tokens);
      await products.addGaussNewtonProduct(batch, weights, direction, { scratch, ...withoutUndefined({ signal }) });
      yield { kind: 'progress', what, done: done + 1, total: parts.length };
    }
    if (frozen) await fillFrozen(gradients, frozen, 0);
  }
  const buffers = { residual: gradient, solution, direction, product: gradients };
  const solved = yield* conjugateGradient(
    multiply,
    buffers,
    { damping, tolerance, iterations, ...withoutUndefined({ signal }) },
    (iteration, work) => lab.stage(nameOf(iteration), work, () => ({ gradient, solution, direction })),
  );
  const ended = solved.ended === 'curvature' ? ', where the curvature was no longer positive' : '';
  return { solution, said: `damping ${damping.toPrecision(3)}; ${solved.iterations} products${ended}` };
}

/** Parts that the mean of the diagonal is estimated from at most. */
const traceParts = 64;

/** trace(G) / weights by gradients of labels that the model draws: the Gauss-Newton-Bartlett estimate, arXiv 2305.14342. */
async function* meanDiagonal(lab: Lab, sequences: readonly TokenSequence[]): AsyncGenerator<RunEvent, number, void> {
  const { model, signal, frozen } = lab;
  const { gradients } = model.parameters;
  const labels = randomStream(lab.seed, 'curvature labels');
  const count = Math.min(traceParts, sequences.length);
  let trace = 0;
  let tokens = 0;
  for (let part = 0; part < count; part++) {
    throwIfCancelled(signal, `the estimate of the damping was cancelled after ${part} of ${count} sequences`);
    const batch = TokenBatch.of([sequences[Math.floor((part * sequences.length) / count)]!]);
    await gradients.fill(0);
    const weights = new Float32Array(batch.labelCount).fill(1);
    const sampledWith = labels.seed64(0, part);
    await model.accumulate(batch, weights, { labels: { sampledWith }, ...withoutUndefined({ signal }) });
    if (frozen) await fillFrozen(gradients, frozen, 0);
    // Gradients of single labels have mean 0: the square of their sum is in the mean the sum of their squares.
    trace += await squaredNorm(gradients);
    tokens += batch.labelCount;
    yield { kind: 'progress', what: 'the scale of the curvature', done: part + 1, total: count };
  }
  return checkScale(trace / tokens / (await movableCount(lab)));
}

/** gradient / (diagonal of G + damping), in the gradient's place. */
async function* solveDiagonal(
  lab: Lab,
  gradient: FlatBuffer<'f32'>,
  sequences: readonly TokenSequence[],
  options: Options,
): AsyncGenerator<RunEvent, Solved, void> {
  const divide = () => divideByDiagonal(lab, gradient, sequences, options);
  const damping = yield* lab.stage('diagonal of the curvature', divide, () => ({ gradient }));
  return { solution: gradient, said: `damping ${damping.toPrecision(3)}` };
}

/** Divides the gradient, and gives the damping. */
async function divideByDiagonal(
  lab: Lab,
  gradient: FlatBuffer<'f32'>,
  sequences: readonly TokenSequence[],
  { damping: given, relativeDamping }: Options,
): Promise<number> {
  const { values, gradients } = lab.model.parameters;
  const { signal, frozen } = lab;
  const labels = randomStream(lab.seed, 'curvature labels');
  const optimizer = new Sophia(
    { values, gradients },
    { precision: { master: 'none' }, ...withoutUndefined({ frozen }) },
  );
  try {
    // Sophia's Hessian is that diagonal, made in one pass of native code a sequence: the mean over sequences of B g^2, with g the mean
    // over a sequence's B labels, to which the factor gives the weight of as many labels.
    const mean = countsOf(sequences).tokens / sequences.length;
    await estimateHessian(optimizer, {
      parts: sequences.length,
      prime: true,
      gradient: async (part) => {
        throwIfCancelled(
          signal,
          `the diagonal of the curvature was cancelled after ${part} of ${sequences.length} sequences`,
        );
        const batch = TokenBatch.of([sequences[part]!]);
        const { labelCount } = batch;
        const weights = new Float32Array(labelCount).fill(Math.sqrt(labelCount / mean) / labelCount);
        const sampledWith = labels.seed64(0, part);
        await lab.model.accumulate(batch, weights, { labels: { sampledWith }, ...withoutUndefined({ signal }) });
        return labelCount;
      },
    });
    const { hessian } = optimizer.state;
    let trace = 0;
    const walk = withoutUndefined({ signal });
    const add = ([h]: Float32Array[]) => {
      for (const each of h!) trace += each;
    };
    await walkElements([hessian], add, walk);
    const damping = given ?? relativeDamping * checkScale(trace / (await movableCount(lab)));
    const divide = ([g, h]: Float32Array[]) => {
      for (let i = 0; i < g!.length; i++) g![i]! /= h![i]! + damping;
    };
    await walkElements([gradient, hessian], divide, { writes: [0], ...walk });
    return damping;
  } finally {
    await optimizer.release();
  }
}

/** @throws SoulError SOUL_NON_FINITE where the curvature has no scale */
function checkScale(mean: number): number {
  if (mean > 0 && Number.isFinite(mean)) return mean;
  throw new SoulError(
    'SOUL_NON_FINITE',
    `the mean of the curvature's diagonal is ${mean}; the model's weights may be damaged (\`soul eval\`)`,
  );
}
