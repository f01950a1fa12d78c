/**
 * What Python does with texts, where JavaScript does it otherwise.
 *
 * @module
 */

/** The white space of Python's `str.strip`, which is not that of JavaScript's `trim`. */
const space = '\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000';

/**
 * `str.strip`, `str.lstrip` and `str.rstrip`.
 *
 * @param characters what is taken away; white space by default
 */
export function strip(text: string, side: 'strip' | 'lstrip' | 'rstrip', characters?: string): string {
  if (characters === '') return text;
  const set = characters === undefined ? space : characters.replaceAll(/[\\\]^-]/g, '\\$&');
  const left = side === 'rstrip' ? text : text.replace(new RegExp(`^[${set}]+`, 'u'), '');
  if (side === 'lstrip') return left;
  const kept = new RegExp(`[${set}]`, 'u');
  let end = left.length;
  while (end > 0) {
    const last = left.codePointAt(end - 2)! > 0xffff ? 2 : 1;
    if (!kept.test(left.slice(end - last, end))) break;
    end -= last;
  }
  return left.slice(0, end);
}

const months = 'January February March April May June July August September October November December'.split(' ');
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/**
 * `datetime.strftime` of a day at midnight, in English.
 *
 * @param day as 2024-07-26
 * @throws Error for a sign that is not known
 */
export function strftime(day: string, format: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  const two = (value: number) => String(value).padStart(2, '0');
  const [year, month, dayOfMonth] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  const dayOfYear = 1 + (Date.UTC(year, month, dayOfMonth) - Date.UTC(year, 0, 1)) / 86_400_000;
  const values: Readonly<Record<string, string>> = {
    ...{
      Y: String(year),
      y: two(year % 100),
      m: two(month + 1),
      d: two(dayOfMonth),
      e: String(dayOfMonth).padStart(2),
    },
    ...{ '-m': String(month + 1), '-d': String(dayOfMonth), j: String(dayOfYear).padStart(3, '0') },
    ...{ B: months[month]!, b: months[month]!.slice(0, 3), h: months[month]!.slice(0, 3) },
    ...{ A: days[date.getUTCDay()]!, a: days[date.getUTCDay()]!.slice(0, 3), w: String(date.getUTCDay()) },
    ...{ H: '00', I: '12', M: '00', S: '00', p: 'AM', f: '000000', z: '', Z: '', '%': '%' },
    ...{ F: day, D: `${two(month + 1)}/${two(dayOfMonth)}/${two(year % 100)}`, T: '00:00:00', R: '00:00' },
  };
  return format.replaceAll(/%(-?.)/gs, (sign, name: string) => {
    if (Object.hasOwn(values, name)) return values[name]!;
    throw new Error(`strftime_now is not known to take ${sign}`);
  });
}
