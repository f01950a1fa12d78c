import { describe, expect, test } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import { csvLink, csvText } from '../../lib/report/page/csv.ts';
import { contentText, html, shown } from '../../lib/report/page/html.ts';
import { numberText } from '../../lib/report/page/numbers.ts';
import { table } from '../../lib/report/page/table.ts';

const hostile = [
  '</script><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '<!-- --!> <![CDATA[ ]]> &lt; &amp;quot;',
  '\u202egnp.exe\u2066 \u200f\u05d0\u05d1',
  'a\u0000b\u0007c\u001b[31m',
  '\ud800 lone',
  'w'.repeat(5000),
];

/** What an independent parser makes of a paragraph. */
function parsed(text: string) {
  const { document } = parseHTML(`<!DOCTYPE html><html><body>${text}</body></html>`);
  return document.body as unknown as { children: { tagName: string; title: string; textContent: string }[] };
}

describe('HTML', () => {
  test.each(hostile)('a hostile text is a text, in elements and attributes: %j', (text) => {
    const body = parsed(contentText(html`<p title="${text}">${text}</p>`));
    expect(body.children).toHaveLength(1);
    expect(body.children[0]!.textContent).toBe(shown(text));
    expect(body.children[0]!.title).toBe(shown(text));
  });

  test('any text comes back as it is shown', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const body = parsed(contentText(html`<p title="${text}">${[text]}</p>`));
        expect(body.children).toHaveLength(1);
        expect(body.children[0]!.textContent).toBe(shown(text));
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  test('what changes or hides its surroundings is shown; lines stay', () => {
    expect(shown('a\r\nb\tc\rd')).toBe('a\nb\tc\\u000dd');
    expect(shown('\u202e\u0000')).toBe('\\u202e\\u0000');
    expect(shown('\u05e9\u05dc\u05d5\u05dd')).toBe('\u05e9\u05dc\u05d5\u05dd');
  });
});

describe('CSV', () => {
  test('another reader gets the rows back', () => {
    const rows = [
      { name: 'a "b", c', value: 0.1, line: 'one\ntwo' },
      { name: '', value: undefined, line: 'x', other: true },
    ];
    expect(parse(csvText(rows), { columns: true })).toEqual([
      { name: 'a "b", c', value: '0.1', line: 'one\ntwo', other: '' },
      { name: '', value: '', line: 'x', other: 'true' },
    ]);
  });

  test('a text is no formula, a negative number is a number', () => {
    expect(csvText([{ text: '=cmd|1', at: '@x', minus: '-1+1', number: -1 }])).toBe(
      "text,at,minus,number\r\n'=cmd|1,'@x,'-1+1,-1\r\n",
    );
  });

  test('a link holds the whole file', () => {
    const { text } = csvLink('name', [{ a: '\u00e4' }]);
    const [, base64] = /base64,([^"]*)"/.exec(text)!;
    expect(Buffer.from(base64!, 'base64').toString()).toBe('a\r\n\u00e4\r\n');
    expect(text).toContain('download="name.csv"');
  });
});

test('numbers are short, with a real minus', () => {
  expect(numberText(0.12345, 'probability')).toBe('0.123');
  expect(numberText(-0.0000123, 'share')).toBe('-1.2e-5');
  expect(numberText(-0.5, 'share')).toBe('\u22120.500');
  expect(numberText(-0.0001, 'seconds')).toBe('0.00');
  expect(numberText(3 * 2 ** 30, 'bytes')).toBe('3.0 GiB');
  expect(numberText(0, 'bytes')).toBe('0 B');
  expect(numberText(1e-5)).toBe('1.00e-5');
  expect(numberText(undefined)).toBe('');
  expect(numberText(Number.NaN)).toBe('NaN');
});

test('a table has heads to sort by, rows with names, and keys', () => {
  const part = table({
    id: 't',
    caption: 'two',
    columns: [
      { head: 'name', cell: ({ name }: { name: string; value?: number }) => name },
      { head: 'value', text: 'what it is', cell: ({ value }) => value?.toFixed(1), by: ({ value }) => value },
    ],
    rows: [{ name: 'a', value: 2 }, { name: 'b' }],
  });
  const { document } = parseHTML(`<html><body>${contentText(part)}</body></html>`);
  const all = (selector: string) => [...document.querySelectorAll(selector)] as unknown as { textContent: string }[];
  expect(all('thead th[scope=col] button').map((each) => each.textContent)).toEqual(['name', 'value']);
  expect(all('tbody th[scope=row]').map((each) => each.textContent)).toEqual(['a', 'b']);
  expect(all('tbody td.number[data-by="2"]')).toHaveLength(1);
  expect(all('tbody td[data-by=""]').map((each) => each.textContent)).toEqual(['']);
  expect(document.querySelector('table')!.getAttribute('aria-labelledby')).toBe('t-caption');
});
