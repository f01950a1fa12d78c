/**
 * Chromium for tests of pages: that of `SOUL_CHROMIUM` or `CHROME_PATH`, or the one on the PATH.
 *
 * @module
 */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Browser } from 'playwright-core';

/** The program; undefined where there is none. With `SOUL_REQUIRE_BROWSER` that is a failure. */
export const chromium: string | undefined = findChromium();

function findChromium(): string | undefined {
  const { SOUL_CHROMIUM, CHROME_PATH, PATH = '', SOUL_REQUIRE_BROWSER } = process.env;
  const given = SOUL_CHROMIUM ?? CHROME_PATH;
  if (given !== undefined) return given;
  const found = PATH.split(delimiter)
    .flatMap((folder) => ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(folder, name)))
    .find(isProgram);
  if (found === undefined && SOUL_REQUIRE_BROWSER)
    throw new Error('no Chromium was found; install it, or set SOUL_CHROMIUM');
  if (found === undefined) console.warn('pages are not tested in a browser: install chromium, or set SOUL_CHROMIUM');
  return found;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function openBrowser(): Promise<Browser> {
  const { chromium: driver } = await import('playwright-core');
  // Its sandbox does not run as root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return driver.launch({ executablePath: chromium!, args });
}
