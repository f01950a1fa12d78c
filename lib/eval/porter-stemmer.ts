/**
 * The Porter stemmer, with the extensions of Python's NLTK that ROUGE figures are computed with.
 *
 * M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980), 130-137. NLTK departs from it for short words
 * (`dies`, `died`), for y after a consonant, for `alli`, `fulli` and `logi`, and with a list of irregular words.
 *
 * @module
 */

type Condition = (stem: string) => boolean;
/** A suffix, what takes its place, and what must hold for the rest. */
type Rule = readonly [suffix: string, replacement: string, condition?: Condition];

const irregular: ReadonlyMap<string, string> = new Map([
  ['skies', 'sky'],
  ['sky', 'sky'],
  ['dying', 'die'],
  ['lying', 'lie'],
  ['tying', 'tie'],
  ['news', 'news'],
  ['innings', 'inning'],
  ['inning', 'inning'],
  ['outings', 'outing'],
  ['outing', 'outing'],
  ['cannings', 'canning'],
  ['canning', 'canning'],
  ['howe', 'howe'],
  ['proceed', 'proceed'],
  ['exceed', 'exceed'],
  ['succeed', 'succeed'],
]);

/** The stem of a lower-case word; words of one or two letters are their own. */
export function porterStem(word: string): string {
  const known = irregular.get(word);
  if (known !== undefined) return known;
  if (word.length <= 2) return word;
  return withoutDoubleL(withoutFinalE(step4(step3(step2(finalY(pastAndParticiple(plural(word))))))));
}

/** For each letter whether it is a consonant: y is one at the start of a word and after a vowel. */
function consonants(word: string): boolean[] {
  const flags: boolean[] = [];
  for (let i = 0; i < word.length; i++) {
    flags.push(word[i] === 'y' ? i === 0 || !flags[i - 1]! : !'aeiou'.includes(word[i]!));
  }
  return flags;
}

/** Porter's m: how often a vowel is followed by a consonant. */
function measure(stem: string): number {
  const flags = consonants(stem);
  return flags.filter((consonant, i) => consonant && i > 0 && !flags[i - 1]!).length;
}

const isLong: Condition = (stem) => measure(stem) > 0;
const isLonger: Condition = (stem) => measure(stem) > 1;
const hasVowel: Condition = (stem) => consonants(stem).includes(false);

/** Porter's *d: a double consonant at the end. */
function endsInDouble(word: string): boolean {
  return word.length >= 2 && word.at(-1) === word.at(-2) && consonants(word).at(-1)!;
}

/** Porter's *o: consonant, vowel, consonant at the end, the last not w, x or y; also a word of vowel and consonant. */
function endsInShortSyllable(word: string): boolean {
  const flags = consonants(word);
  if (word.length === 2) return !flags[0]! && flags[1]!;
  return word.length > 2 && flags.at(-3)! && !flags.at(-2)! && flags.at(-1)! && !'wxy'.includes(word.at(-1)!);
}

/** The first rule whose suffix the word has decides, whether or not its condition holds. */
function apply(word: string, rules: readonly Rule[]): string {
  for (const [suffix, replacement, condition] of rules) {
    if (!word.endsWith(suffix)) continue;
    const stem = word.slice(0, word.length - suffix.length);
    return !condition || condition(stem) ? stem + replacement : word;
  }
  return word;
}

const pluralRules: readonly Rule[] = [
  ['sses', 'ss'],
  ['ies', 'i'],
  ['ss', 'ss'],
  ['s', ''],
];

function plural(word: string): string {
  return word.length === 4 && word.endsWith('ies') ? word.slice(0, -1) : apply(word, pluralRules);
}

function pastAndParticiple(word: string): string {
  if (word.endsWith('ied')) return word.slice(0, word.length === 4 ? -1 : -2);
  if (word.endsWith('eed')) return isLong(word.slice(0, -3)) ? word.slice(0, -1) : word;
  const suffix = ['ed', 'ing'].find((ending) => word.endsWith(ending) && hasVowel(word.slice(0, -ending.length)));
  if (!suffix) return word;
  const stem = word.slice(0, -suffix.length);
  if (['at', 'bl', 'iz'].some((ending) => stem.endsWith(ending))) return `${stem}e`;
  if (endsInDouble(stem)) return 'lsz'.includes(stem.at(-1)!) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsInShortSyllable(stem) ? `${stem}e` : stem;
}

function finalY(word: string): string {
  return apply(word, [['y', 'i', (stem) => stem.length > 1 && consonants(stem).at(-1)!]]);
}

const step2Rules: readonly Rule[] = [
  ['ational', 'ate', isLong],
  ['tional', 'tion', isLong],
  ['enci', 'ence', isLong],
  ['anci', 'ance', isLong],
  ['izer', 'ize', isLong],
  ['bli', 'ble', isLong],
  ['alli', 'al', isLong],
  ['entli', 'ent', isLong],
  ['eli', 'e', isLong],
  ['ousli', 'ous', isLong],
  ['ization', 'ize', isLong],
  ['ation', 'ate', isLong],
  ['ator', 'ate', isLong],
  ['alism', 'al', isLong],
  ['iveness', 'ive', isLong],
  ['fulness', 'ful', isLong],
  ['ousness', 'ous', isLong],
  ['aliti', 'al', isLong],
  ['iviti', 'ive', isLong],
  ['biliti', 'ble', isLong],
  ['fulli', 'ful', isLong],
];

function step2(word: string): string {
  if (word.endsWith('alli') && isLong(word.slice(0, -4))) return step2(word.slice(0, -2));
  // The l of -logi counts as part of the stem.
  if (word.endsWith('logi')) return isLong(word.slice(0, -3)) ? word.slice(0, -1) : word;
  return apply(word, step2Rules);
}

const step3Rules: readonly Rule[] = [
  ['icate', 'ic', isLong],
  ['ative', '', isLong],
  ['alize', 'al', isLong],
  ['iciti', 'ic', isLong],
  ['ical', 'ic', isLong],
  ['ful', '', isLong],
  ['ness', '', isLong],
];

function step3(word: string): string {
  return apply(word, step3Rules);
}

const step4Rules: readonly Rule[] = [
  ...['al', 'ance', 'ence', 'er', 'ic', 'able', 'ible', 'ant', 'ement', 'ment', 'ent'].map(
    (suffix): Rule => [suffix, '', isLonger],
  ),
  ['ion', '', (stem) => isLonger(stem) && 'st'.includes(stem.at(-1)!)],
  ...['ou', 'ism', 'ate', 'iti', 'ous', 'ive', 'ize'].map((suffix): Rule => [suffix, '', isLonger]),
];

function step4(word: string): string {
  return apply(word, step4Rules);
}

function withoutFinalE(word: string): string {
  const drops: Condition = (stem) => isLonger(stem) || (measure(stem) === 1 && !endsInShortSyllable(stem));
  return apply(word, [['e', '', drops]]);
}

function withoutDoubleL(word: string): string {
  return word.endsWith('ll') && isLonger(word.slice(0, -1)) ? word.slice(0, -1) : word;
}
