/**
 * A page that is made anew when its folder has changed.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { SoulError } from '../../core/errors.ts';
import { pageText } from '../page/page.ts';
import type { Drawer } from '../plot/draw.ts';
import { makeReport } from '../report-source.ts';
import { fingerprint } from './fingerprint.ts';

/** A page that was made at some time. */
export interface MadePage {
  /** Names the content; another content has another name. */
  readonly version: string;
  /** In UTF-8; one for all readers, however slowly they read. */
  readonly bytes: Buffer;
}

export class LivePage {
  readonly #folder: string;
  readonly #drawer: Drawer;
  #page: MadePage;
  #mark: string;
  /** What kept the last look from being one, in words. */
  #problem: string | undefined;

  private constructor(folder: string, drawer: Drawer, page: MadePage, mark: string) {
    this.#folder = folder;
    this.#drawer = drawer;
    this.#page = page;
    this.#mark = mark;
  }

  /** @throws SoulError of the folder, where there is nothing to show */
  static async open(folder: string, drawer: Drawer): Promise<LivePage> {
    const { found, mark } = await fingerprint(folder);
    return new LivePage(folder, drawer, await make(found, drawer), mark);
  }

  get page(): MadePage {
    return this.#page;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Looks at the folder, and makes the page anew where it has changed. A folder that cannot be read, as when it is just being moved to its
   * place, leaves the page as it was.
   */
  async look(): Promise<void> {
    try {
      const { found, mark } = await fingerprint(this.#folder);
      if (mark !== this.#mark) {
        this.#page = await make(found, this.#drawer);
        this.#mark = mark;
      }
      this.#problem = undefined;
    } catch (error) {
      this.#problem = error instanceof SoulError ? error.message : String(error);
    }
  }
}

async function make(found: Parameters<typeof makeReport>[0], drawer: Drawer): Promise<MadePage> {
  const { parts } = await makeReport(found, drawer);
  const version = createHash('sha256').update(pageText(parts)).digest('hex').slice(0, 16);
  return { version, bytes: Buffer.from(pageText({ ...parts, version })) };
}
