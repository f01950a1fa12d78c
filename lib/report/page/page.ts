/**
 * A whole page, in one file that loads nothing.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { packageVersion } from '../../core/package.ts';
import { type Content, contentText, html, Markup } from './html.ts';
import { pageScript, watchScript } from './script.ts';
import { pageStyle } from './style.ts';

/** A part of the page with a heading, to which the page's list of contents leads. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Content;
}

export interface PageParts {
  readonly title: string;
  /** Below the title. */
  readonly lead: Content;
  readonly sections: readonly Section[];
  /** Set where the page is served and swaps its content: names the content. */
  readonly version?: string;
}

/** What the page lets a browser do: its own script and style alone, by their hashes; `watched` lets it ask where it came from, too. */
export function contentSecurityPolicy(watched: boolean): string {
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const scripts = [pageScript, ...(watched ? [watchScript] : [])].map(hash).join(' ');
  return [
    "default-src 'none'",
    `script-src ${scripts}`,
    `style-src ${hash(pageStyle)}`,
    ...(watched ? ["connect-src 'self'"] : []),
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

/** The HTML of a page. */
export function pageText({ title, lead, sections, version }: PageParts): string {
  const watched = version !== undefined;
  const links = sections.map((section) => html`<li><a href="#${section.id}">${section.title}</a></li>`);
  const parts = sections.map(
    (section) => html`<section id="${section.id}" aria-labelledby="${section.id}-title">
<h2 id="${section.id}-title">${section.title}</h2>
${section.content}</section>\n`,
  );
  const scripts = [pageScript, ...(watched ? [watchScript] : [])].map((text) => `<script>${text}</script>`).join('\n');
  return contentText(html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy(watched)}">
<meta name="generator" content="soul-unlearn ${packageVersion}">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Markup(pageStyle)}</style>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header><p><strong>soul</strong> <span class="quiet">report</span></p>${
    watched ? html`<p id="state" class="quiet" role="status"></p>` : undefined
  }<button type="button" id="theme" hidden></button></header>
<nav aria-label="Contents"><ul>${links}</ul></nav>
<main id="content" tabindex="-1" data-version="${version}">
<h1>${title}</h1>
${lead}
${parts}</main>
<footer>Made by soul-unlearn ${packageVersion}.</footer>
${new Markup(scripts)}
</body>
</html>
`);
}
