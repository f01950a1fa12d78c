/**
 * A lock that one process of a machine holds on a file, and that the kernel releases when the process ends, however it ends.
 *
 * @module
 */

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type NativeExternal, nativeAddon } from './addon.ts';
import { SoulError } from './errors.ts';

export interface FileLock {
  /** Gives the lock up; harmless when done twice. The file stays. */
  release(): void;
}

/** Who holds a lock, as the file says. */
interface Holder {
  host: string;
  process: number;
  /** When the lock was taken, ISO 8601. */
  since: string;
}

/**
 * Locks a file, which is made where it is not there, and writes into it who holds it.
 *
 * @param name what is locked by it, for the error
 * @throws SoulError SOUL_BUSY, with the holder in the details, where somebody else holds it, be it this process itself;
 *   SOUL_FILE_SYSTEM where the file cannot be opened, or its file system has no locks
 */
export function lockFile(path: string, name = path): FileLock {
  const lock = locked(path, name, readHolder);
  try {
    const holder: Holder = { host: hostname(), process: process.pid, since: new Date().toISOString() };
    writeFileSync(path, `${JSON.stringify(holder)}\n`);
  } catch (error) {
    lock.release();
    throw error;
  }
  return lock;
}

const mostTries = 100;

/**
 * Locks a file that has content of its own, which stays as it is. Its holder may remove it, and then releases the lock; whoever had
 * opened it just before locks the file that is in its place then.
 *
 * @param name what is locked by it, for the error
 * @throws SoulError as {@link lockFile}, without a holder
 */
export function lockContent(path: string, name = path): FileLock {
  for (let tries = 0; tries < mostTries; tries++) {
    const lock = locked(path, name, () => undefined);
    if (isLocked(path)) return lock;
    lock.release();
  }
  throw new SoulError('SOUL_FILE_SYSTEM', `${path} cannot be locked: it is removed again and again`, { path });
}

function locked(path: string, name: string, holderOf: (path: string) => Holder | undefined): FileLock {
  const addon = nativeAddon();
  if (isNoFile(path)) throw new SoulError('SOUL_FILE_SYSTEM', `${path} cannot be locked: it is no file`, { path });
  const lock: NativeExternal | undefined = addon.lockFile(path);
  if (lock === undefined) {
    const holder = holderOf(path);
    const who = holder ? `process ${holder.process} on ${holder.host}, since ${holder.since}` : 'another process';
    throw new SoulError('SOUL_BUSY', `${name} is in use by ${who}; wait for it, or name another place`, {
      path,
      ...holder,
    });
  }
  return { release: () => addon.unlockFile(lock) };
}

/** Whether somebody holds the lock of a file at this moment, be it this process itself; false where that cannot be asked. */
export function isLocked(path: string): boolean {
  try {
    return !isNoFile(path) && nativeAddon().isLocked(path);
  } catch {
    return false;
  }
}

/** When a lock was last taken, ISO 8601; undefined where the file does not say. */
export function lockedSince(path: string): string | undefined {
  return readHolder(path)?.since;
}

/** Whether something else than a file is there: to open a pipe is to wait for its other end. */
function isNoFile(path: string): boolean {
  return typeof path === 'string' && statSync(path, { throwIfNoEntry: false })?.isFile() === false;
}

/** What the file says; undefined where the holder has not written it yet. */
function readHolder(path: string): Holder | undefined {
  try {
    if (isNoFile(path)) return undefined;
    const { host, process: id, since } = JSON.parse(readFileSync(path, 'utf8')) as Holder;
    return { host, process: id, since };
  } catch {
    return undefined;
  }
}
