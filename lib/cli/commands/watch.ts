/**
 * `soul watch`: the page of `soul report`, while a study or a run goes on.
 *
 * @module
 */

import { Command } from 'commander';
import { toJson } from '../../core/json.ts';
import { integer, path } from '../arguments.ts';
import { cancelOnSignals } from '../interrupt.ts';
import type { OutputOptions } from '../terminal.ts';

interface WatchCommandOptions extends OutputOptions {
  port?: number;
}

export function watchCommand(): Command {
  return new Command('watch')
    .description(
      'Shows the page of soul report in a browser of this machine, and keeps it up to date while the study or run goes on. Ends with Ctrl-C.',
    )
    .argument('<folder>', 'of soul study, or the out folder of soul unlearn or soul train', (text: string) =>
      path(text),
    )
    .option(
      '--port <number>',
      'where it is served, on 127.0.0.1 alone (default: a port that is free)',
      integer({ high: 65535 }),
    )
    .option('--json', 'print the address as one JSON object instead of text')
    .addHelpText('after', '\nExample:\n  soul watch ./model-unlearned')
    .action(watch);
}

async function watch(folder: string, { port, json }: WatchCommandOptions): Promise<void> {
  const { WatchServer } = await import('../../report/watch/serve.ts');
  const ended = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await cancelOnSignals(
    async (signal) => {
      const server = await WatchServer.start(folder, port === undefined ? {} : { port });
      const { url } = server;
      process.stdout.write(json ? toJson({ folder, url, port: server.port }) : `${url}\nCtrl-C ends it.\n`);
      if (!signal.aborted) await ended(signal);
      await server.close();
    },
    () => {},
  );
}
