/**
 * How the series of a figure are told apart: by colour, and by mark and dash for those who see no colours, or few.
 *
 * @module
 */

/** How one series is drawn. */
export interface SeriesStyle {
  /** A CSS variable, which the page sets for light and dark. */
  readonly color: string;
  /** A symbol of Plot. */
  readonly symbol: 'circle' | 'triangle' | 'square' | 'diamond' | 'star' | 'wye' | 'hexagon' | 'cross';
  /** `stroke-dasharray`; `none` is a line without gaps. */
  readonly dash: string;
}

/**
 * Okabe and Ito's colours but for yellow, which no light page shows; those too light for a light page are darkened, those too dark for a
 * dark one lightened, and what is black there is the colour of the text.
 */
export const seriesColors: readonly { readonly light: string; readonly dark: string }[] = [
  { light: '#0072b2', dark: '#3f9fdc' },
  { light: '#d55e00', dark: '#e8752c' },
  { light: '#00845f', dark: '#12b88a' },
  { light: '#b4558e', dark: '#e0a0c4' },
  { light: '#a87400', dark: '#e6b53a' },
  { light: '#3c93c9', dark: '#9ad4f7' },
  { light: '#333333', dark: '#d8d8d8' },
];

const symbols = ['circle', 'triangle', 'square', 'diamond', 'star', 'wye', 'hexagon'] as const;
const dashes = ['none', '7 3', '2 3', '9 3 2 3', '12 4'] as const;

/** Of the series with a number; 35 differ in dash or colour. */
export function seriesStyle(index: number): SeriesStyle {
  const color = index % seriesColors.length;
  return {
    color: `var(--series-${color})`,
    // Where colours come again, marks are others.
    symbol: symbols[(index + Math.floor(index / seriesColors.length)) % symbols.length]!,
    dash: dashes[index % dashes.length]!,
  };
}
