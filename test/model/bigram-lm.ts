/**
 * A test double of the model contract: a bigram language model whose parameters are its logits.
 *
 * p(next | previous) = softmax(table[previous])[next], so every derivative is known in closed form. Arithmetic is float64
 * over a float32 table; nothing here needs native code.
 *
 * @module
 */

import { invalidArgument, SoulError } from '../../lib/core/errors.ts';
import { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { randomStream } from '../../lib/core/random.ts';
import type {
  AccumulateOptions,
  BackwardOptions,
  CurvatureProducts,
  DifferentiableLM,
  GenerateOptions,
  Pass,
  ReferenceLM,
  TextGenerator,
  TokenScores,
  TokenTarget,
} from '../../lib/model/contract.ts';
import { ParameterLayout } from '../../lib/model/parameter-layout.ts';
import type { TokenBatch } from '../../lib/model/token-batch.ts';

/** One label token: what comes before it, and the token itself. */
interface Place {
  previous: number;
  label: number;
}

export class BigramLM implements DifferentiableLM, CurvatureProducts, TextGenerator, ReferenceLM {
  readonly vocabularySize: number;
  readonly keepsPasses = true;
  readonly parameters: {
    readonly values: FlatBuffer;
    readonly gradients: FlatBuffer;
    readonly layout: ParameterLayout;
  };

  private constructor(vocabularySize: number) {
    const layout = ParameterLayout.of([{ name: 'logits', shape: [vocabularySize, vocabularySize], group: 'matrix' }]);
    this.vocabularySize = vocabularySize;
    this.parameters = { values: FlatBuffer.alloc(layout.length), gradients: FlatBuffer.alloc(layout.length), layout };
  }

  /** A model with the given logits, row after row: `table[previous * vocabularySize + next]`. */
  static of(vocabularySize: number, table: ArrayLike<number>): BigramLM {
    const model = new BigramLM(vocabularySize);
    for (let i = 0; i < vocabularySize ** 2; i++) model.values[i] = table[i]!;
    return model;
  }

  /** A model with logits uniform in [-scale, scale], a function of the seed. */
  static random(vocabularySize: number, seed: bigint, scale = 1): BigramLM {
    const stream = randomStream(seed, 'bigram');
    return BigramLM.of(
      vocabularySize,
      Float64Array.from({ length: vocabularySize ** 2 }, (_, i) => scale * (2 * stream.uniform(0, i) - 1)),
    );
  }

  /** A model of its own with the same logits and zero gradients. */
  clone(): BigramLM {
    return BigramLM.of(this.vocabularySize, this.values);
  }

  get values(): Float32Array {
    return this.parameters.values.array as Float32Array;
  }

  get gradients(): Float32Array {
    return this.parameters.gradients.array as Float32Array;
  }

  /** log p of every next token, in float64. */
  logProbabilities(previous: number): Float64Array {
    const row = this.values.subarray(previous * this.vocabularySize, (previous + 1) * this.vocabularySize);
    const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (const logit of row) sum += Math.exp(logit - largest);
    const logSum = largest + Math.log(sum);
    return Float64Array.from(row, (logit) => logit - logSum);
  }

  async nll(batch: TokenBatch): Promise<Pass> {
    const places = this.#places(batch);
    const rows = places.map(({ previous }) => this.logProbabilities(previous));
    const values = Float32Array.from(places, ({ label }, i) => -rows[i]![label]!);
    return this.#pass(values, batch, (i, weight, seed) => {
      const { previous, label } = places[i]!;
      this.#pull({ previous, label: seed === undefined ? label : drawLabel(rows[i]!, seed, i) }, rows[i]!, weight);
    });
  }

  async klTo(reference: ReferenceLM, batch: TokenBatch): Promise<Pass> {
    if (!(reference instanceof BigramLM) || reference.vocabularySize !== this.vocabularySize) {
      throw invalidArgument('reference', `a BigramLM of ${this.vocabularySize} tokens`, reference);
    }
    const places = this.#places(batch);
    const rows = places.map(({ previous }) => this.logProbabilities(previous));
    const fixed = places.map(({ previous }) => reference.logProbabilities(previous));
    const values = Float32Array.from(rows, (row, i) =>
      row.reduce((sum, logP, token) => sum + Math.exp(fixed[i]![token]!) * (fixed[i]![token]! - logP), 0),
    );
    return this.#pass(values, batch, (i, weight) => {
      const start = places[i]!.previous * this.vocabularySize;
      rows[i]!.forEach((logP, token) => {
        this.gradients[start + token]! += weight * (Math.exp(logP) - Math.exp(fixed[i]![token]!));
      });
    });
  }

  async targetCrossEntropy(target: TokenTarget, batch: TokenBatch): Promise<Pass> {
    const { from, shift } = target;
    if (from !== 'self' && !(from instanceof BigramLM)) throw invalidArgument('from', "'self' or a BigramLM", from);
    const places = this.#places(batch);
    const rows = places.map(({ previous }) => this.logProbabilities(previous));
    const logits = from === 'self' ? rows : places.map(({ previous }) => from.logProbabilities(previous));
    const targets = logits.map((row, i) => {
      const { label } = places[i]!;
      const shifted = row.map((logP, token) => (token === label ? logP + shift : logP));
      return softmax(shifted);
    });
    const values = Float32Array.from(rows, (row, i) =>
      row.reduce((sum, logP, token) => sum - targets[i]![token]! * logP, 0),
    );
    return this.#pass(values, batch, (i, weight) => {
      const start = places[i]!.previous * this.vocabularySize;
      rows[i]!.forEach((logP, token) => {
        this.gradients[start + token]! += weight * (Math.exp(logP) - targets[i]![token]!);
      });
    });
  }

  async accumulate(batch: TokenBatch, weights: Float32Array, options: AccumulateOptions = {}): Promise<Float32Array> {
    const places = this.#places(batch);
    this.#checkWeights(weights, places.length);
    const { labels = 'given' } = options;
    return Float32Array.from(places, ({ previous, label }, i) => {
      const row = this.logProbabilities(previous);
      const used = labels === 'given' ? label : drawLabel(row, labels.sampledWith, i);
      this.#pull({ previous, label: used }, row, weights[i]!);
      return -row[used]!;
    });
  }

  /** J of a label token is 1 at its row of the table: G v is diag(p) - p p^T times the row's part of v. */
  async addGaussNewtonProduct(batch: TokenBatch, weights: Float32Array, direction: FlatBuffer<'f32'>): Promise<void> {
    const places = this.#places(batch);
    this.#checkWeights(weights, places.length);
    for (const [i, { previous }] of places.entries()) {
      const start = previous * this.vocabularySize;
      const row = this.logProbabilities(previous);
      const along = direction.array.subarray(start, start + this.vocabularySize);
      const mean = row.reduce((sum, logP, token) => sum + Math.exp(logP) * along[token]!, 0);
      row.forEach((logP, token) => {
        this.gradients[start + token]! += weights[i]! * Math.exp(logP) * (along[token]! - mean);
      });
    }
  }

  async score(batch: TokenBatch): Promise<TokenScores> {
    const places = this.#places(batch);
    const rows = places.map(({ previous }) => this.logProbabilities(previous));
    const mean = rows.map((row) => row.reduce((sum, logP) => sum + Math.exp(logP) * logP, 0));
    return {
      logProbability: Float32Array.from(places, ({ label }, i) => rows[i]![label]!),
      isArgmax: Uint8Array.from(places, ({ label }, i) => (argmax(rows[i]!) === label ? 1 : 0)),
      mean: Float32Array.from(mean),
      variance: Float32Array.from(rows, (row, i) =>
        row.reduce((sum, logP) => sum + Math.exp(logP) * (logP - mean[i]!) ** 2, 0),
      ),
      offsets: batch.labelOffsets,
    };
  }

  async generate(prompts: readonly (readonly number[])[], options: GenerateOptions): Promise<number[][]> {
    const { maxNewTokens, stopTokens = [], temperature = 0, topP = 1, seed = 0n } = options;
    if (topP !== 1) throw invalidArgument('topP', '1 in this test double', topP);
    const stream = randomStream(seed, 'generate');
    return prompts.map((prompt, index) => {
      let previous = prompt.at(-1);
      if (previous === undefined) throw invalidArgument(`prompts[${index}]`, 'at least one token', prompt);
      const tokens: number[] = [];
      while (tokens.length < maxNewTokens) {
        this.#checkToken(previous);
        const row = this.logProbabilities(previous);
        previous =
          temperature === 0 ? argmax(row) : draw(tempered(row, temperature), stream.uniform(tokens.length, index));
        if (stopTokens.includes(previous)) break;
        tokens.push(previous);
      }
      return tokens;
    });
  }

  #places(batch: TokenBatch): Place[] {
    batch.tokens.forEach((token) => {
      this.#checkToken(token);
    });
    return Array.from(batch.labelPositions, (at) => ({ previous: batch.tokens[at - 1]!, label: batch.tokens[at]! }));
  }

  #pull({ previous, label }: Place, row: Float64Array, weight: number): void {
    const start = previous * this.vocabularySize;
    row.forEach((logP, token) => {
      this.gradients[start + token]! += weight * (Math.exp(logP) - (token === label ? 1 : 0));
    });
  }

  #pass(
    values: Float32Array,
    batch: TokenBatch,
    pull: (index: number, weight: number, seed: bigint | undefined) => void,
  ): Pass {
    let released = false;
    return {
      values,
      offsets: batch.labelOffsets,
      backward: async (weights, { labels, keep = false }: BackwardOptions = {}) => {
        if (released) throw new SoulError('SOUL_RELEASED', 'this pass was pulled back or released before');
        this.#checkWeights(weights, values.length);
        released = !keep;
        weights.forEach((weight, i) => {
          pull(i, weight, labels?.sampledWith);
        });
      },
      release: () => {
        released = true;
      },
    };
  }

  #checkWeights(weights: Float32Array, expected: number): void {
    if (weights.length !== expected) throw invalidArgument('weights', `${expected} values`, weights);
    if (!weights.every(Number.isFinite)) throw invalidArgument('weights', 'finite', weights);
  }

  #checkToken(token: number): void {
    if (token >= this.vocabularySize) throw invalidArgument('token', `below ${this.vocabularySize}`, token);
  }
}

/** The label that a seed draws for a batch's label token `index`. */
function drawLabel(row: Float64Array, seed: bigint, index: number): number {
  return draw(row, randomStream(seed, 'label').uniform(0, index));
}

function argmax(row: Float64Array): number {
  return row.indexOf(row.reduce((a, b) => Math.max(a, b)));
}

function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const masses = logits.map((logit) => Math.exp(logit - largest));
  const sum = masses.reduce((a, b) => a + b);
  return masses.map((mass) => mass / sum);
}

/** The token at which the cumulative probability passes `uniform`. */
function draw(logProbabilities: Float64Array, uniform: number): number {
  let cumulative = 0;
  for (const [token, logP] of logProbabilities.entries()) {
    cumulative += Math.exp(logP);
    if (uniform < cumulative) return token;
  }
  return logProbabilities.length - 1;
}

function tempered(row: Float64Array, temperature: number): Float64Array {
  const scaled = row.map((logP) => logP / temperature);
  const logSum = Math.log(scaled.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return scaled.map((logit) => logit - logSum);
}
