import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { WatchServer } from '../../lib/report/watch/serve.ts';
import { captured } from '../cli/captured.ts';
import { outcomeOf, soulWords, startNode } from '../cli/soul.ts';
import { stepLine, writeRun } from './made-run.ts';
import { madeStudy, madeTrials, writeStudy } from './made-study.ts';

let folder: string;
let server: WatchServer | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soul-watch-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** An answer whose reading ends when it ends, or when `until` is in it. */
function ask(path: string, options: { method?: string; headers?: object; until?: RegExp } = {}): Promise<Answer> {
  const { until, ...others } = options;
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server!.port, path, ...others } as object, (response) => {
      let text = '';
      const end = () => resolve({ status: response.statusCode!, headers: response.headers, text });
      response.on('data', (part) => {
        text += part;
        if (until?.test(text)) {
          end();
          sent.destroy();
        }
      });
      response.on('end', end);
    });
    sent.on('error', reject);
    sent.end();
  });
}

test('the page is served to this machine, and no page from elsewhere reads or frames it', async () => {
  await writeRun(join(folder, 'run'));
  server = await WatchServer.start(join(folder, 'run'));
  expect(server.url).toBe(`http://127.0.0.1:${server.port}/`);
  const page = await ask('/');
  expect(page.status).toBe(200);
  expect(page.text).toContain('<h1>Run: graddiff, sophia</h1>');
  expect(page.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  });
  const policy = String(page.headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).toContain("connect-src 'self'");
  expect(policy).not.toContain('unsafe');
  // What a name that leads here by somebody else's DNS would be asked for.
  for (const host of [`evil.example:${server.port}`, '127.0.0.1', 'localhost', '127.0.0.1:1', '[::1]']) {
    expect([host, (await ask('/', { headers: { Host: host } })).status]).toEqual([host, 421]);
  }
  expect((await ask('/', { headers: { Host: `localhost:${server.port}` } })).status).toBe(200);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) expect((await ask('/', { method })).status).toBe(405);
  expect(await ask('/', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  for (const path of ['/run.json', '/../run/run.json', '/%2e%2e/run.json', '//', '/?x', '/content/x']) {
    expect((await ask(path)).status).toBe(404);
  }
});

test('a change is told, and the page is another', async () => {
  await writeRun(join(folder, 'run.partial'), { finished: false, steps: 5 });
  server = await WatchServer.start(join(folder, 'run'), { every: 0.05 });
  const before = await ask('/content');
  const versionOf = (text: string) => /data-version="(\w+)"/.exec(text)![1];
  const events = ask('/events', { until: /event: changed[\s\S]*event: changed/ });
  await appendFile(join(folder, 'run.partial/metrics.jsonl'), `${JSON.stringify(stepLine(6, 30))}\n`);
  const { text, headers } = await events;
  expect(headers['content-type']).toBe('text/event-stream; charset=utf-8');
  const versions = [...text.matchAll(/data: (\w+)/g)].map(([, version]) => version);
  const after = await ask('/content');
  expect(versions).toEqual([versionOf(before.text), versionOf(after.text)]);
  expect(after.text).toContain('<dd>6 of 30</dd>');
});

test('a trial that is done is told', async () => {
  const study = madeStudy();
  const trials = madeTrials(study);
  await writeStudy(join(folder, 'study'), study, trials.slice(1));
  server = await WatchServer.start(join(folder, 'study'), { every: 0.05 });
  expect((await ask('/')).text).toContain('35 of 36 trials');
  const events = ask('/events', { until: /event: changed[\s\S]*event: changed/ });
  await writeStudy(join(folder, 'study'), study, trials.slice(0, 1));
  await events;
  expect((await ask('/')).text).toContain('36 of 36 trials');
});

test('a run that is done is found under its name', async () => {
  await writeRun(join(folder, 'run.partial'), { finished: false });
  server = await WatchServer.start(join(folder, 'run'), { every: 0.05 });
  const events = ask('/events', { until: /event: changed[\s\S]*event: changed/ });
  await writeRun(join(folder, 'done'));
  await rm(join(folder, 'run.partial'), { recursive: true });
  await rename(join(folder, 'done'), join(folder, 'run'));
  await events;
  expect((await ask('/')).text).toContain('The run finished.');
});

test('a folder that can no longer be read leaves the page as it was, and says so', async () => {
  await writeRun(join(folder, 'run'));
  server = await WatchServer.start(join(folder, 'run'), { every: 0.05 });
  const events = ask('/events', { until: /event: problem/ });
  await writeFile(join(folder, 'run/run.json'), '{');
  expect((await events).text).toMatch(/event: problem\ndata: ".*run\.json.*"/);
  expect((await ask('/')).text).toContain('<h1>Run: graddiff, sophia</h1>');
});

test('what cannot be watched is refused before anything is served', async () => {
  expect(await captured('watch', join(folder, 'none'))).toMatchObject({ code: 2, out: '' });
  expect(await captured('watch', folder)).toMatchObject({ code: 2, err: expect.stringContaining('neither') });
  expect(await captured('watch', folder, '--port', '70000')).toMatchObject({ code: 2 });
  await writeRun(join(folder, 'run'));
  server = await WatchServer.start(join(folder, 'run'));
  const taken = await captured('watch', join(folder, 'run'), '--port', String(server.port));
  expect(taken).toMatchObject({ code: 2, err: expect.stringContaining('name another') });
});

test('the command prints the address and ends by Ctrl-C', async () => {
  await writeRun(join(folder, 'run'));
  const child = startNode([...soulWords, 'watch', join(folder, 'run'), '--json']);
  const outcome = outcomeOf(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGINT');
  const { code, out, err } = await outcome;
  const { url, port } = JSON.parse(out);
  expect([code, err, url]).toEqual([0, '', `http://127.0.0.1:${port}/`]);
});
