/**
 * How many processors this process may keep busy: those that it may run on, or the share of time that its container is given,
 * whichever is less.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

let counted: number | undefined;

/** Threads that work at full speed beside each other; at least 1. Looked up once. */
export function usableProcessors(): number {
  counted ??= Math.max(1, Math.min(availableParallelism(), Math.ceil(processorQuota() ?? Number.POSITIVE_INFINITY)));
  return counted;
}

/**
 * The processor time that control groups leave this process, in processors (1.5 is one and a half); undefined without a limit, and
 * on other systems than Linux. A group's limit holds for all groups within it, so the least of them counts.
 *
 * @param root of the file system, for tests
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html `cpu.max`
 * @see https://docs.kernel.org/scheduler/sched-bwc.html `cpu.cfs_quota_us`
 */
export function processorQuota(root = '/'): number | undefined {
  const mounts = groupMounts(root);
  const limits = lines(join(root, 'proc/self/cgroup')).flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const unified = controllers === '';
    if (!unified && !controllers.split(',').includes('cpu')) return [];
    const mount = mounts.find((each) => each.unified === unified);
    return mount ? groupsUpwards(mount, path).map((folder) => quotaOf(join(root, folder), unified)) : [];
  });
  const known = limits.filter((limit) => limit !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

interface GroupMount {
  /** Whether it is the hierarchy of version 2. */
  readonly unified: boolean;
  /** The group that the mount point shows. */
  readonly shows: string;
  readonly folder: string;
}

/** Where the hierarchies that limit processors are mounted. */
function groupMounts(root: string): GroupMount[] {
  return lines(join(root, 'proc/self/mountinfo')).flatMap((line): GroupMount[] => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , shows = '/', folder = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') return [{ unified: true, shows, folder }];
    return type === 'cgroup' && options.split(',').includes('cpu') ? [{ unified: false, shows, folder }] : [];
  });
}

/** The folders of a group and of those that it lies in, as far as the mount point shows them. */
function groupsUpwards({ shows, folder }: GroupMount, path: string): string[] {
  const inside = shows === '/' ? path : path === shows || path.startsWith(`${shows}/`) ? path.slice(shows.length) : '/';
  const names = inside.split('/').filter((name) => name !== '' && name !== '..');
  return Array.from({ length: names.length + 1 }, (_, count) => join(folder, ...names.slice(0, count)));
}

function quotaOf(folder: string, unified: boolean): number | undefined {
  const [quota, period] = unified
    ? (lines(join(folder, 'cpu.max'))[0] ?? '').split(' ')
    : [lines(join(folder, 'cpu.cfs_quota_us'))[0], lines(join(folder, 'cpu.cfs_period_us'))[0]];
  const share = Number(quota) / Number(period);
  return share > 0 && Number.isFinite(share) ? share : undefined;
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
