/**
 * A descent, watched: measured at places along its path, with what it took without the measuring.
 *
 * @module
 */

import { SoulError } from '../../core/errors.ts';
import { measurePeakMemory, type PeakMemory } from '../../run/peak-memory.ts';
import type { RunEvent, StepEvent } from '../../unlearn/events.ts';
import type { PathPoint, TrialRecord } from './record.ts';

type Figures = Omit<PathPoint, 'step' | 'epoch'>;

/** What a descent came to. */
export interface Watched {
  readonly path: readonly PathPoint[];
  readonly steps: number;
  readonly clipped: NonNullable<TrialRecord['clipped']>;
  readonly cost: Omit<TrialRecord['cost'], 'wholeSeconds'>;
  /** Why it diverged; absent where it did not. */
  readonly reason?: string;
}

export interface WatchOptions {
  /** Points of the path, the end among them. */
  readonly points: number;
  /** Whether the weights after any step are a result; else the end alone is measured. */
  readonly measuresOnTheWay: boolean;
  readonly start: Figures;
  readonly measure: () => Promise<Figures>;
  readonly onStep?: ((step: StepEvent) => void) | undefined;
}

/**
 * Runs a descent to its end, or to where it diverges: that is a result. It rests while its model is measured, which counts neither as
 * time nor as memory.
 *
 * @throws SoulError of the descent and of measuring, but for SOUL_NON_FINITE
 */
export async function watch(
  events: AsyncGenerator<RunEvent, unknown, void>,
  { points, measuresOnTheWay, start, measure, onStep }: WatchOptions,
): Promise<Watched> {
  const path: PathPoint[] = [{ step: 0, epoch: 0, ...start }];
  const clips = new ClippedShares();
  const meter = new CostMeter();
  let [steps, skipped, epoch] = [0, 0, 0];
  let reason: string | undefined;
  const measured = async () => {
    const at = steps > 0 ? steps : 1;
    if (path.at(-1)!.step === at) path.pop();
    path.push({ step: at, epoch, ...(await measure()) });
  };
  try {
    await meter.go();
    for (;;) {
      const { done, value } = await events.next();
      if (done) break;
      if (value.kind !== 'step') continue;
      steps += 1;
      epoch = value.epoch;
      if (value.statistics.skipped) skipped += 1;
      clips.add(value);
      meter.count(value);
      onStep?.(value);
      if (!isPlace(value, points)) continue;
      await meter.rest();
      clips.close(steps);
      if (measuresOnTheWay) await measured();
      await meter.go();
    }
    await meter.rest();
    if (path.at(-1)!.step !== steps || !measuresOnTheWay || steps === 0) await measured();
    if (steps > 0 && skipped === steps) reason = `the gradient was not finite in any of ${steps} steps`;
  } catch (error) {
    if (!(error instanceof SoulError) || error.code !== 'SOUL_NON_FINITE') throw error;
    await meter.rest();
    reason = `${error.message} (after step ${steps})`;
  } finally {
    await events.return(undefined);
  }
  return { path, steps, clipped: clips.shares, cost: meter.cost(), ...(reason === undefined ? {} : { reason }) };
}

/** Whether a step is one of so many places that are spread evenly over its descent, the last one its end. */
function isPlace({ step, steps }: StepEvent, points: number): boolean {
  const count = Math.min(points, steps);
  const place = Math.round((step * count) / steps);
  return place > 0 && Math.round((place * steps) / count) === step;
}

/** Mean clipped shares between the points of a path. */
class ClippedShares {
  readonly shares: { step: number; share: number; outsideEmbeddings?: number }[] = [];
  #since: { share: number; outside: number | undefined }[] = [];

  add({ statistics: { clippedFraction, groups } }: StepEvent): void {
    if (clippedFraction === undefined) return;
    const others = groups.filter(({ name }) => name !== 'embedding');
    const stepped = others.reduce((sum, group) => sum + group.stepped, 0);
    const clipped = others.reduce((sum, group) => sum + group.stepped * (group.clippedFraction ?? 0), 0);
    const isTold = others.length < groups.length && stepped > 0;
    this.#since.push({ share: clippedFraction, outside: isTold ? clipped / stepped : undefined });
  }

  close(step: number): void {
    if (this.#since.length === 0) return;
    const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const outside = this.#since.flatMap((each) => each.outside ?? []);
    this.shares.push({
      step,
      share: meanOf(this.#since.map(({ share }) => share)),
      ...(outside.length > 0 ? { outsideEmbeddings: meanOf(outside) } : {}),
    });
    this.#since = [];
  }
}

/** Time and memory of what goes on between `go` and `rest`. */
class CostMeter {
  #seconds = 0;
  #microseconds = 0;
  #peak = 0;
  #estimates = 0;
  #going: { begun: number; cpu: NodeJS.CpuUsage; memory: PeakMemory } | undefined;

  async go(): Promise<void> {
    const memory = await measurePeakMemory();
    this.#going = { begun: performance.now(), cpu: process.cpuUsage(), memory };
  }

  async rest(): Promise<void> {
    if (this.#going === undefined) return;
    const { begun, cpu, memory } = this.#going;
    this.#going = undefined;
    this.#seconds += (performance.now() - begun) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    this.#microseconds += user + system;
    this.#peak = Math.max(this.#peak, await memory.peak());
  }

  count({ curvature }: StepEvent): void {
    this.#estimates += curvature?.seconds ?? 0;
  }

  cost(): Watched['cost'] {
    return {
      seconds: this.#seconds,
      processorSeconds: this.#microseconds / 1e6,
      estimateShare: this.#seconds > 0 ? Math.min(1, this.#estimates / this.#seconds) : 0,
      peakMemory: this.#peak,
    };
  }
}
