/**
 * What a run says, as progress shows it.
 *
 * @module
 */

import { figuresInWords } from '../run/evaluations/figures.ts';
import { onTheWay } from '../run/run-figures.ts';
import type { RunEvent, StepEvent } from '../unlearn/events.ts';
import type { Progress } from './progress.ts';
import { memory } from './terminal.ts';

/**
 * Shows what a run says: to a machine as it is, to people in the words of the command.
 *
 * @param verb what the steps do, as `training`
 * @param target what the examples that epochs run over are called
 */
export function watching(
  progress: Progress,
  { verb, target = 'forget' }: { readonly verb: string; readonly target?: string },
): (event: RunEvent) => void {
  const { tell } = progress;
  if (tell !== undefined) return (event) => tell({ ...event });
  const speed = new Speed();
  /** What is shown as being done. */
  let shown: string | undefined;
  const phase = (name: string) => {
    shown = name;
    progress.phase(name);
  };
  return (event) => {
    switch (event.kind) {
      case 'phase':
        return phase(event.phase === 'training' ? verb : event.phase);
      case 'stage':
        return phase(event.name);
      case 'note':
        return progress.note(event.text);
      case 'evaluation':
        return progress.log(evaluationLine(event, target));
      case 'progress':
        if (event.what === onTheWay) return progress.aside(event.what, event.done, event.total);
        if (event.what !== shown) progress.part(event.what);
        shown = event.what;
        return progress.update(event.done, event.total);
      case 'step':
        if (shown !== verb) phase(verb);
        return progress.update(event.step, event.steps, [
          ...stepFigures(event),
          `${speed.after(event)} tokens/s`,
          memory(process.memoryUsage.rss()),
        ]);
    }
  };
}

/** An evaluation in a line: of each set its figures. */
export function evaluationLine(
  { step, moment, seconds, sets }: Extract<RunEvent, { kind: 'evaluation' }>,
  target: string,
): string {
  const when = { before: 'before', during: `after ${step} step${step === 1 ? '' : 's'}`, after: 'after the last step' };
  const figures = Object.entries(sets).map(
    ([name, own]) => `${name === 'target' ? target : name} ${figuresInWords(own)}`,
  );
  return `${when[moment]}: ${figures.join('; ')}  (${seconds.toFixed(1)} s)`;
}

/** Losses and what the optimizer did, in a few words, the most important ones first. */
export function stepFigures({ losses, statistics }: StepEvent): string[] {
  const figures = Object.entries(losses).map(([name, loss]) => `${name} ${loss.toFixed(3)}`);
  if (statistics.skipped) figures.unshift('SKIPPED: gradient not finite');
  if (statistics.clippedFraction !== undefined) {
    const percent = (share = 0) => `${(100 * share).toFixed(0)}%`;
    const factors = statistics.groups.filter(({ name }) => name === 'A' || name === 'B');
    const apart = factors.map(({ name, clippedFraction }) => `${name} ${percent(clippedFraction)}`).join(' ');
    figures.push(`clipped ${apart || percent(statistics.clippedFraction)}`);
  }
  return figures;
}

/** Steps whose mean is shown: one alone jumps about where examples are of many lengths. */
const steadySteps = 16;

/** Tokens a second over the last steps. */
class Speed {
  readonly #steps: StepEvent[] = [];

  /** With three digits. */
  after(event: StepEvent): string {
    this.#steps.push(event);
    if (this.#steps.length > steadySteps) this.#steps.shift();
    const sum = (of: 'tokens' | 'seconds') => this.#steps.reduce((total, step) => total + step[of], 0);
    const speed = sum('seconds') > 0 ? sum('tokens') / sum('seconds') : 0;
    return String(speed >= 100 ? Math.round(speed) : Number(speed.toPrecision(3)));
  }
}
