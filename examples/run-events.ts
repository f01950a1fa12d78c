/**
 * A whole run as events: one that is followed step by step, and given up where what is to stay begins to suffer.
 *
 * Run it with: npx tsx examples/run-events.ts MODEL FORGET.jsonl RETAIN.jsonl OUT
 *
 * @module
 */

import { pathToFileURL } from 'node:url';
import { type ModelLoader, type RunResult, type RunSettings, runEvents } from '../lib/run/index.ts';
import { TorchLM } from '../lib/torch/index.ts';

/**
 * Runs, and leaves the loop as soon as the loss on the retain set has risen by more than `mostAdded` nats since the first step.
 *
 * @returns undefined where the run was given up: it has ended by then, and its folder does not appear
 */
export async function forgetWhileKept(
  settings: RunSettings,
  loadModel: ModelLoader,
  mostAdded: number,
): Promise<RunResult | undefined> {
  let first: number | undefined;
  for await (const event of runEvents(settings, loadModel)) {
    switch (event.kind) {
      case 'phase':
        console.log(event.phase);
        break;
      case 'note':
        console.log(`note: ${event.text}`);
        break;
      case 'step': {
        const { retain = 0 } = event.losses;
        first ??= retain;
        console.log(`step ${event.step} of ${event.steps}: ${JSON.stringify(event.losses)}`);
        if (retain > first + mostAdded) return undefined;
        break;
      }
      case 'result':
        return event.result;
    }
  }
  return undefined;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [model = '', target = '', retain = '', out = ''] = process.argv.slice(2);
  const settings: RunSettings = { model, target, retain, out, method: 'npo', optimizer: 'sophia' };
  const result = await forgetWhileKept(settings, (folder, options) => TorchLM.load(folder, options), 0.5);
  console.log(result?.verdict?.sentence ?? 'given up: too much was lost');
  if (result) {
    // Its memory is given back at the end of the block.
    await using made = await TorchLM.load(result.out);
    console.log(`${made.parameters.layout.parameterCount} weights`);
  }
}
