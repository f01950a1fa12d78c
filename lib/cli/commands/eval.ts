/**
 * `soul eval`: how well a model knows the answers of a file.
 *
 * @module
 */

import { Command } from 'commander';
import { replaceFile } from '../../core/files.ts';
import { PromptTemplate } from '../../data/prompt-template.ts';
import { readExamples } from '../../data/read-examples.ts';
import { evaluate } from '../../eval/evaluate.ts';
import { HuggingFaceTokenizer } from '../../model/tokenizer.ts';
import { integerAtLeast } from '../arguments.ts';
import { cancelOnInterrupt } from '../interrupt.ts';
import { addModelOptions, decideLoading, deviceLine, type ModelOptions } from '../model-options.ts';
import { progressOn } from '../progress.ts';
import { duration, type OutputOptions, printResult, table } from '../terminal.ts';

interface EvalOptions extends ModelOptions, OutputOptions {
  model: string;
  data: string;
  limit?: number;
  generate: boolean;
  maxNewTokens: number;
  batchSize: number;
  template?: string;
  maxLength: number;
  items?: string;
}

export function evalCommand(): Command {
  return addModelOptions(
    new Command('eval').description(
      'Measures the probability of the answers of a file and ROUGE-L of what the model generates.',
    ),
  )
    .requiredOption('--data <file>', 'JSON lines: question and answer, or prompt and completion')
    .option('--limit <number>', 'only the first examples', integerAtLeast(1))
    .option('--no-generate', 'probability only, no generation and no ROUGE-L')
    .option('--max-new-tokens <number>', 'longest generated answer', integerAtLeast(1), 200)
    .option('--batch-size <number>', 'examples at a time', integerAtLeast(1), 16)
    .option(
      '--template <text>',
      'how question and answer become text (default: "Question: {question}\\nAnswer: {answer}")',
    )
    .option(
      '--max-length <tokens>',
      "longest sequence, or the model's limit where that is smaller",
      integerAtLeast(2),
      512,
    )
    .option('--items <file>', 'write each example with its figures as JSON lines')
    .option('--json', 'print the result as JSON on stdout')
    .option('--quiet', 'no progress')
    .action(async (options: EvalOptions) => {
      const { load, shown, ...choice } = decideLoading(options);
      const data = await readExamples(options.data);
      const examples = options.limit === undefined ? data.items : data.items.slice(0, options.limit);
      const tokenizer = await HuggingFaceTokenizer.load(options.model);
      const progress = progressOn('evaluating', { quiet: options.quiet ?? false });
      progress.log(deviceLine(choice));
      const model = await load(options.model);
      const interrupt = cancelOnInterrupt();
      const begun = performance.now();
      try {
        const result = await evaluate(model, tokenizer, examples, {
          batchSize: options.batchSize,
          maxNewTokens: options.maxNewTokens,
          generate: options.generate,
          maximumLength: Math.min(options.maxLength, model.maximumLength),
          ...(options.template === undefined
            ? {}
            : { template: PromptTemplate.parse(options.template.replaceAll('\\n', '\n')) }),
          signal: interrupt.signal,
          onProgress: ({ phase, done, total }) => {
            progress.update(done, total, phase);
            if (done === total) progress.end();
          },
        });
        progress.end();
        const { items, ...figures } = result;
        const seconds = (performance.now() - begun) / 1000;
        const rows = [
          ['examples', String(figures.examples)],
          ['probability', figures.probability.toFixed(4)],
          ['negative log-likelihood, nats a token', figures.meanNegativeLogLikelihood.toFixed(4)],
          ...(figures.rougeLRecall === undefined ? [] : [['ROUGE-L recall', figures.rougeLRecall.toFixed(4)]]),
        ];
        printResult(
          options,
          {
            model: options.model,
            ...shown,
            data: { file: options.data, sha256: data.sha256 },
            ...figures,
            seconds,
          },
          `${table(['figure', 'value'], rows)}\n\nin ${duration(seconds)}`,
        );
        if (options.items) await replaceFile(options.items, items.map((item) => `${JSON.stringify(item)}\n`).join(''));
      } finally {
        progress.end();
        interrupt.dispose();
        model.release();
      }
    });
}
