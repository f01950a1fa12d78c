import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeWithEngine } from '../torch/engine-available.ts';
import { writeSmallModel } from './small-model.ts';
import { soul } from './soul.ts';

describeWithEngine('other answers that a decoder makes', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-generated-'));
    await writeSmallModel(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const unlearn = (out: string, ...more: string[]) =>
    soul(
      ...[
        'unlearn',
        '--model',
        path('model'),
        '--forget',
        path('data.jsonl'),
        '--method',
        'altpo',
        '--retain-weight',
        '0',
      ],
      ...[
        '--out',
        path(out),
        '--steps',
        '2',
        '--device',
        'cpu',
        '--threads',
        '1',
        '--evaluate',
        '0',
        '--quiet',
        ...more,
      ],
    );

  test('are written, and a run from their file makes the same model', async () => {
    expect(await unlearn('made', '--generate-alternatives', '2', '--with-text')).toMatchObject({ code: 0 });
    const answers = (await readFile(path('made/alternatives.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers).toHaveLength(2);
    for (const { question, answer } of answers)
      expect([question, answer !== '' && answer !== 'Nobody.']).toEqual(['Who?', true]);
    const { inputs } = JSON.parse(await readFile(path('made/run.json'), 'utf8'));
    expect(inputs.alternatives.generated).toMatchObject({ questions: 1, temperature: 1 });
    expect(await unlearn('read', '--alternatives', path('made/alternatives.jsonl'))).toMatchObject({ code: 0 });
    const weights = (name: string) => readFile(path(`${name}/model.safetensors`));
    expect(await weights('read')).toEqual(await weights('made'));
  });
});
