/**
 * SVG of figures: Observable Plot over a document of linkedom. Both are loaded when a first page is made, and by nothing else.
 *
 * @module
 */

import type { PlotOptions } from '@observablehq/plot';
import type { LegendEntry, PlotLibrary } from '../figures/figure.ts';
import { Markup, shown } from '../page/html.ts';

/** What Plot makes elements by. */
type PlotDocument = NonNullable<PlotOptions['document']>;

/** Draws what figures describe. */
export class Drawer {
  readonly plot: PlotLibrary;
  readonly #document: PlotDocument;
  #identifiers = 0;

  private constructor(plot: PlotLibrary, document: PlotDocument) {
    this.plot = plot;
    this.#document = document;
  }

  static async load(): Promise<Drawer> {
    const [plot, { DOMParser }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
    const parsed = new DOMParser().parseFromString('<svg xmlns="http://www.w3.org/2000/svg"/>', 'image/svg+xml');
    return new Drawer(plot, parsed as unknown as PlotDocument);
  }

  /**
   * The SVG of a plot, without styles of its own: the class `plot` is the page's to style ({@link plotStyle}).
   *
   * @param title what it is, for those who do not see it
   */
  svg(options: PlotOptions, title: string): Markup {
    return this.#draw(options, { role: 'img', 'aria-label': shown(title) });
  }

  #draw(options: PlotOptions, attributes: Readonly<Record<string, string>>): Markup {
    const drawn = this.plot.plot({ ...options, className: 'plot', document: this.#document } as PlotOptions);
    const element = drawn as unknown as SvgElement;
    for (const style of element.querySelectorAll('style')) style.remove();
    for (const name of ['font-family', 'font-size', 'font-variant']) element.removeAttribute(name);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return new Markup(this.#withOwnIdentifiers(element.toString()));
  }

  /** What stands before a name of a legend. */
  sample({ style, as }: LegendEntry): Markup {
    const { color, symbol, dash } = style;
    const { line, dot } = this.plot;
    const at = (x: number) => ({ x, y: 0 });
    const marks = [
      ...(as === 'mark'
        ? []
        : [line([at(0), at(2)], { x: 'x', y: 'y', stroke: color, strokeWidth: 2, strokeDasharray: dash })]),
      ...(as === 'line' ? [] : [dot([at(1)], { x: 'x', y: 'y', fill: color, symbol, r: 4 })]),
    ];
    const place = { width: 34, height: 14, margin: 6, marginLeft: 1, marginRight: 1 };
    const axes = { x: { axis: null, domain: [0, 2] }, y: { axis: null, domain: [-1, 1] } };
    return this.#draw({ ...place, ...axes, marks }, { 'aria-hidden': 'true' });
  }

  /** Plot counts its clip paths in the process; a page counts its own, so that it is the same whenever it is made. */
  #withOwnIdentifiers(text: string): string {
    const own = new Map<string, string>();
    return text.replaceAll(/plot-(?:clip|marker|gradient|pattern)-\d+/g, (found) => {
      if (!own.has(found)) own.set(found, `plot-part-${++this.#identifiers}`);
      return own.get(found)!;
    });
  }
}

interface SvgElement {
  querySelectorAll(selector: string): Iterable<{ remove(): void }>;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  toString(): string;
}
