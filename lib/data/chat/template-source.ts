/**
 * The source of a chat template as its engine needs it.
 *
 * The engine's own treatment of white space knows neither `{%+` nor `+%}` and loses where `{% generation %}` stands, so that it is
 * done here, as Jinja does it with `trim_blocks` and `lstrip_blocks`.
 *
 * @see https://jinja.palletsprojects.com/en/stable/templates/#whitespace-control
 * @module
 */

/** Stand in a rendered text where `{% generation %}` begins and ends; private characters, which no message may hold. */
export const generationMarks = { begin: '\u{F5000}', end: '\u{F5001}' } as const;

/** Variables that hold {@link generationMarks}. */
export const markVariables = {
  soul_generation_begins: generationMarks.begin,
  soul_generation_ends: generationMarks.end,
} as const;

/** Every tag: a block, a comment or an expression. */
const tags = /\{%[\s\S]*?%\}|\{#[\s\S]*?#\}|\{\{[\s\S]*?\}\}/g;

/** With every space that tags take applied, and expressions for the generation tags. */
export function prepareSource(template: string): string {
  const source = template.replaceAll(/\r\n?/g, '\n').replace(/\n$/, '');
  let prepared = '';
  let done = 0;
  for (const { 0: tag, index } of source.matchAll(tags)) {
    const isExpression = tag.startsWith('{{');
    let before = source.slice(done, index);
    if (!isExpression && !/^\{[%#]\+/.test(tag)) {
      const line = /(^|\n)[ \t]*$/.exec(before);
      const begins = line && (line[1] === '\n' || done === 0 || source[done - 1] === '\n');
      if (begins && !/^\{[%#]-/.test(tag)) before = before.replace(/[ \t]*$/, '');
    }
    prepared += before + plainTag(tag);
    done = index + tag.length;
    if (!isExpression && !/\+[%#]\}$/.test(tag) && source[done] === '\n') done++;
  }
  return prepared + source.slice(done);
}

/** A tag without the signs that only say what not to strip. */
function plainTag(tag: string): string {
  const generation = /^\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}$/.exec(tag);
  if (generation) {
    const [, left = '', end, right = ''] = generation;
    const name = end ? 'soul_generation_ends' : 'soul_generation_begins';
    return `{{${left === '-' ? '-' : ''} ${name} ${right === '-' ? '-' : ''}}}`;
  }
  return tag.replace(/^(\{[%#])\+/, '$1').replace(/\+([%#]\})$/, '$1');
}
