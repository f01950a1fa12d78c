/**
 * What models answered before and after, side by side.
 *
 * @module
 */

import { type Content, html, Markup } from '../page/html.ts';
import { chosenTrials, grouped, isSame, type StudySource, settingsOf, settingText } from '../study-source.ts';

/** Answers of the chosen trials of the first draw that has some; undefined where no record has texts. */
export function generations(source: StudySource): Markup[] | undefined {
  const chosen = chosenTrials(source).filter(({ trial }) => trial.texts?.length);
  if (chosen.length === 0) return undefined;
  return settingsOf(source).flatMap((setting) => {
    const own = chosen.filter(({ cell }) => isSame(cell, setting));
    const draw = Math.min(...own.map((each) => each.draw));
    const shown = own.filter((each) => each.draw === draw);
    const answers = shown.flatMap(({ trial, cell }) =>
      trial.texts!.map((text) => ({ ...text, optimizer: cell.optimizer })),
    );
    if (answers.length === 0) return [];
    const title = settingText(source, setting);
    const level = new Markup(title === '' ? 'h3' : 'h4');
    return [
      title === '' ? html`` : html`<h3>${title}</h3>`,
      html`<p class="quiet">Chosen trials of draw ${draw}. Answers are greedy, and end after a few dozen tokens.</p>`,
      ...grouped(answers, ({ set, question }) => JSON.stringify([set, question])).map(([, those]) => {
        const { set, question, answer, before } = those[0]!;
        const said = (head: Content, text: string) => html`<div><dt>${head}</dt><dd dir="auto">${text}</dd></div>`;
        return html`<article><${level}><span class="quiet">${set}:</span> <span class="said" dir="auto">${question}</span></${level}>
<dl class="answers">${said('expected', answer)}${said('before', before)}${those.map((each) =>
          said(`after, ${each.optimizer}`, each.after),
        )}</dl></article>\n`;
      }),
    ];
  });
}
