/**
 * The examples of a set that conditions choose, and those that they leave.
 *
 * @module
 */

import { describe, SoulError, shortName } from '../core/errors.ts';
import { closestName } from '../core/option-names.ts';
import { type Condition, isNamed, lineField, parseCondition, rangeOf, textFields } from './conditions.ts';
import type { Example } from './example.ts';
import type { ExampleSet, Filter } from './example-set.ts';

/** Values that an error lists, how long they may be, and among how many the nearest is looked for. */
const [mostListed, longestListed, mostCompared] = [5, 60, 1000];

/**
 * Parts a set by conditions that must all hold; of several `=` on one field one must. A field that a record does not have is equal to
 * nothing and matches nothing. Texts that differ in Unicode's composition alone are the same.
 *
 * @param argument what errors call the conditions
 * @throws SoulError SOUL_INVALID_ARGUMENT for what is no condition; SOUL_BAD_DATA for a field that no record has, with those that there
 *   are, and where nothing matches, with the commonest values of the field
 */
export function filterExamples(
  set: ExampleSet,
  given: readonly string[],
  argument = 'filter',
): { matching: ExampleSet; rest: ExampleSet } {
  const conditions = given.map((text) => parseCondition(argument, text));
  const named = conditions.find(isNamed);
  if (named !== undefined) {
    throw new SoulError(
      'SOUL_INVALID_ARGUMENT',
      `the condition on ${shortName(named.field)} has a keyed hash in place of its value, as records without texts have it; give the condition again (--forget-filter, --retain-filter)`,
      { argument },
    );
  }
  const { items } = set;
  const tests = conditions.map((condition) => testOf(condition, set));
  const isMatch = items.map((example) => holds(example, conditions, tests));
  const chosen = (which: boolean) => items.filter((_, i) => isMatch[i] === which);
  const matching = chosen(true);
  if (matching.length === 0) throw noMatch(set, conditions, tests);
  const filter: Filter = { conditions: given, of: items.length, matched: matching.length };
  const filters = set.filters ?? [];
  return {
    matching: { ...set, items: matching, filters: [...filters, filter] },
    rest: {
      ...set,
      file: `the rest of ${set.file}`,
      items: chosen(false),
      filters: [...filters, { ...filter, rest: true }],
    },
  };
}

/** What a filter did, in words. */
export function filterSentence({ file }: ExampleSet, { conditions, of, matched }: Filter): string {
  const parsed = conditions.map((text) => parseCondition('filter', text));
  return `${matched} of ${of} examples of ${file} match ${wordsOf(parsed)}`;
}

/** Conditions as they are joined: "author=A or author=B, and year=1943". */
function wordsOf(conditions: readonly Condition[]): string {
  const groups = new Map<string, string[]>();
  for (const { text, field, operator } of conditions) {
    const key = operator === '=' ? field : `${operator}${text}`;
    groups.set(key, [...(groups.get(key) ?? []), shortName(text)]);
  }
  return [...groups.values()].map((texts) => texts.join(' or ')).join(', and ');
}

type Test = (example: Example) => boolean;

function holds(example: Example, conditions: readonly Condition[], tests: readonly Test[]): boolean {
  return conditions.every(({ operator, field }, i) => {
    if (tests[i]!(example)) return true;
    return (
      operator === '=' &&
      conditions.some((other, j) => other.operator === '=' && other.field === field && tests[j]!(example))
    );
  });
}

function testOf(condition: Condition, set: ExampleSet): Test {
  const { field, operator } = condition;
  const negated = operator.startsWith('!');
  const isOwn = set.items.some((example) => fieldOf(example, field) !== undefined);
  if (!isOwn && field === lineField) {
    if (operator === '=' || operator === '!=') {
      const [first, last] = rangeOf(condition);
      return ({ source: { line } }) => (line >= first && line <= last) !== negated;
    }
    return ({ source: { line } }) => condition.fits(String(line)) !== negated;
  }
  if (!isOwn) throw noField(set, condition);
  return (example) => {
    const value = fieldOf(example, field);
    return (value !== undefined && condition.fits(value.normalize('NFC'))) !== negated;
  };
}

function fieldOf(example: Example, field: string): string | undefined {
  const { attributes = {} } = example;
  if (Object.hasOwn(attributes, field)) return attributes[field];
  const texts = textFields(example);
  return Object.hasOwn(texts, field) ? texts[field] : undefined;
}

function noField({ file, items }: ExampleSet, { field, text }: Condition): SoulError {
  const known = new Set<string>();
  for (const example of items) {
    for (const name of [...Object.keys(textFields(example)), ...Object.keys(example.attributes ?? {})]) known.add(name);
  }
  const names = [...known, lineField];
  const closest = closestName(field, names);
  const hint = closest === undefined ? 'there are' : `did you mean ${shortName(closest)}? There are`;
  const listed = names.slice(0, 20).map(shortName).join(', ');
  return new SoulError(
    'SOUL_BAD_DATA',
    `no example of ${file} has the field ${shortName(field)} of ${shortName(text)}; ${hint} ${listed}`,
    { file, field },
  );
}

function noMatch(set: ExampleSet, conditions: readonly Condition[], tests: readonly Test[]): SoulError {
  const { file, items } = set;
  const counts = tests.map((test) => items.filter(test).length);
  const each = conditions.map(({ text }, i) => `${shortName(text)} matches ${counts[i]}`).join(', ');
  const alone = conditions.length > 1 ? ` (by itself ${each})` : '';
  const hints = [
    ...conditions.filter((_, i) => counts[i] === 0).map((condition) => valuesHint(set, condition)),
    ...eitherHint(conditions),
  ];
  return new SoulError(
    'SOUL_BAD_DATA',
    [`none of ${items.length} examples of ${file} matches ${wordsOf(conditions)}${alone}`, ...hints].join('; '),
    {
      file,
      conditions: conditions.map(({ text }) => text),
    },
  );
}

/** Several `~` on one field must all hold, which is seldom what is meant where they do not. */
function eitherHint(conditions: readonly Condition[]): string[] {
  const patterns = conditions.filter(({ operator }) => operator === '~');
  return [...new Set(patterns.map(({ field }) => field))].flatMap((field) => {
    const own = patterns.filter((other) => other.field === field);
    if (own.length < 2) return [];
    const either = own.map(({ value }) => value).join('|');
    return [`all conditions must hold; one that holds for either is ${shortName(`${field}~${either}`)}`];
  });
}

/** The values that a field has, unless it is of what is learned. */
function valuesHint({ items }: ExampleSet, { field, operator, value }: Condition): string {
  if (items.some((example) => Object.hasOwn(textFields(example), field))) {
    return `values of ${field} are compared whole: ${field}~word looks for a word in them`;
  }
  const times = new Map<string, number>();
  for (const example of items) {
    const own = field === lineField ? undefined : example.attributes?.[field];
    if (own !== undefined) times.set(own, (times.get(own) ?? 0) + 1);
  }
  if (times.size === 0) {
    const lines = items.map(({ source }) => source.line);
    const [low, high] = lines.reduce(
      ([low, high], line) => [Math.min(low, line), Math.max(high, line)],
      [lines[0]!, 1],
    );
    return `lines are from ${low} to ${high}`;
  }
  const values = [...times].toSorted(([, a], [, b]) => b - a);
  const short = values.filter(([own]) => own.length <= longestListed);
  const listed = short.slice(0, mostListed).map(([own, count]) => `${describe(own)} (${count})`);
  const near =
    operator === '='
      ? closestName(
          value,
          short.slice(0, mostCompared).map(([own]) => own),
        )
      : undefined;
  const meant = near === undefined ? '' : `did you mean ${describe(near)} (${times.get(near)})? `;
  if (listed.length === 0) return `the ${values.length} values of ${shortName(field)} are long`;
  const more = values.length > listed.length ? `, of ${values.length} values` : '';
  return `${meant}${meant ? 'The' : 'the'} commonest values of ${shortName(field)} are ${listed.join(', ')}${more}`;
}
