/**
 * How a page looks, and what of it a figure needs that stands by itself.
 *
 * @module
 */

import { seriesColors } from '../plot/series.ts';

const themes = {
  light: {
    page: '#ffffff',
    card: '#f6f7f8',
    text: '#1b1f24',
    quiet: '#57606a',
    line: '#d0d5da',
    link: '#0b5cad',
    mark: '#fff3c4',
  },
  dark: {
    page: '#14171a',
    card: '#1d2126',
    text: '#e4e7ea',
    quiet: '#a0a9b2',
    line: '#3a4149',
    link: '#7cc0ff',
    mark: '#4a3f12',
  },
} as const;

type Theme = keyof typeof themes;

function variables(theme: Theme): string {
  const own = Object.entries(themes[theme]).map(([name, value]) => `--${name}:${value}`);
  const series = seriesColors.map((colors, i) => `--series-${i}:${colors[theme]}`);
  return [`color-scheme:${theme}`, ...own, ...series].join(';');
}

/** Colours by the system's choice; with `data-theme` by the reader's. */
export const themeStyle = `:root{${variables('light')}}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){${variables('dark')}}}
:root[data-theme=dark]{${variables('dark')}}`;

/** Of the SVG of figures, with texts of one size whatever the page's. */
export const plotStyle = `.plot{display:block;width:100%;height:auto;font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums;color:var(--text)}
.plot text{white-space:pre}`;

/** Of a whole page. */
export const pageStyle = `${themeStyle}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
a{color:var(--link)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1{font-size:1.6rem;line-height:1.2;margin:.2rem 0 .4rem}
h2{font-size:1.3rem;margin:2.4rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}
h3{font-size:1.1rem;margin:1.6rem 0 .3rem}
h4{font-size:.95rem;margin:0 0 .3rem}
header,main,nav,footer{max-width:72rem;margin:0 auto;padding:0 1rem}
header{display:flex;gap:1rem;align-items:flex-start;justify-content:space-between;padding-top:1rem}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.4rem .8rem;z-index:2}
#theme{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.3rem .8rem;cursor:pointer}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;margin:.4rem 0;padding:0;font-size:.95rem}
section{scroll-margin-top:.5rem}
p{margin:.3rem 0 .7rem;max-width:50rem}
.quiet{color:var(--quiet)}
.warning{background:var(--mark);padding:.4rem .8rem;border-radius:.4rem;max-width:50rem}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.4rem 0}
dl.facts dt{color:var(--quiet)}
dl.facts dd{margin:0}
figure{margin:1.2rem 0 2rem;min-width:0}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;list-style:none;margin:.2rem 0 .5rem;padding:0;font-size:.9rem}
.legend li{display:flex;align-items:center;gap:.35rem}
.legend .plot{width:34px;flex:none}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:0 1rem}
.figures h3{margin-top:0}
.figures>.wide{grid-column:1/-1}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1rem;align-items:start}
.panel{background:var(--card);border-radius:.5rem;padding:.7rem .6rem .3rem;min-width:0;max-width:27rem}
.panel h4{padding-left:.3rem}
${plotStyle}
.download{font-size:.9rem}
.under{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;align-items:baseline;margin-top:.5rem;font-size:.9rem}
.under details{flex:1 1 20rem;min-width:0}
details>summary{cursor:pointer}
pre{background:var(--card);border-radius:.4rem;padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere;font:.82rem/1.4 ui-monospace,monospace;margin:.4rem 0}
.table-part{margin:.8rem 0 1.6rem}
.scrolls{overflow-x:auto;max-width:100%;position:relative}
.tall{max-height:36rem;overflow-y:auto}
.tall thead th{position:sticky;top:0;background:var(--page)}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;overflow-wrap:normal}
.caption{color:var(--quiet);font-size:.9rem;margin:.2rem 0}
th,td{padding:.25rem .6rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;max-width:24rem}
td.number,th.number{text-align:right;white-space:nowrap}
tbody th{font-weight:500;position:sticky;left:0;background:var(--page)}
th.number button{text-align:right}
thead th{vertical-align:bottom;padding:0}
thead button{font:inherit;font-weight:600;color:inherit;background:none;border:0;padding:.3rem .6rem;cursor:pointer;text-align:left;white-space:nowrap}
thead button .quiet{display:block;font-size:.8rem;font-weight:400}
thead button::after{content:" \\2195";color:var(--quiet);font-weight:400}
th[aria-sort=ascending] button::after{content:" \\2191";color:inherit}
th[aria-sort=descending] button::after{content:" \\2193";color:inherit}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,12.5rem),1fr));gap:.6rem;margin:.3rem 0}
.answers div{background:var(--card);border-radius:.4rem;padding:.5rem .7rem;min-width:0}
.answers dt{color:var(--quiet);font-size:.85rem}
.answers dd{margin:.1rem 0 0;max-height:14rem;overflow-y:auto;white-space:pre-wrap;unicode-bidi:isolate}
dl.answers{margin-top:.4rem}
.said{white-space:pre-wrap;unicode-bidi:isolate}
footer{margin:3rem auto 2rem;color:var(--quiet);font-size:.85rem}
@media (max-width:34rem){dl.facts{grid-template-columns:1fr}dl.facts dt{margin-top:.3rem}figure{margin:1rem 0}header,main,nav,footer{padding:0 .7rem}header{padding-top:.7rem}}
@media print{nav,#theme,.skip{display:none}.panel{break-inside:avoid}}`;
