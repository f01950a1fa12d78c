/**
 * A figure in a page: what it shows, its legend, its panels, its data, and the settings behind it.
 *
 * @module
 */

import { toJson } from '../../core/json.ts';
import type { ReportFigure } from '../figures/figure.ts';
import { csvLink } from '../page/csv.ts';
import { html, Markup } from '../page/html.ts';
import type { Drawer } from '../plot/draw.ts';

/** The figures that there is data for. */
export function figureParts<Source>(
  figures: readonly ReportFigure<Source>[],
  source: Source,
  drawer: Drawer,
  settings: unknown,
): Markup[] {
  return figures.flatMap((figure) => {
    const rows = figure.rows(source);
    if (rows.length === 0) return [];
    const { name, title, text } = figure;
    const { legend, panels } = figure.draw(rows, source, drawer.plot);
    const names = legend.map((entry) => html`<li>${drawer.sample(entry)}<span>${entry.name}</span></li>`);
    const drawn = panels.map(
      (panel) =>
        html`<div class="panel">${panel.title === title ? undefined : html`<h4>${panel.title}</h4>`}${drawer.svg(panel.plot, `${title}. ${panel.title}`)}</div>\n`,
    );
    return [
      html`<figure id="figure-${name}"${panels.length > 1 ? new Markup(' class="wide"') : undefined} aria-labelledby="figure-${name}-title">
<h3 id="figure-${name}-title">${title}</h3>
<p>${text}</p>
${names.length > 0 ? html`<ul class="legend" aria-label="Legend">${names}</ul>` : undefined}
<div class="panels">${drawn}</div>
<div class="under">${csvLink(name, rows)}
<details id="figure-${name}-settings"><summary>Settings</summary><pre>${toJson(settings).trimEnd()}</pre></details></div>
</figure>\n`,
    ];
  });
}
