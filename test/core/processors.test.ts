import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { processorQuota, usableProcessors } from '../../lib/core/processors.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'soul-processors-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A file system with these files, as the kernel shows them. */
function quotaWith(files: Record<string, string>): number | undefined {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return processorQuota(root);
}

const mount = {
  v2: '30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n',
  v1: '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n',
};

describe('the processor time of control groups', () => {
  test('version 2, in a container that sees itself as the root', () => {
    const files = { 'proc/self/cgroup': '0::/\n', 'proc/self/mountinfo': mount.v2 };
    expect(quotaWith({ ...files, 'sys/fs/cgroup/cpu.max': '150000 100000\n' })).toBe(1.5);
    expect(quotaWith({ 'sys/fs/cgroup/cpu.max': 'max 100000\n' })).toBeUndefined();
  });

  test('version 2, a service: the least of the groups that it lies in', () => {
    const files = { 'proc/self/cgroup': '0::/user.slice/job.service\n', 'proc/self/mountinfo': mount.v2 };
    expect(
      quotaWith({
        ...files,
        'sys/fs/cgroup/user.slice/cpu.max': '200000 100000\n',
        'sys/fs/cgroup/user.slice/job.service/cpu.max': '1600000 100000\n',
      }),
    ).toBe(2);
  });

  test('version 1, whose mount shows the own group alone', () => {
    const own = mount.v1.replace(' / /sys', ' /docker/abc /sys');
    expect(
      quotaWith({
        'proc/self/cgroup': '5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n',
        'proc/self/mountinfo': own,
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '300000\n',
        'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      }),
    ).toBe(3);
    expect(quotaWith({ 'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n' })).toBeUndefined();
  });

  test('none', () => {
    expect(quotaWith({})).toBeUndefined();
  });
});

test('at least one processor, and no more than there are', () => {
  expect(usableProcessors()).toBeGreaterThanOrEqual(1);
  expect(usableProcessors()).toBeLessThanOrEqual(availableParallelism());
});
