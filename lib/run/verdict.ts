/**
 * What a run of unlearning came to, in a word, a sentence, and advice where it is not what one wants.
 *
 * @module
 */

import { type InnerMethodSetting, innerAlgorithm } from '../unlearn/inner-method.ts';
import { gradientAscent } from '../unlearn/objectives/gradient-ascent.ts';
import { completeSettings, type Setting } from '../unlearn/setting.ts';
import { refusalSet } from '../unlearn/source.ts';
import type { BeforeAndAfter } from './measure.ts';
import { algorithmsIn, type ChosenAlgorithm } from './run-defaults.ts';
import { methodFlag } from './setting-flags.ts';
import { neededSets } from './settings.ts';

export interface VerdictInput {
  /** Of the forget set's own answers, never of refusals; absent where nothing was measured. */
  forget?: BeforeAndAfter | undefined;
  /** Of the retain set; absent where there is none, or nothing was measured. */
  retain?: BeforeAndAfter | undefined;
  /** What it was made by. */
  chosen?: ChosenAlgorithm;
  /** The peak; absent where no step was taken. */
  learningRate?: number;
  /** Passes over the forget set; absent where no step was taken, or the run was given its steps. */
  epochs?: number;
  /** Optimizer steps, where the run was given those. */
  steps?: number;
  /** What ended the run before its last step: its target was met, or somebody asked for it. */
  endedBy?: 'until' | 'stopped' | 'finished' | undefined;
}

export interface Verdict {
  /** `never-known`: the model gave the answers no more than one that never saw them, before the run. */
  forgotten: 'yes' | 'partly' | 'hardly' | 'no' | 'never-known' | 'not-measured';
  kept: 'yes' | 'damaged' | 'destroyed' | 'not-measured';
  sentence: string;
  /** What to try next; absent where forgotten and kept are as wanted. */
  advice?: string;
}

/**
 * The probability that a model gives to answers it never saw: 0.148 on TOFU's forget10 by the published Llama-2-7b that was
 * trained without it (0.991 by the one trained with it), 0.13 in `soul demo`. Less is no more forgotten than that.
 */
const neverSeen = 0.15;

/** From here on a model knew something: a third above what one gives that never saw the answers. */
const known = 0.2;

/**
 * Bounds of the share that is left of what was known, (after - neverSeen) / (before - neverSeen). Up to a fifth is forgotten:
 * 0.99 to 0.32, where greedy answers lose their facts. Above three quarters, 0.99 to 0.78, most greedy answers are still the
 * old ones word by word: hardly forgotten, however many steps were taken.
 */
const forgottenUpTo = 0.2;
const hardlyFrom = 0.75;

/**
 * Bounds of the retain set's after / before. Two models trained on the same retain set differ by 0.001 (TOFU's published
 * pair), so a tenth is a loss, not noise; below half, it is lost as a forget set would be.
 */
const keptFrom = 0.9;
const destroyedBelow = 0.5;

/** Judges the figures of a run; a pure function. */
export function verdictOf(input: VerdictInput): Verdict {
  const forgotten = judgeForgotten(input.forget);
  const kept = judgeKept(input.retain);
  const advice = adviceFor(input, forgotten, kept);
  return { forgotten, kept, sentence: sentenceOf(input, forgotten, kept), ...(advice === '' ? {} : { advice }) };
}

/** What is left of what the model knew beyond one that never saw the answers: 1 is all of it. */
function shareLeft({ before, after }: BeforeAndAfter): number {
  return (after - neverSeen) / (before - neverSeen);
}

function judgeForgotten(change: BeforeAndAfter | undefined): Verdict['forgotten'] {
  if (change === undefined) return 'not-measured';
  if (!(change.before >= known)) return 'never-known';
  if (change.after >= change.before) return 'no';
  const left = shareLeft(change);
  if (left <= forgottenUpTo) return 'yes';
  return left <= hardlyFrom ? 'partly' : 'hardly';
}

function judgeKept(change: BeforeAndAfter | undefined): Verdict['kept'] {
  if (change === undefined || change.before === 0) return 'not-measured';
  const left = change.after / change.before;
  if (left >= keptFrom) return 'yes';
  return left >= destroyedBelow ? 'damaged' : 'destroyed';
}

function sentenceOf({ forget, retain }: VerdictInput, forgotten: Verdict['forgotten'], kept: Verdict['kept']): string {
  if (!forget && !retain) return 'Nothing was measured, so it is not known what was forgotten and what was kept.';
  const figures = (change: BeforeAndAfter | undefined) =>
    change === undefined
      ? ''
      : ` (probability ${change.before.toFixed(4)} -> ${change.after.toFixed(4)}, ${change.examples} examples)`;
  const first = {
    yes: `The forget set is forgotten${figures(forget)}`,
    partly: `The forget set is partly forgotten${figures(forget)}`,
    hardly: `The forget set is hardly forgotten${figures(forget)}`,
    no: `The forget set is not forgotten: its answers are no less likely than before${figures(forget)}`,
    'never-known': `The model did not know the forget set to begin with${figures(forget)}, so there was nothing to forget`,
    'not-measured': 'What was forgotten was not measured',
  }[forgotten];
  const second = {
    yes: `the retain set is kept${figures(retain)}`,
    damaged: `the retain set is damaged${figures(retain)}`,
    destroyed: `the retain set is lost${figures(retain)}: the model is destroyed`,
    'not-measured': retain
      ? `the model knew nothing of the retain set to begin with${figures(retain)}`
      : 'what was kept was not measured: there was no retain set',
  }[kept];
  const isWell = forgotten === 'yes' || (forgotten === 'never-known' && kept !== 'not-measured');
  const joint = isWell === (kept === 'yes') ? 'and' : 'but';
  return `${first}, ${joint} ${second}.`;
}

/** Sentences to act upon, each with an option of the command; empty where all is as wanted. */
function adviceFor(input: VerdictInput, forgotten: Verdict['forgotten'], kept: Verdict['kept']): string {
  const { forget, retain, chosen, learningRate } = input;
  const methods = chosen === undefined ? [] : [...algorithmsIn(chosen)].flatMap(({ method }) => method ?? []);
  if (!forget && !retain) return 'Leave --evaluate above 0, or measure both models with `soul eval`.';
  const tooMuch = kept === 'damaged' || kept === 'destroyed';
  const tooLittle = forgotten === 'partly' || forgotten === 'hardly' || forgotten === 'no';
  const sentences: string[] = [];
  if (forgotten === 'never-known') {
    sentences.push(
      'See that the model was trained on these very examples, and that --template is how it saw them; ' +
        'of a model that never saw them nothing need be deleted.',
    );
  }
  if (tooMuch) {
    if (learningRate !== undefined) {
      sentences.push(
        `Lower the learning rate (--learning-rate ${rate(learningRate / (kept === 'damaged' ? 1.5 : 3))}).`,
      );
    }
    sentences.push(keepAdvice(chosen));
    if (methods.some(({ terms }) => terms.some(({ objective }) => objective === gradientAscent))) {
      sentences.push('The ascent of this method has no bound; that of --method npo has one.');
    }
  } else if (tooLittle) {
    const teachesRefusals = methods.some(({ terms }) => terms.some(({ source }) => source === refusalSet));
    if (teachesRefusals) {
      sentences.push(
        'The method teaches refusals: a model can give one while the old answer stays as likely as that, word by word; ' +
          'see what it answers now (`soul eval`).',
      );
    }
    if (!teachesRefusals || forgotten !== 'partly') sentences.push(...forgetAdvice(input, raiseBy(forget!)));
  }
  if (kept === 'not-measured' && retain === undefined) {
    if (forgotten === 'yes' && forget!.after < neverSeen / 10 && learningRate !== undefined) {
      sentences.push(
        'Its answers are now far less likely than to a model that never saw them, which seldom comes without other loss: ' +
          `a lower learning rate (--learning-rate ${rate(learningRate / 3)}) may be enough.`,
      );
    }
    sentences.push('To know whether the rest is kept, name a file of what must stay (--retain).');
  }
  return sentences.join(' ');
}

/**
 * By how much a step should be larger: forgetting goes slowly first and then at once, so that a run that did nearly nothing is
 * about five times too slow (`soul demo`'s model: AdamW from 1e-4, 0.978, to 5e-4, 0.2), and one that is half way only a little.
 */
function raiseBy(change: BeforeAndAfter): number {
  const left = shareLeft(change);
  if (left > 0.98) return 5;
  return left > hardlyFrom ? 2.5 : 1.5;
}

function forgetAdvice({ chosen, learningRate, epochs, steps, endedBy }: VerdictInput, factor: number): string[] {
  if (endedBy === 'until') return ['The run ended where its target was met: for more, set another (--until).'];
  if (endedBy !== undefined) return ['The run ended before its last step: let it take them all.'];
  const setting = settingAdvice(chosen, 'forgetMore');
  if (learningRate === undefined) return [setting ?? 'Change it more (`soul methods` shows its settings).'];
  const faster = `Raise the learning rate (--learning-rate ${rate(learningRate * factor)})`;
  const longer =
    steps === undefined
      ? epochs !== undefined && `take more epochs (--epochs ${more(epochs)})`
      : `take more steps (--steps ${more(steps)})`;
  return [longer ? `${faster}, or ${longer}.` : `${faster}.`, ...(setting === undefined ? [] : [setting])];
}

function keepAdvice(chosen: ChosenAlgorithm | undefined): string {
  const setting = settingAdvice(chosen, 'keepMore');
  if (setting !== undefined) return setting;
  const keeps = chosen === undefined || neededSets(chosen).includes('retain');
  return keeps
    ? 'Change it less (`soul methods` shows its settings).'
    : 'Keep a retain set beside it (--method npo or graddiff, with --retain).';
}

/** What the algorithm's own file says of its settings, or that of the method inside; undefined where it says nothing. */
function settingAdvice(chosen: ChosenAlgorithm | undefined, wanted: 'forgetMore' | 'keepMore'): string | undefined {
  if (chosen === undefined) return undefined;
  for (const { prefix, algorithm, settings } of [{ prefix: '', ...chosen }, ...innerAlgorithms(chosen)]) {
    const defaults = completeSettings(algorithm.name, algorithm.settings, algorithm.runDefaults);
    for (const [name, way] of Object.entries(algorithm.advice?.[wanted] ?? {})) {
      const value = settings[name];
      if (typeof value !== 'number') continue;
      const next = way === 'lower' ? value / 2 : value === 0 ? (defaults[name] as number) : 2 * value;
      if (next === value || !canBe(algorithm.settings[name]!, next)) continue;
      const [what] = algorithm.settings[name]!.text.split(';');
      return `${way === 'raise' ? 'Raise' : 'Lower'} ${prefix}${name}, ${what} (${methodFlag(prefix + name, rate(next))}).`;
    }
  }
  return undefined;
}

/** The methods inside an algorithm, with what their settings begin with on the command line. */
function innerAlgorithms({ algorithm, settings }: ChosenAlgorithm) {
  return Object.entries(algorithm.settings).flatMap(([name, entry]) =>
    entry.kind === 'method'
      ? [{ prefix: `${name}.`, ...innerAlgorithm(settings[name], (entry as InnerMethodSetting).inner) }]
      : [],
  );
}

function canBe(setting: Setting, value: number): boolean {
  try {
    setting.check('value', value);
    return true;
  } catch {
    return false;
  }
}

/** Two digits are enough to try next. */
function rate(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function more(length: number): number {
  return Math.max(1, Math.ceil(2 * length));
}
