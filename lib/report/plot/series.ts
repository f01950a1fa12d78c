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
 * After Okabe and Ito's colours, without yellow, which no light page shows; moved so that each has a contrast of 3 to its page, and any two
 * differ by 25 in CIELAB also to those who see no red or no green (Machado et al., 2009).
 */
export const seriesColors: readonly { readonly light: string; readonly dark: string }[] = [
  { light: '#005ec1', dark: '#418aee' },
  { light: '#aa3816', dark: '#da671f' },
  { light: '#119a5e', dark: '#1ac774' },
  { light: '#aa407c', dark: '#d098b0' },
  { light: '#d67502', dark: '#fcbe26' },
  { light: '#4c92cf', dark: '#87c2ff' },
  { light: '#333333', dark: '#ecedd8' },
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
