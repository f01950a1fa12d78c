import { expect, test } from '@jest/globals';
import { pageStyle } from '../../lib/report/page/style.ts';
import { seriesColors, seriesStyle } from '../../lib/report/plot/series.ts';

/** Machado, Oliveira and Fernandes, 2009, severity 1.0, on linear RGB. */
const visions = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
};

function linear(color: string): number[] {
  return [1, 3, 5].map((at) => {
    const share = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
}

function luminance(color: string): number {
  const [red, green, blue] = linear(color);
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

/** CIELAB with the white of D65. */
function lab([red, green, blue]: number[]): number[] {
  const x = (0.4124 * red! + 0.3576 * green! + 0.1805 * blue!) / 0.9505;
  const y = 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  const z = (0.0193 * red! + 0.1192 * green! + 0.9505 * blue!) / 1.089;
  const [a, b, c] = [x, y, z].map((value) => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116));
  return [116 * b! - 16, 500 * (a! - b!), 200 * (b! - c!)];
}

const grounds = {
  light: [...pageStyle.matchAll(/--(?:page|card):(#\w{6})/g)].slice(0, 2),
  dark: [...pageStyle.matchAll(/--(?:page|card):(#\w{6})/g)].slice(2, 4),
};

test.each(['light', 'dark'] as const)(
  '%s: colours stand out from the page, and from each other to the colour-blind',
  (theme) => {
    const colors = seriesColors.map((each) => each[theme]);
    expect(grounds[theme]).toHaveLength(2);
    for (const color of colors) {
      for (const [, ground] of grounds[theme]) {
        const [low, high] = [luminance(color), luminance(ground!)].sort((a, b) => a - b);
        expect((high! + 0.05) / (low! + 0.05)).toBeGreaterThanOrEqual(3);
      }
    }
    for (const matrix of Object.values(visions)) {
      const seen = colors.map((color) => {
        const own = linear(color);
        return lab(
          matrix.map((row) =>
            Math.min(
              Math.max(
                row.reduce((sum, factor, i) => sum + factor * own[i]!, 0),
                0,
              ),
              1,
            ),
          ),
        );
      });
      for (const [i, one] of seen.entries()) {
        for (const other of seen.slice(0, i)) {
          expect(Math.hypot(...one.map((value, k) => value - other[k]!))).toBeGreaterThanOrEqual(25);
        }
      }
    }
  },
);

test('series beyond the colours differ in mark or dash', () => {
  const styles = Array.from({ length: 35 }, (_, i) => seriesStyle(i));
  expect(new Set(styles.map(({ color, symbol }) => color + symbol)).size).toBe(35);
  expect(new Set(styles.map(({ color, dash }) => color + dash)).size).toBe(35);
});
