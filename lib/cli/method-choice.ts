/**
 * The method of a run, by the options that name it or by a configuration file.
 *
 * @module
 */

import { Option } from 'commander';
import { SoulError } from '../core/errors.ts';
import { withoutUndefined } from '../core/optional.ts';
import { recipes } from '../run/recipes/list.ts';
import { defaultMethod, type Recipe } from '../run/recipes/recipe.ts';
import type { RunSettings } from '../run/settings.ts';
import type { Algorithm } from '../unlearn/algorithm.ts';
import type { Method } from '../unlearn/method.ts';
import { type AlgorithmName, algorithm, algorithms, settingsFor } from '../unlearn/registry.ts';
import { number, oneOf, path } from './arguments.ts';
import { type Configuration, inFile } from './configuration.ts';
import { parseSettings, setOption } from './method-settings.ts';
import { choiceOption } from './options.ts';
import { loadAlgorithm } from './own-algorithm.ts';
import type { PlannedRun } from './perform-run.ts';
import { recipeOfRun } from './recipe-choice.ts';

/** Values of the options that say how a run forgets. */
export interface MethodOptions {
  config?: string;
  method?: AlgorithmName;
  objective?: AlgorithmName;
  algorithm?: string;
  set?: string[];
  forgetWeight?: number;
  retainWeight?: number;
  beta?: number;
  reduction?: 'sum' | 'mean';
}

/** All but fine-tuning, which forgets nothing. */
const names = algorithms.map(({ name }) => name as AlgorithmName).filter((name) => name !== 'finetune');

/**
 * What the options and the configuration file make of a run that forgets; where they leave it open, what a study recommends for the model.
 *
 * @param known recipes; default those of committed studies
 */
export async function unlearningRun(
  options: MethodOptions,
  configuration: Configuration,
  settings: Partial<RunSettings>,
  known: readonly Recipe[] = recipes,
): Promise<PlannedRun> {
  const { algorithmFile, ...file } = configuration.settings;
  const recipe = await recipeOfRun(options, configuration.settings, settings, known);
  if (recipe) {
    const { optimizerSettings, curvature, hessianData } = recipe.settings;
    const own = withoutUndefined({ ...settings, optimizer: undefined, curvature, hessianData });
    return {
      configuration: { ...configuration, settings: file },
      given: {
        ...recipe.settings,
        ...own,
        optimizerSettings: { ...optimizerSettings, ...withoutUndefined(settings.optimizerSettings ?? {}) },
      },
      isOwnMethod: true,
      notes: [recipe.note],
    };
  }
  const chosen = await chooseMethod(options, file.method as AlgorithmName | undefined, algorithmFile);
  const { beta, reduction, forgetWeight, retainWeight } = options;
  const shortcuts = { forgetCoefficient: forgetWeight, retainCoefficient: retainWeight, beta, reduction };
  const ofFile = chosen.isOwnMethod ? file.methodSettings : undefined;
  if (ofFile && 'run' in chosen.method) {
    const { method } = chosen;
    inFile(options.config, () => settingsFor(method, ofFile));
  }
  const methodSettings = parseSettings(chosen.method, options.set ?? [], withoutUndefined(shortcuts), ofFile);
  const given = withoutUndefined({
    ...settings,
    method: chosen.given,
    algorithmFile: chosen.file,
    methodSettings: Object.keys(methodSettings).length > 0 ? methodSettings : undefined,
  });
  return { configuration: { ...configuration, settings: file }, given, isOwnMethod: chosen.isOwnMethod };
}

/** How the run forgets. */
interface Choice {
  readonly method: Algorithm | Method;
  /** As a run's settings name it. */
  readonly given: RunSettings['method'];
  /** That it came from. */
  readonly file?: string;
  /** Whether settings of a method in the configuration file are this one's. */
  readonly isOwnMethod: boolean;
}

/** The method that the command line names, else the configuration file's, else npo. */
async function chooseMethod(
  options: MethodOptions,
  named: AlgorithmName | undefined,
  namedFile: string | undefined,
): Promise<Choice> {
  const given = options.method ?? options.objective;
  const file = options.algorithm ?? (given === undefined ? namedFile : undefined);
  if (file !== undefined) {
    const own = await loadAlgorithm(file);
    const isNamed = options.algorithm === undefined || named === undefined || named === own.name;
    return { method: own, given: own, file, isOwnMethod: 'run' in own && isNamed };
  }
  const name = given ?? named ?? defaultMethod;
  if (name === 'finetune') {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `${options.config ?? 'the run'} is for the method finetune, which forgets nothing; run it with: soul train ${options.config === undefined ? '--resume' : `--config ${options.config}`}`,
      { argument: 'method', file: options.config },
    );
  }
  const isOwnMethod = given === undefined || ((named ?? given) === given && namedFile === undefined);
  return { method: algorithm(name), given: name, isOwnMethod };
}

/** The options that say how a run forgets. */
export function methodOptions(): Option[] {
  return [
    new Option(
      '--method <name>',
      `how it forgets, one of ${names.join(', ')}; \`soul methods\` says more (default: npo, or what docs/study.md recommends for the size of the model where a study tried npo beside it)`,
    ).argParser(oneOf(names)),
    new Option('--objective <name>', 'the old name of --method').argParser(oneOf(names)).conflicts('method').hideHelp(),
    new Option(
      '--algorithm <file>',
      'a method of your own: a .ts or .js file that exports what defineMethod or defineAlgorithm of soul-unlearn/unlearn makes',
    )
      .argParser(path)
      .conflicts(['method', 'objective']),
    setOption(),
    new Option(
      '--forget-weight <number>',
      'factor of the loss on what to forget (default: 1, of some methods less)',
    ).argParser(number()),
    new Option(
      '--retain-weight <number>',
      'factor of the loss on what to keep (default: 5, of some methods 1)',
    ).argParser(number()),
    new Option('--beta <number>', 'short for --set beta=<number>').argParser(number({ lowExclusive: true })),
    choiceOption('--reduction <kind>', 'short for --set reduction=<kind>', ['sum', 'mean']),
  ];
}
