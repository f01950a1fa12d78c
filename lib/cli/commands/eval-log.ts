/**
 * `soul eval --log`: figures of an evaluation that was written before, by this command or by others.
 *
 * @module
 */

import { withoutUndefined } from '../../core/optional.ts';
import { type LogFigures, measureLog } from '../../eval/figures/measure-log.ts';
import type { ProfileName } from '../../eval/profiles.ts';
import type { EvaluationLog } from '../../eval/tofu/log.ts';
import { readEvaluationLog } from '../../eval/tofu/read-log.ts';
import { figuresResult, figuresText } from '../figures-table.ts';
import type { CommandResult } from '../terminal.ts';

/** How figures are computed from a log. */
export interface FigureOptions {
  profile?: ProfileName;
  truthRatioMean?: 'geometric' | 'arithmetic';
  retainLog?: string;
  originalLog?: string;
}

export async function evalLog(options: FigureOptions & { log: string }): Promise<CommandResult> {
  const { log: file, retainLog, originalLog } = options;
  const figures = await figuresOf(await readEvaluationLog(file), options);
  return {
    result: { log: file, ...withoutUndefined({ retainLog, originalLog }), ...figuresResult(figures) },
    text: figuresText(figures),
  };
}

/** The figures of a log that was read or made. */
export async function figuresOf(log: EvaluationLog, options: FigureOptions): Promise<LogFigures> {
  const { profile, truthRatioMean, retainLog, originalLog } = options;
  const reference = retainLog === undefined ? undefined : await readEvaluationLog(retainLog);
  const original = originalLog === undefined ? undefined : await readEvaluationLog(originalLog);
  return measureLog(log, withoutUndefined({ profile, truthRatioMean, reference, original }));
}
