import { nativeAddon } from '../../lib/core/addon.ts';

const machine = nativeAddon().machine();

/** Every instruction set of this processor, and 1 to 8 threads. */
const configurations = [
  ...machine.instructionSets.map((instructionSet) => ({ instructionSet, threads: 1 })),
  ...[2, 3, 4, 5, 6, 7, 8].map((threads) => ({ instructionSet: machine.instructionSet, threads })),
];

/** What `run` gives under every configuration, by its name; the one in use before is restored. */
export async function underEveryConfiguration<Result>(run: () => Promise<Result>): Promise<Map<string, Result>> {
  const results = new Map<string, Result>();
  try {
    for (const configuration of configurations) {
      await nativeAddon().configure(configuration);
      results.set(`${configuration.instructionSet}, ${configuration.threads} threads`, await run());
    }
  } finally {
    await nativeAddon().configure({ instructionSet: machine.instructionSet, threads: machine.threads });
  }
  return results;
}
