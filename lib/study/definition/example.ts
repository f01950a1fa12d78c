/**
 * The study that `soul study --example` prints: one that runs as it stands, with what else there is as comments.
 *
 * @module
 */

import { studyOptimizers } from '../optimizers/list.ts';

const taken = ['adamw', 'sign', 'gnb-10', 'constant-h'];

/** A study's file as YAML. Lines that begin with `#` and two spaces become entries without the `#`. */
export function exampleStudy(): string {
  const others = studyOptimizers.map(({ name }) => name).filter((name) => !taken.includes(name));
  const entries = (names: readonly string[], before: string) =>
    names.map((name) => {
      const { text } = studyOptimizers.find((each) => each.name === name)!;
      return `${before}  - ${name.padEnd(12)}${before === '' ? ' ' : ''}# ${text}`;
    });
  return `# A study: every method with every optimizer on every split of every model, each cell with the same number of trials on the same
# draws. Nothing but the four lists is needed; numbers below are what is taken where nothing is said. Paths are relative to this
# file. Names are letters, digits, - and _.

title: Does second order help a model forget?
seed: 0

# The demo's model, which is trained from nothing on invented authors in minutes; folders of models that know what is to be forgotten
# (retrained: trained on the retain set alone; without one nothing is measured at equal forgetting); or one that is first trained.
models:
  - name: demo
    made: demo
#  - name: tuned
#    model: ../models/tuned
#    retrained: ../models/retrained
#  - name: smollm2
#    base: ../models/SmolLM2-135M-Instruct
#    training: { epochs: 5, batchSize: 8 }

# What is to be forgotten, and what is to be kept: the demo's authors (with the demo's model alone), or files as soul unlearn takes
# them. utility: sets that no step uses, measured at the end. tofu: folder of TOFU's evaluation sets, for evaluation.tofu.
splits:
  - name: invented
    made: demo
#  - name: authors
#    forget: authors.jsonl
#    forgetFilter: author=Ada
#    retain: [authors.jsonl, more.jsonl]
#    retainFilter: author!=Ada
#    utility: { facts: world_facts.jsonl }
#    tofu: ../tofu
#    tofuSplit: forget10

# Any of soul methods that takes steps.
methods:
  - graddiff
#  - { name: npo, settings: { beta: 0.2 } }

# By name, or of your own: an optimizer of soul unlearn with settings; searches: [clippedFraction] has that searched, too.
optimizers:
${entries(taken, '').join('\n')}
${entries(others, '#').join('\n')}
#  - name: slow-h
#    text: Sophia with another decay rate of h
#    optimizer: sophia
#    settings: { betas: [0.965, 0.999], clippedFraction: 0.1 }
#    curvature: { every: 10 }
#    hessianData: both
#    searches: []
#    ratesOf: sophia       # whose default learning rate is searched around
#  - name: sharpness
#    optimizer: adamw
#    inside: sam           # an algorithm that the method runs inside

# Trials: settings that every cell tries for each draw. Draws: how often the batches are drawn anew, the same for all optimizers.
# Both may be raised later: what was done counts.
trials: 8
draws: 5

# What is searched, on a logarithmic scale: factors on the optimizer's default learning rate and on the method's retain coefficient,
# and shares of clipped weights.
search:
  learningRate: [0.25, 4]
  retainCoefficient: [0.5, 4]
  clippedFraction: [0.01, 0.5]

# How long a trial is: epochs or steps, and where neither is given as long as a run of soul unlearn.
training:
#  steps: 40
#  microBatchSize: 4
  batchSize: 8
  maximumLength: 512

# What is measured: points of the path, examples of each set (half of them choose, the others are reported; all of a set that has
# fewer), items of each of TOFU's sets (0: not asked), attacks at the end (relearn, nf4).
evaluation:
  points: 8
  forget: 40
  retain: 40
  utility: 40
  tofu: 0
  attacks: []

dtype: f32
# Of a trial; its last digits depend on it.
threads: 1
# Keep a few answers before and after in the records of trials, for the report. Of files it is false unless said: they hold what is to be
# forgotten. Of the demo's authors they are kept.
# texts: true
`;
}
