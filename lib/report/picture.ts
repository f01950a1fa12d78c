/**
 * Figures as one picture that stands by itself: an SVG without a script, light or dark as the reader's system is.
 *
 * @module
 */

import type { LegendEntry, ReportFigure } from './figures/figure.ts';
import { panelSize } from './figures/figure.ts';
import { contentText, html, Markup } from './page/html.ts';
import { plotStyle, themeStyle } from './page/style.ts';
import type { Drawer } from './plot/draw.ts';

const gap = 20;
const headHeight = 22;
const lineHeight = 24;
/** About as wide as a character of 13 pixels is. */
const characterWidth = 7.2;

/**
 * The panels of figures side by side, below one legend.
 *
 * @param figures of one study, each with data
 */
export function figurePicture<Source>(
  figures: readonly ReportFigure<Source>[],
  source: Source,
  drawer: Drawer,
): string {
  const drawings = figures.map((figure) => figure.draw(figure.rows(source), source, drawer.plot));
  const panels = drawings.flatMap((drawing) => drawing.panels);
  const width = panels.length * panelSize.width + (panels.length + 1) * gap;
  const legend = legendLines(
    drawings.flatMap((drawing) => drawing.legend),
    width,
    drawer,
  );
  const top = gap / 2 + legend.length * lineHeight;
  const height = top + headHeight + panelSize.height + gap / 2;
  const drawn = panels.map(({ title, plot }, i) => {
    const x = gap + i * (panelSize.width + gap);
    return html`<text x="${x + 4}" y="${top + 16}" font-weight="600">${title}</text>
<svg x="${x}" y="${top + headHeight}" width="${panelSize.width}" height="${panelSize.height}">${drawer.svg(plot, title)}</svg>\n`;
  });
  const style = `${themeStyle}\n${plotStyle}\nsvg{color:var(--text)}\ntext{font-family:system-ui,sans-serif;font-size:13px}\n.plot text{font-size:12px}`;
  const title = panels.map((panel) => panel.title).join('; ');
  return contentText(html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" fill="currentColor" role="img" aria-label="${title}">
<style>${new Markup(style)}</style>
<rect width="100%" height="100%" rx="8" fill="var(--page)"/>
${legend}${drawn}</svg>
`);
}

/** Each name once, in as many lines as they need. */
function legendLines(entries: readonly LegendEntry[], width: number, drawer: Drawer): Markup[] {
  const lines: Markup[][] = [[]];
  let x = gap;
  const named = new Map(entries.map((entry) => [entry.name, entry]));
  for (const entry of named.values()) {
    const own = 34 + 6 + entry.name.length * characterWidth;
    if (x + own > width - gap && x > gap) {
      lines.push([]);
      x = gap;
    }
    const y = gap / 2 + (lines.length - 1) * lineHeight;
    lines
      .at(-1)!
      .push(
        html`<svg x="${x}" y="${y + 3}" width="34" height="14">${drawer.sample(entry)}</svg><text x="${x + 40}" y="${y + 15}">${entry.name}</text>\n`,
      );
    x += own + 18;
  }
  return lines.map((line) => html`${line}`);
}
