/**
 * What is kept of a trial: a few kilobytes of JSON, and no weights.
 *
 * @module
 */

/** Which trial it is. */
export interface TrialTask {
  /** Name of its file without .json: the five below, and the number of the trial. */
  readonly id: string;
  readonly model: string;
  readonly split: string;
  readonly method: string;
  readonly optimizer: string;
  /** Counted from 0; decides the batches. */
  readonly draw: number;
  /** Counted from 0; decides the settings. */
  readonly trial: number;
  /** What was searched, as it was taken; the learning rate as a factor on the default, in full it is in the optimizer's settings. */
  readonly searched: {
    readonly learningRateFactor: number;
    readonly retainCoefficient?: number;
    readonly clippedFraction?: number;
  };
}

/** The id of a trial, which is the name of its file without .json. */
export function trialId(task: Omit<TrialTask, 'id' | 'searched'>): string {
  const { model, split, method, optimizer, draw, trial } = task;
  return [model, split, method, optimizer, `d${draw}`, `t${trial}`].join('.');
}

/** Mean probability of the answers of both sets, in the half that chooses and in the half that is reported. */
export interface PathPoint {
  /** Optimizer steps done; 0 before the first. */
  readonly step: number;
  readonly epoch: number;
  readonly validation: { readonly forget: number; readonly retain: number };
  readonly test: { readonly forget: number; readonly retain: number };
}

/** Figures of one half at the end. */
export interface HalfFigures {
  readonly validation: number;
  readonly test: number;
}

export interface TrialRecord extends TrialTask {
  readonly version: 1;
  /** SHA-256 over everything of the study that decides a trial's figures, in hexadecimal. */
  readonly study: string;
  readonly outcome: 'done' | 'diverged';
  /** Why it diverged: what was not finite, and at which step. */
  readonly reason?: string;
  /** All settings of its optimizer, the learning rate among them, and of its method. */
  readonly optimizerSettings: Readonly<Record<string, unknown>>;
  readonly methodSettings: Readonly<Record<string, unknown>>;
  readonly steps: number;
  /** From the start to the end, or to where it diverged. */
  readonly path: readonly PathPoint[];
  /** The model retrained without the forget set on the same items; the same in every trial of a model and split. */
  readonly retrained?: Omit<PathPoint, 'step' | 'epoch'>;
  /** Mean probability of the answers of sets that no step uses, by the set's name, before and at the end. */
  readonly utility?: Readonly<Record<string, { readonly before: number; readonly after: number }>>;
  /** TOFU's figures at the end, by `metric` or `metric/set`, as `soul eval --tofu` names them. */
  readonly tofu?: Readonly<Record<string, number>>;
  /** The same of the model before the first step, and of the retrained one; the same in every trial of a model and split. */
  readonly referenceTofu?: {
    readonly original: Readonly<Record<string, number>>;
    readonly retrained?: Readonly<Record<string, number>>;
  };
  /** Mean probability of the forget and retain answers after each attack, by the attack's name; of relearning, of the examples that it was not shown. */
  readonly attacks?: Readonly<Record<string, { readonly forget: HalfFigures; readonly retain: HalfFigures }>>;
  /** The same of the retrained model. */
  readonly retrainedAttacks?: TrialRecord['attacks'];
  /** Share of weights that the optimizer clipped, at the steps of the path (mean since the point before); second order alone. */
  readonly clipped?: readonly { readonly step: number; readonly share: number; readonly outsideEmbeddings?: number }[];
  /** Share of the weights whose value differs from the start's. */
  readonly moved: number;
  /** Euclidean distance of the weights to the start's. */
  readonly distance: number;
  readonly cost: {
    /** Of the descent with its estimates, without evaluations. */
    readonly seconds: number;
    /** Of all threads, likewise. */
    readonly processorSeconds: number;
    /** Share of `seconds` spent on curvature estimates. */
    readonly estimateShare: number;
    /** Peak resident memory of the descent, in bytes. */
    readonly peakMemory: number;
    /** Of everything, loading and evaluations too. */
    readonly wholeSeconds: number;
  };
  /** Answers before and after, where text is allowed: of invented authors alone, or with the study's `texts`. */
  readonly texts?: readonly {
    readonly set: 'forget' | 'retain';
    readonly question: string;
    readonly answer: string;
    readonly before: string;
    readonly after: string;
  }[];
  /** Version of the package, engine, processor, threads, and when it ended. */
  readonly made: Readonly<Record<string, string | number>>;
}
