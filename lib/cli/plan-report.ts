/**
 * What `soul plan` says: the memory of a run as it is asked for, beside that of other ways to hold its model.
 *
 * @module
 */

import type { BatchShape } from '../model/contract.ts';
import type { DecoderConfig } from '../model/decoder-config.ts';
import { parameterLayout } from '../model/decoder-weights.ts';
import type { Precision } from '../optim/precision.ts';
import type { MemoryPlan } from '../run/memory-plan.ts';
import { averagesOf, type OptimizerName, optimizerNames } from '../run/optimizer-choice.ts';
import { memory, table } from './terminal.ts';

/** How a model and its optimizer may be held. */
export interface Variant {
  readonly dtype: 'f32' | 'bf16';
  readonly checkpointActivations: boolean;
  readonly precision: Precision;
}

export type PlannedVariant = Variant & { readonly plan: MemoryPlan };

export interface PlanReport {
  readonly config: DecoderConfig;
  readonly folder: string;
  readonly batch: BatchShape;
  /** The run as it is asked for, which is one of `variants`. */
  readonly asked: PlannedVariant;
  /** From what takes most to what takes least. */
  readonly variants: readonly PlannedVariant[];
  /** Bytes that there are; undefined where nobody says. */
  readonly available: number | undefined;
  /** Of a run with adapters: that of a run like it on all weights, and the share of its products with matrices that a step of this one takes. */
  readonly fullTraining?: { readonly plan: MemoryPlan; readonly products: number };
  /** Bytes of the model and of a checkpoint, and how many of those may lie there at a time. */
  readonly disk: { readonly model: number; readonly checkpoint: number; readonly checkpoints: number };
}

/** The ways that are shown, and the one that is asked for where it is none of them. */
export function variantsFor(asked: Variant): Variant[] {
  const held = [
    { dtype: 'f32', precision: {} },
    { dtype: 'f32', precision: { states: 'bf16' } },
    { dtype: 'bf16', precision: {} },
    { dtype: 'bf16', precision: { states: 'bf16', master: 'none' } },
  ] as const;
  const all: Variant[] = held.flatMap((each) =>
    [false, true].map((checkpointActivations) => ({ ...each, checkpointActivations })),
  );
  return all
    .map((each) => (isSame(each, asked) ? asked : each))
    .concat(all.some((each) => isSame(each, asked)) ? [] : asked);
}

function isSame(one: Variant, other: Variant): boolean {
  return columnsOf(one).every((column, i) => column === columnsOf(other)[i]);
}

/** --dtype, --states, --master, checkpointing. */
function columnsOf({ dtype, precision: { states = 'f32', master }, checkpointActivations }: Variant) {
  return [dtype, states, master ?? (dtype === 'bf16' ? 'f32' : 'none'), checkpointActivations ? 'yes' : 'no'] as const;
}

export function planResult(report: PlanReport): object {
  const { config, folder, batch, asked, variants, available, disk, fullTraining } = report;
  const fitting = ({ total }: MemoryPlan) => (available === undefined ? {} : { available, fits: total <= available });
  return {
    model: {
      folder,
      modelType: config.modelType,
      layers: config.layers,
      parameters: parameterLayout(config).parameterCount,
    },
    batch: shown(batch),
    device: asked.plan.device,
    dtype: asked.dtype,
    checkpointActivations: asked.checkpointActivations,
    parts: asked.plan.parts,
    total: asked.plan.total,
    ...fitting(asked.plan),
    disk,
    ...(fullTraining
      ? {
          besideFullTraining: {
            total: fullTraining.plan.total,
            memory: asked.plan.total / fullTraining.plan.total,
            products: fullTraining.products,
          },
        }
      : {}),
    variants: variants.map((variant) => {
      const [dtype, states, master] = columnsOf(variant);
      const { checkpointActivations, plan } = variant;
      return {
        dtype,
        checkpointActivations,
        states,
        master,
        total: plan.total,
        asked: variant === asked,
        ...fitting(plan),
      };
    }),
  };
}

export function planText(report: PlanReport): string {
  const { config, batch, asked, variants, available, disk } = report;
  const { plan } = asked;
  const millions = (parameterLayout(config).parameterCount / 1e6).toFixed(1);
  const { sequences, rows, labels, longest } = shown(batch);
  const fits = (total: number) => (available === undefined ? '?' : total <= available ? 'yes' : 'no');
  return [
    `model: ${config.modelType}, ${millions} million weights, ${config.layers} layers`,
    `largest part of a batch: ${sequences} ${sequences === 1 ? 'sequence' : 'sequences'}, ${rows} tokens read, ${labels} predicted, ${longest} in the longest`,
    '',
    table(
      ['part', 'memory'],
      [...plan.parts.map(({ name, bytes }) => [name, memory(bytes)]), ['total', memory(plan.total)]],
    ),
    ...(available === undefined
      ? []
      : [
          '',
          `${plan.device} has ${memory(available)} for it: it ${plan.total <= available ? 'fits' : 'does NOT fit'}`,
        ]),
    '',
    table(
      ['--dtype', '--states', '--master', 'checkpointing', 'total', 'fits', ''],
      variants.map((variant) => [
        ...columnsOf(variant),
        memory(variant.plan.total),
        fits(variant.plan.total),
        variant === asked ? '<- asked for' : '',
      ]),
    ),
    '',
    ...adviceOn(report),
    ...besideFullTraining(report),
    `On the disk the model takes ${memory(disk.model)}${
      disk.checkpoints === 0
        ? ''
        : `, and while the run goes on up to ${disk.checkpoints} checkpoints of about ${memory(disk.checkpoint)} each`
    }.`,
    `${averagesText()} docs/memory.md says how each part is computed.`,
  ].join('\n');
}

function besideFullTraining({ asked, fullTraining }: PlanReport): string[] {
  if (fullTraining === undefined) return [];
  const { plan, products } = fullTraining;
  return [
    `The same run on all weights takes ${memory(plan.total)}: with adapters it is ${(asked.plan.total / plan.total).toFixed(2)} of the memory, and ${products.toFixed(2)} of the products with matrices in a step, which is most of its time.`,
  ];
}

/** What to do where no way to hold the model fits: which comes nearest, what it lacks, and of what. */
function adviceOn({ variants, available }: PlanReport): string[] {
  const least = variants.toSorted((a, b) => a.plan.total - b.plan.total)[0]!;
  const { plan } = least;
  if (available === undefined || plan.total <= available) return [];
  const [dtype, states, master] = columnsOf(least);
  const options = [
    ...[`--dtype ${dtype}`, `--states ${states}`, ...(dtype === 'bf16' ? [`--master ${master}`] : [])],
    ...(least.checkpointActivations ? ['--checkpoint-activations'] : []),
  ];
  const perBatch = plan.parts
    .filter(({ name }) => name === 'activations' || name.startsWith('work'))
    .reduce((sum, { bytes }) => sum + bytes, 0);
  const lacking = plan.total - available;
  return [
    `Nothing of it fits. ${options.join(' ')} comes nearest and lacks ${memory(lacking)}. ${
      lacking < perBatch
        ? `${memory(perBatch)} of it are for the tokens of a batch: take fewer at a time (--batch-tokens, --micro-batch-size).`
        : `What it takes for any batch, ${memory(plan.total - perBatch)}, is too much: it takes a smaller model, or a machine with more memory.`
    }`,
    '',
  ];
}

function shown({ rows, labels, lengths }: BatchShape) {
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  return { sequences: lengths.length, rows, labels, longest };
}

/** Which optimizers keep how many moving averages. */
function averagesText(): string {
  const names = Object.keys(optimizerNames) as OptimizerName[];
  const keeping = (count: number) => names.filter((name) => averagesOf(name) === count).join(', ');
  const counts = [...new Set(names.map(averagesOf))].sort();
  return `Moving averages of the optimizers: ${counts.map((count) => `${count} of ${keeping(count)}`).join('; ')}.`;
}
