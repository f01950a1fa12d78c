/**
 * Ctrl-C: the first asks the work to end after its present step, the second ends the process.
 *
 * @module
 */

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Gives Ctrl-C back its usual meaning. */
  dispose(): void;
}

export function cancelOnInterrupt(): Interrupt {
  const controller = new AbortController();
  const onInterrupt = () => {
    process.stderr.write('\ninterrupted: ending after the present step; press Ctrl-C again to stop at once\n');
    process.removeListener('SIGINT', onInterrupt);
    controller.abort();
  };
  process.on('SIGINT', onInterrupt);
  return { signal: controller.signal, dispose: () => void process.removeListener('SIGINT', onInterrupt) };
}
