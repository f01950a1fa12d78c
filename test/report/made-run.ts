/**
 * The folder of a run that was never made.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface MadeRun {
  readonly steps?: number;
  /** Whether run.json is there; else the mark of a run that goes on, or was cut off. */
  readonly finished?: boolean;
}

export async function writeRun(folder: string, { steps = 30, finished = true }: MadeRun = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  const lines = Array.from({ length: steps }, (_, i) => stepLine(i + 1, steps));
  await writeFile(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFile(
    join(folder, 'evaluations.jsonl'),
    [...evaluationLines(steps)].map((line) => `${JSON.stringify(line)}\n`).join(''),
  );
  if (finished) await writeFile(join(folder, 'run.json'), JSON.stringify(record(steps)));
  else await writeFile(join(folder, '.soul-run.json'), '{}');
}

export function stepLine(step: number, steps: number): object {
  const forget = -1 - step / 10;
  return {
    descent: 1,
    method: 'graddiff',
    step,
    steps,
    epoch: step / 10,
    epochs: steps / 10,
    losses: { forget, retain: 0.4 + 0.1 * Math.sin(step) },
    loss: forget + 0.4,
    learningRate: 1e-4 * Math.min(step / 5, 1),
    statistics: {
      step,
      skipped: false,
      stepped: 10,
      clippedFraction: 0.1 + step / 400,
      changedFraction: 0.9,
      gradientNorm: 3 + Math.cos(step),
      groups: [],
    },
    ...(step % 10 === 1 ? { curvature: { seconds: 0.05 } } : {}),
    tokens: 100,
    seconds: 0.2 + 0.01 * (step % 3),
    tokensPerSecond: 500,
    memory: 3e8,
    time: '2026-01-01T00:00:00.000Z',
  };
}

function* evaluationLines(steps: number): Generator<object> {
  for (const step of [0, Math.floor(steps / 2), steps]) {
    const moment = step === 0 ? 'before' : step === steps ? 'after' : 'during';
    for (const set of ['target', 'retain']) {
      const probability = set === 'target' ? 0.9 - (0.8 * step) / steps : 0.9;
      yield { step, moment, set, examples: 20, probability, seconds: 1, time: '2026-01-01T00:00:00.000Z' };
    }
  }
}

function record(steps: number): object {
  return {
    package: { name: 'soul-unlearn', version: '0.1.0' },
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:01:00.000Z',
    settings: { method: 'graddiff', optimizer: 'sophia', learningRate: 1e-4 },
    results: {
      steps,
      seconds: 6,
      peakMemory: 4e8,
      losses: { forget: -4, retain: 0.4 },
      evaluation: {
        target: { examples: 20, before: 0.9, after: 0.1 },
        retain: { examples: 20, before: 0.9, after: 0.9 },
      },
      verdict: { forgotten: 'yes', kept: 'yes', sentence: 'The model has forgotten the set and kept the rest.' },
    },
  };
}
