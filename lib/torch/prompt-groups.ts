/**
 * Which prompts are continued together, and how far, within the memory for keys and values.
 *
 * The engine's cache grows as answers do, but each row of it is as long as the longest. Were groups sized for `maxNewTokens`, a
 * large one would leave every prompt alone, though most answers end long before; were they sized by a guess alone, long answers
 * would take any amount of memory. So a group is filled by a guess and runs as far as the memory goes. What has not ended by then
 * goes on in smaller groups, its tokens so far run once more as a prompt, which costs little beside making them one by one. The
 * guess is never less than what a sequence has already, so that this happens a few times at most.
 *
 * @module
 */

/** Bytes that the keys and values of several prompts may take together; one by itself takes what it needs. */
const defaultMemory = 2 ** 28;

/** New tokens for which a group has room at least, unless there cannot be so many; answers are seldom longer. */
const likelyLength = 256;

export interface CacheBounds {
  /** Bytes that the keys and values of one token take. */
  readonly bytesPerToken: number;
  /** Longest sequence, in tokens. */
  readonly maxPositions: number;
  /** Bytes that the cache of several prompts may take; 256 MiB by default. */
  readonly memory?: number;
}

export interface PromptGroup {
  readonly tokens: Int32Array;
  readonly offsets: Uint32Array;
  /** Which prompts of the call these are. */
  readonly indexes: readonly number[];
  /** New tokens of each prompt for which there is room. */
  readonly maxNewTokens: number;
}

interface Sequence {
  /** Its prompt's place in the call. */
  readonly index: number;
  /** The prompt and what has been generated. */
  readonly tokens: readonly number[];
}

/**
 * Continues prompts group by group.
 *
 * @param generate gives the new tokens of each prompt of a group: fewer than the group's `maxNewTokens` where the prompt has ended;
 *   `finished` is the number of prompts that have
 * @returns the new tokens of each prompt
 */
export async function generateInGroups(
  prompts: readonly (readonly number[])[],
  maxNewTokens: number,
  bounds: CacheBounds,
  generate: (group: PromptGroup, finished: number) => Promise<readonly ArrayLike<number>[]>,
): Promise<number[][]> {
  const results = prompts.map((): number[] => []);
  let finished = 0;
  const run = async (sequences: readonly Sequence[], most: number): Promise<void> => {
    for (const { group, room } of divide(sequences, most, bounds)) {
      const generated = await generate(pack(group, room), finished);
      const going: Sequence[] = [];
      for (const [i, { index, tokens }] of group.entries()) {
        const added = Array.from(generated[i]!);
        results[index] = results[index]!.concat(added);
        const length = tokens.length + added.length;
        if (added.length === room && room < most && length < bounds.maxPositions) {
          going.push({ index, tokens: tokens.concat(added) });
        }
      }
      finished += group.length - going.length;
      await run(going, most - room);
    }
  };
  // Copied, since later groups begin when the caller may have changed them.
  await run(
    prompts.map((tokens, index) => ({ index, tokens: [...tokens] })),
    maxNewTokens,
  );
  return results;
}

/** Sequences that go on together, in their order, each with room for so many new tokens, `most` at most. */
function divide(
  sequences: readonly Sequence[],
  most: number,
  { bytesPerToken, maxPositions, memory = defaultMemory }: CacheBounds,
): { group: readonly Sequence[]; room: number }[] {
  /** Positions of each of so many sequences that the memory holds. */
  const held = (count: number) => Math.floor(memory / (count * bytesPerToken));
  const groups: { group: Sequence[]; longest: number }[] = [];
  for (const sequence of sequences) {
    const last = groups.at(-1);
    const longest = Math.max(last?.longest ?? 0, sequence.tokens.length);
    const likely = longest + Math.min(most, Math.max(likelyLength, longest));
    if (last && Math.min(likely, maxPositions) <= held(last.group.length + 1)) {
      last.group.push(sequence);
      last.longest = longest;
    } else {
      groups.push({ group: [sequence], longest: sequence.tokens.length });
    }
  }
  return groups.map(({ group, longest }) => {
    const fits = group.length === 1 || Math.min(longest + most, maxPositions) <= held(group.length);
    return { group, room: fits ? most : held(group.length) - longest };
  });
}

function pack(sequences: readonly Sequence[], maxNewTokens: number): PromptGroup {
  const offsets = new Uint32Array(sequences.length + 1);
  for (const [i, { tokens }] of sequences.entries()) offsets[i + 1] = offsets[i]! + tokens.length;
  return {
    tokens: Int32Array.from(sequences.flatMap(({ tokens }) => tokens)),
    offsets,
    indexes: sequences.map(({ index }) => index),
    maxNewTokens,
  };
}
