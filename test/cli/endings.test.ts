import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { cancelOnSignals } from '../../lib/cli/interrupt.ts';
import { performWork } from '../../lib/cli/perform-work.ts';
import { progressOn } from '../../lib/cli/progress.ts';
import { SoulError } from '../../lib/core/errors.ts';
import { packageRoot } from '../../lib/core/package.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { writeSmallModel } from './small-model.ts';
import { outcomeOf, soul, soulWords, startNode } from './soul.ts';

/** The process's standard error from now on, and a wait for what it says. */
function listen(child: ReturnType<typeof startNode>) {
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  return async (words: RegExp) => {
    while (!words.test(said) && !child.stderr.readableEnded) {
      await new Promise((resolve) => child.stderr.once('data', resolve).once('end', resolve));
    }
    expect(said).toMatch(words);
  };
}

describe('a command whose reader goes away', () => {
  test('ends quietly, for it is no failure', async () => {
    const child = startNode([...soulWords, 'doctor', '--json']);
    child.stdout.destroy();
    expect(await outcomeOf(child)).toEqual({ code: 0, out: '', err: '' });
  });

  (existsSync('/dev/full') ? test : test.skip)('fails where its result is lost for another reason', async () => {
    const full = await open('/dev/full', 'w');
    const words = [...soulWords, 'doctor'];
    const { status, stderr } = spawnSync(process.execPath, words, {
      cwd: packageRoot,
      encoding: 'utf8',
      stdio: ['ignore', full.fd, 'pipe'],
    });
    await full.close();
    expect(status).toBe(1);
    expect(stderr).toMatch(/^soul: the result could not be written to standard output: ENOSPC[^\n]*\n$/);
  });
});

test('a second signal ends the process at once', async () => {
  const script = `
    import { cancelOnSignals } from '${join(packageRoot, 'lib/cli/interrupt.ts')}';
    setInterval(() => {}, 1000);
    await cancelOnSignals(() => new Promise(() => process.stderr.write('begun')));`;
  const child = startNode(['--import', 'tsx', '--input-type=module', '-e', script]);
  const saying = listen(child);
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve([code, signal])));
  await saying(/begun/);
  child.kill('SIGINT');
  await saying(/SIGINT: ending in order.*Ctrl-C/);
  child.kill('SIGTERM');
  expect(await ended).toEqual([null, 'SIGTERM']);
});

test('a signal that comes twice in a moment, as npm and a closed terminal send it, is one', async () => {
  jest.useFakeTimers();
  const said = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  const kill = jest.spyOn(process, 'kill').mockReturnValue(true);
  const before = process.listenerCount('SIGINT');
  const work = cancelOnSignals(
    (signal) =>
      new Promise((_, reject) => {
        const cancelled = () => setTimeout(() => reject(new SoulError('SOUL_CANCELLED', 'cancelled')), 5000);
        signal.addEventListener('abort', cancelled);
      }),
  );
  const rejected = expect(work).rejects.toMatchObject({ code: 'SOUL_CANCELLED', details: { signal: 'SIGINT' } });
  try {
    process.emit('SIGINT', 'SIGINT');
    jest.advanceTimersByTime(900);
    process.emit('SIGINT', 'SIGINT');
    expect(said).toHaveBeenCalledTimes(1);
    expect(kill).not.toHaveBeenCalled();
    jest.advanceTimersByTime(200);
    process.emit('SIGINT', 'SIGINT');
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGINT']]);
    jest.advanceTimersByTime(5000);
    await rejected;
    expect(process.listenerCount('SIGINT')).toBe(before);
  } finally {
    jest.restoreAllMocks();
    jest.useRealTimers();
  }
});

test('the request to end is told in the form of the progress, what was held is released, and the progress ends', async () => {
  const lines: string[] = [];
  const stream = { write: (text: string) => lines.push(text) > 0 } as unknown as NodeJS.WriteStream;
  const release = jest.fn<() => void>();
  const progress = progressOn('measuring', { progress: 'json', stream });
  const end = jest.spyOn(progress, 'end');
  const work = performWork(
    progress,
    (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new SoulError('SOUL_CANCELLED', 'cancelled')));
      }),
    () => [undefined, { release }],
  );
  process.emit('SIGTERM', 'SIGTERM');
  await expect(work).rejects.toMatchObject({ code: 'SOUL_CANCELLED', details: { signal: 'SIGTERM' } });
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { kind: 'note', text: expect.stringContaining('SIGTERM: ending in order') },
  ]);
  expect([release.mock.calls.length, end.mock.calls.length]).toEqual([1, 1]);
});

describeWithEngine('a run', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  const words = (out: string, ...more: string[]) => [
    ...[...soulWords, 'train', '--model', path('model'), '--data', path('data.jsonl'), '--device', 'cpu'],
    ...['--out', path(out), ...more],
  ];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-endings-'));
    await writeSmallModel(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('goes on to its end when nobody reads its progress or its result any more', async () => {
    const child = startNode(words('unread', '--steps', '3'));
    child.stderr.once('data', () => {
      child.stderr.destroy();
      child.stdout.destroy();
    });
    expect((await outcomeOf(child)).code).toBe(0);
    const files = await readdir(path('unread'));
    expect(files).toEqual(expect.arrayContaining(['model.safetensors', 'run.json', 'metrics.jsonl']));
    expect((await readFile(path('unread/metrics.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(3);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends in order on %s, with exit code %d', async (signal, code) => {
    const child = startNode(words(signal, '--steps', '1000000', '--json'));
    const saying = listen(child);
    const outcome = outcomeOf(child);
    await saying(/^training$/m);
    child.kill(signal);
    const { out, err, ...ended } = await outcome;
    expect(ended).toEqual({ code });
    expect(JSON.parse(out).error).toMatchObject({ code: 'SOUL_CANCELLED', details: { signal } });
    expect(err).toMatch(new RegExp(`^${signal}: ending in order`, 'm'));
    expect(existsSync(path(signal))).toBe(false);
  });

  test('that is stopped says how it goes on, and does so from its out folder alone, in the same bits', async () => {
    const long = ['--steps', '40', '--evaluate', '0', '--checkpoint-every', '1'];
    expect((await outcomeOf(startNode(words('alone', ...long)))).code).toBe(0);
    const child = startNode(words('stopped', ...long));
    const outcome = outcomeOf(child);
    const first = path('stopped.partial/checkpoints');
    while (!existsSync(first) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill('SIGTERM');
    const { code, err } = await outcome;
    expect([code, err]).toEqual([
      143,
      expect.stringMatching(/^soul: the run was stopped after \d+ of 40 steps; go on with --resume: .*\(SIGTERM\)$/m),
    ]);
    expect(err).toContain(`note: to go on: soul train --resume --out ${path('stopped')}\n`);
    const again = await soul('train', '--resume', '--out', path('stopped'));
    expect([again.code, again.err]).toEqual([0, expect.stringMatching(/^note: going on from .*, after \d+ steps?$/m)]);
    const weights = (name: string) => readFile(path(`${name}/model.safetensors`));
    expect((await weights('stopped')).equals(await weights('alone'))).toBe(true);
  });

  const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;

  (hasPython ? test : test.skip).each([
    ['ends in order', '/bin/sh', 129, false],
    ['goes on under nohup', '/usr/bin/nohup', 0, true],
  ])('%s when its terminal is closed', async (_, startedBy, code, finished) => {
    const out = `terminal-${code}`;
    const closing = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.environ['_'] = sys.argv[1]
    os.execvp(sys.argv[2], sys.argv[2:])
said = b''
while b'training' not in said:
    said += os.read(terminal, 4096)
os.close(terminal)
status = os.waitpid(pid, 0)[1]
print(os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status))`;
    const command = [process.execPath, ...words(out, '--steps', '300', '--evaluate', '0')];
    const { stdout, stderr } = spawnSync('python3', ['-c', closing, startedBy, ...command], {
      cwd: packageRoot,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(Number(stdout)).toBe(code);
    expect(existsSync(path(out))).toBe(finished);
  });
});

describeWithEngine('eval --items', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  const evaluate = (items: string, model = 'nowhere') =>
    soul(
      ...['eval', '--model', path(model), '--data', path('data.jsonl'), '--items', path(items)],
      ...['--no-generate', '--device', 'cpu', '--json'],
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-items-'));
    await writeSmallModel(folder);
    await mkdir(path('a-folder'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    ['missing/items.jsonl', /the folder .*missing does not exist/],
    ['a-folder', /it is a folder/],
    ['data.jsonl', /a file that the command reads/],
    ['data.jsonl/items.jsonl', /data\.jsonl is not a folder/],
  ])('%s is refused before anything is read', async (items, message) => {
    const { code, out, err } = await evaluate(items);
    expect(code).toBe(2);
    expect(JSON.parse(out).error.message).toMatch(message);
    expect(err).toMatch(/^soul: --items [^\n]*\n$/);
  });

  test('writes every example, and says how many were cut', async () => {
    const { code, out } = await evaluate('items.jsonl', 'model');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ examples: 1, truncated: 0, maximumLength: 64 });
    expect(JSON.parse(await readFile(path('items.jsonl'), 'utf8'))).toMatchObject({ completion: 'Nobody.' });
    const text = await soul(
      ...['eval', '--model', path('model'), '--data', path('data.jsonl'), '--no-generate', '--device', 'cpu'],
      ...['--max-length', '10'],
    );
    expect(text.out).toMatch(/^of them cut to 10 tokens +1$/m);
    expect(text.err).toMatch(/^loading the model$/m);
  });
});
