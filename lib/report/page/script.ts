/**
 * What runs in the page: the switch of light and dark, tables that sort, records that open where a link leads to them, and in a page that is
 * watched the swapping of its content. A page works without it, but for these.
 *
 * @module
 */

/** In every page. */
export const pageScript = `'use strict';
(() => {
  const root = document.documentElement;
  const kept = { read: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
    write: (name, value) => { try { localStorage.setItem(name, value); } catch {} } };
  const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const theme = document.getElementById('theme');
  const show = () => { theme.textContent = isDark() ? 'Light' : 'Dark'; theme.setAttribute('aria-label', 'Switch to ' + (isDark() ? 'light' : 'dark')); };
  const before = kept.read('soul-report-theme');
  if (before === 'dark' || before === 'light') root.dataset.theme = before;
  theme.hidden = false;
  theme.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    kept.write('soul-report-theme', root.dataset.theme);
    show();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
  show();

  const sort = (table, column, direction) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => i === column ? head.setAttribute('aria-sort', direction) : head.removeAttribute('aria-sort'));
    const sign = direction === 'ascending' ? 1 : -1;
    const body = table.tBodies[0];
    const key = (row) => row.cells[column].dataset.by ?? '';
    const rows = [...body.rows];
    const isNumber = rows.every((row) => key(row) === '' || !Number.isNaN(Number(key(row))));
    rows.sort((a, b) => {
      const [one, other] = [key(a), key(b)];
      if (one === '' || other === '') return (one === '') - (other === '');
      return sign * (isNumber ? Number(one) - Number(other) : one.localeCompare(other, undefined, { numeric: true }));
    });
    body.append(...rows);
  };
  document.addEventListener('click', (event) => {
    const head = event.target.closest?.('table.sorts thead th');
    if (!head || !event.target.closest('button')) return;
    sort(head.closest('table'), head.cellIndex, head.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending');
  });

  const openTarget = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener('hashchange', openTarget);
  openTarget();
  window.soulSort = sort;
})();`;

/** In a page that is watched, behind the other. */
export const watchScript = `'use strict';
(() => {
  const state = document.getElementById('state');
  const say = (text) => { if (state.textContent !== text) state.textContent = text; };
  let version = document.querySelector('main').dataset.version;
  let busy = false, again = false;
  const swap = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch('/content', { cache: 'no-store' });
      if (!answer.ok) throw new Error(answer.status);
      const parsed = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const [old, main] = [document.querySelector('main'), parsed.querySelector('main')];
      if (main.dataset.version === version) return;
      const open = new Map([...old.querySelectorAll('details[id]')].map((each) => [each.id, each.open]));
      const sorted = [...old.querySelectorAll('table.sorts')].flatMap((table) => {
        const head = table.querySelector('th[aria-sort]');
        return head ? [[table.id, head.cellIndex, head.getAttribute('aria-sort')]] : [];
      });
      const places = [...old.querySelectorAll('.scrolls[id]')].map((each) => [each.id, each.scrollLeft, each.scrollTop]);
      const focus = focusPlace(document.activeElement);
      const [x, y] = [scrollX, scrollY];
      for (const each of main.querySelectorAll('details[id]')) if (open.has(each.id)) each.open = open.get(each.id);
      old.replaceWith(document.adoptNode(main));
      document.querySelector('nav').replaceWith(document.adoptNode(parsed.querySelector('nav')));
      document.title = parsed.title;
      for (const [id, column, direction] of sorted) {
        const table = document.getElementById(id);
        if (table && column < table.tHead.rows[0].cells.length) window.soulSort(table, column, direction);
      }
      for (const [id, left, top] of places) document.getElementById(id)?.scrollTo(left, top);
      scrollTo({ left: x, top: y, behavior: 'instant' });
      focus()?.focus({ preventScroll: true });
      version = main.dataset.version;
    } catch {
      say('No answer from soul watch.');
    } finally {
      busy = false;
      if (again) { again = false; swap(); }
    }
  };
  const focusPlace = (element) => {
    if (!element || !element.closest('main, nav')) return () => undefined;
    if (element.id) return () => document.getElementById(element.id);
    const holder = element.parentElement.closest('[id]');
    if (!holder) return () => undefined;
    const index = [...holder.querySelectorAll(element.localName)].indexOf(element);
    return () => document.getElementById(holder.id)?.querySelectorAll(element.localName)[index];
  };
  const events = new EventSource('/events');
  events.addEventListener('open', () => say('Watching.'));
  events.addEventListener('error', () => say('No answer from soul watch.'));
  events.addEventListener('changed', (event) => { if (event.data !== version) swap(); });
  events.addEventListener('problem', (event) => say(JSON.parse(event.data)));
})();`;
