// Compiles a small program that uses the installed package's types, with the checking of libraries on.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath } from 'node:process';

/** The oldest TypeScript that the types compile with; the README says it, too. */
export const oldestTypeScript = '5.2';

const program = `
import { AdamW, dot, estimateHessian, FlatBuffer, SoulError, Sophia, type SophiaOptions, type StepStatistics } from 'soul-unlearn';
import { attackModel, quantizationFormats } from 'soul-unlearn/attack';
import { encodeExamples, PromptTemplate, readExamples } from 'soul-unlearn/data';
import { evaluate } from 'soul-unlearn/eval';
import { type DifferentiableLM, HuggingFaceTokenizer, TokenBatch } from 'soul-unlearn/model';
import { type WrittenReport, writeReport } from 'soul-unlearn/report';
import { listRuns, runEvents, runTraining, type RunSettings } from 'soul-unlearn/run';
import { runDemo } from 'soul-unlearn/study';
import { type LoadOptions, TorchLM } from 'soul-unlearn/torch';
import {
  crossEntropy,
  defineAlgorithm,
  defineMethod,
  type GradientRule,
  innerMethod,
  Lab,
  method,
  numberSetting,
  type Objective,
  retainSet,
  targetSet,
  type Term,
  train,
} from 'soul-unlearn/unlearn';
import { fromPointer } from 'soul-unlearn/unsafe';

const options: SophiaOptions = { learningRate: 1e-4, rho: { clippedFraction: 0.1 } };
const values: FlatBuffer<'f32'> = FlatBuffer.from(new Float32Array(3));
const gradients = FlatBuffer.alloc(3);
export const optimizers = [new Sophia({ values, gradients }, options), new AdamW({ values, gradients })];
export const array: Float32Array = values.array;
export async function step(sophia: Sophia): Promise<StepStatistics> {
  await estimateHessian(sophia, { gradient: (part) => part + 1 });
  return sophia.step({ zeroGradients: true });
}
export const objective: Objective = ({ values: losses }) => ({ loss: losses[0] ?? 0, weights: losses });
export async function forget(folder: string, loading: LoadOptions): Promise<void> {
  const { model, tokenizer } = await TorchLM.loadWithTokenizer(folder, loading);
  const target = encodeExamples(tokenizer, (await readExamples('forget.jsonl')).items).encoded;
  const optimizer = new Sophia(model.parameters, options);
  const terms: Term[] = [
    { name: 'forget', source: targetSet, objective },
    { name: 'retain', source: retainSet, objective: crossEntropy, coefficient: 5 },
  ];
  await train({ model, optimizer, method: { name: 'own', terms }, target, retain: target });
  await train({ model, optimizer, method: method('npo', { beta: 0.2, retainLoss: 'ce' }), target, retain: target });
  await evaluate(model, tokenizer, []);
  await model.save('out', { overwrite: true });
}
export const even: GradientRule = { name: 'even', combine: (products) => products.map(() => 0.5) };
const learningRates = { adamw: 1e-5, sophia: 1e-5, 'soul-repo': 1e-5 };
const told = { summary: 's', paper: 'p', formula: 'f', promises: { property: 'none' }, learningRates };
export const own = defineMethod({
  ...told,
  name: 'own',
  settings: { factor: numberSetting('a factor', 1) },
  terms: ({ factor }) => [{ name: 'forget', source: targetSet, objective, coefficient: factor }],
  rule: () => even,
});
export const twice = defineAlgorithm({
  ...told,
  name: 'twice',
  settings: {},
  needs: () => ['retain'],
  async *run(lab) {
    yield* lab.descend(innerMethod('npo'));
    return yield* lab.descend(innerMethod('simnpo'), { epochs: 1 });
  },
});
export const score = (model: DifferentiableLM) => model.score(TokenBatch.of([{ tokens: [1, 2], labelsFrom: 1 }]));
export const report = (folder: string): Promise<WrittenReport> => writeReport(folder, { out: 'report.html' });
export const run = (settings: RunSettings) => runTraining(settings, (folder) => TorchLM.load(folder));
export async function watched(settings: RunSettings): Promise<string | undefined> {
  for await (const event of runEvents(settings, (folder) => TorchLM.load(folder))) {
    if (event.kind === 'step' && (event.losses.retain ?? 0) > 1) return undefined;
    if (event.kind === 'result') return event.result.out;
  }
  return (await listRuns('.'))[0]?.folder;
}
export async function disposed(folder: string): Promise<number> {
  await using model = await TorchLM.load(folder);
  await using optimizer = new AdamW(model.parameters);
  await using lab = new Lab({ model, sets: { target: [] }, optimizer: () => optimizer });
  await using copy = await lab.snapshot();
  return copy.length;
}
export const rest = [attackModel, quantizationFormats, dot, fromPointer, runDemo, PromptTemplate.plain.text, HuggingFaceTokenizer.load];
export const isTyped = (error: unknown): boolean => error instanceof SoulError && error.code === 'SOUL_BUSY';
`;

/** Every way in which a project may ask for the types. */
const configurations = ['nodenext', 'bundler'].flatMap((resolution) =>
  [true, false].map((exactOptionalPropertyTypes) => ({
    module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
    moduleResolution: resolution,
    exactOptionalPropertyTypes,
    noUncheckedIndexedAccess: exactOptionalPropertyTypes,
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2022',
    lib: ['es2023'],
    types: ['node'],
  })),
);

/**
 * @param project where the package is installed, with @types/node
 * @param typescript the folder of a TypeScript
 * @returns what the compiler said, one entry for each configuration that fails
 */
export function problemsOfTypes(project, typescript) {
  writeFileSync(join(project, 'consumer.mts'), program);
  return configurations.flatMap((compilerOptions) => {
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.mts'] }));
    const words = [join(typescript, 'bin', 'tsc'), '-p', project];
    const { status, stdout } = spawnSync(execPath, words, { encoding: 'utf8' });
    return status === 0 ? [] : [`${JSON.stringify(compilerOptions)}\n${stdout}`];
  });
}
