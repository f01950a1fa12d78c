/**
 * Evaluation logs, ours and other projects', and the figures that are computed from them.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { figuresResult, figuresText } from '../../../lib/cli/figures-table.ts';
import { measureLog, readEvaluationLog } from '../../../lib/eval/index.ts';
import { hostileJson } from '../json-mutations.ts';
import { type HostileKind, holds } from '../property.ts';

const foreign = {
  avg_gt_loss: { 0: 0.5, 1: 1 },
  gt_loss: { 0: 2, 1: 3 },
  num_token_gt: { 0: 4, 1: 3 },
  generated_text: { 0: ['q', 'g', 'a'], 1: ['q1', 'g1', 'a1'] },
  rouge1_recall: { 0: 1, 1: 0.5 },
  rougeL_recall: { 0: 1, 1: 0.25 },
  average_perturb_loss: { 0: [1, 2], 1: [3, 1] },
  avg_paraphrased_loss: { 0: 1, 1: 2.5 },
};

const own = {
  ...foreign,
  gt_token_log_probability: [
    [-1, -0.5],
    [-2, -1],
  ],
  gt_token_is_argmax: [
    [1, 0],
    [1, 1],
  ],
  gt_token_mean: [
    [-1, -2],
    [-1, -1],
  ],
  gt_token_variance: [
    [1, 2],
    [0, 3],
  ],
  recorded: { profile: 'tofu', template: '{question}' },
};

const sections = (section: object) => ({
  'eval_log_forget.json': section,
  'eval_log.json': section,
  'eval_real_author_wo_options.json': section,
  'eval_real_world_wo_options.json': section,
});

const bases = [sections(foreign), sections(own), { ...sections(own), 'eval_log_holdout.json': own }];

export const evaluationLogs: HostileKind = {
  name: 'evaluation-logs',
  async prepare(folder) {
    const path = join(folder, 'log.json');
    return async (draw) => {
      writeFileSync(path, hostileJson(structuredClone(draw.of(bases)), draw));
      const log = await readEvaluationLog(path);
      const measured = measureLog(log, { resamples: 3, ...(draw.once(2) ? { reference: log } : {}) });
      figuresText(measured);
      figuresResult(measured);
      const wrong = measured.figures.find(({ value, why }) => (value === undefined) === (why === undefined));
      holds(wrong === undefined, `the figure ${wrong?.metric} has neither a value nor a reason, or both`);
      const all = measured.figures.every(({ value = 0 }) => !Number.isNaN(value));
      holds(all, 'a figure is NaN');
    };
  },
};
