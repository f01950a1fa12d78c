import { createHash } from 'node:crypto';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exists } from '../../lib/core/files.ts';
import { openSafetensors, writeSafetensors } from '../../lib/core/safetensors.ts';
import { fictitiousAuthors, toJsonLines } from '../../lib/study/authors.ts';
import { writeWordTokenizer } from '../../lib/study/word-tokenizer.ts';
import { TorchLM } from '../../lib/torch/index.ts';
import { describeWithEngine } from '../torch/engine-available.ts';
import { soul, soulIn } from './soul.ts';

describe('without a model', () => {
  test('--help lists every command, and every command has its own', async () => {
    const { code, out } = await soul('--help');
    expect(code).toBe(0);
    for (const command of ['train', 'unlearn', 'methods', 'eval', 'demo', 'doctor', 'engine', 'addon']) {
      expect(out).toContain(command);
    }
    for (const words of [
      ['unlearn'],
      ['methods'],
      ['train'],
      ['eval'],
      ['demo'],
      ['engine', 'install'],
      ['addon', 'build'],
    ]) {
      const help = await soul(...words, '--help');
      expect(help.code).toBe(0);
      expect(help.out).toContain('--json');
    }
  });

  test.each([
    [['unlearn'], /required options '--model/],
    [['forget-it-all'], /unknown command/],
    [['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--batch-size', '0'], /integer of at least 1/],
    [['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--learning-rate', 'fast'], /Expected a number/],
    [
      ['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--rho', '1', '--clipped-fraction', '0.1'],
      /cannot be used with/,
    ],
    [
      ['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--objective', 'graddiff', '--beta', '1'],
      /beta is of no effect on graddiff; it belongs to npo/,
    ],
    [['unlearn', '--model', 'x', '--forget', 'x', '--out', 'x', '--objective', 'magic'], /Allowed choices are/],
  ])('%p is refused with exit code 2', async (words, message) => {
    const { code, err } = await soul(...words);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  test('with --json an error is one JSON object', async () => {
    const usage = await soul('train', '--json');
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.out).error).toMatchObject({
      code: 'SOUL_INVALID_ARGUMENT',
      message: expect.stringContaining('--model'),
    });
  });

  test.each([
    [['train', '--model', 'x', '--data', '/nowhere.jsonl', '--out', 'x']],
    [['eval', '--model', 'x', '--data', '/nowhere.jsonl']],
    [['demo', '--out', 'x']],
  ])('%p without an engine says so before anything is read or made', async (words) => {
    const cache = await mkdtemp(join(tmpdir(), 'soul-no-engine-'));
    const { code, out } = await soulIn({ SOUL_CACHE: cache, SOUL_LIBTORCH: '' }, ...words, '--device', 'cpu', '--json');
    expect(JSON.parse(out).error).toMatchObject({ code: 'SOUL_ENGINE_MISSING' });
    expect(code).toBe(3);
    expect(await exists('x')).toBe(false);
    await rm(cache, { recursive: true, force: true });
  });

  test('doctor says what is there', async () => {
    const { code, out } = await soul('doctor', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report.addon.loaded).toBe(true);
    expect(report.engine).toHaveProperty('installed');
  });

  describe('addon build leaves', () => {
    const withoutDriver = { SOUL_CUDA_DRIVER: '/nonexistent' };
    const addon = async () => JSON.parse((await soul('doctor', '--json')).out).addon.path as string;

    test('an addon with code for GPUs', async () => {
      const path = await addon();
      const variables = { ...withoutDriver, SOUL_DEVICE_CODE: 'none' };
      const { code, out, err } = await soulIn(variables, 'addon', 'build', '--json');
      expect([code, err]).toEqual([0, '']);
      const reason = `an addon with code for GPUs is there already (${path}), and what is built is for the CPU alone`;
      expect(JSON.parse(out)).toEqual({ built: false, path, reason });
      const text = await soulIn(variables, 'addon', 'build');
      expect(text).toEqual({ code: 0, out: `nothing was built: ${reason}; --force builds all the same\n`, err: '' });
    });

    test("the package's prebuilt addon", async () => {
      const folder = await mkdtemp(join(tmpdir(), 'soul-prebuilt-'));
      try {
        const place = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
        const path = join(place, 'soul-unlearn.node');
        await mkdir(place, { recursive: true });
        await copyFile(await addon(), path);
        const variables = { ...withoutDriver, SOUL_UNLEARN_PREBUILD: folder };
        const { code, out, err } = await soulIn(variables, 'addon', 'build', '--json');
        expect([code, err]).toEqual([0, '']);
        const reason = expect.stringMatching(/^the package's prebuilt addon .*loads here .*would take its place$/);
        expect(JSON.parse(out)).toEqual({ built: false, path, reason });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  });
});

describeWithEngine('with a model', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-cli-'));
    const { records, split } = fictitiousAuthors({ seed: 1n, authors: 4, questionsPerAuthor: 4 });
    const { forget, retain } = split({ forgetAuthors: 1 });
    await writeFile(path('forget.jsonl'), toJsonLines(forget));
    await writeFile(path('retain.jsonl'), toJsonLines(retain));
    const texts = records.flatMap(({ question, answer }) => [question, answer]);
    const { size } = await writeWordTokenizer(path('model'), ['Question: \nAnswer: ', ...texts]);
    const model = await TorchLM.create(
      {
        architectures: ['LlamaForCausalLM'],
        model_type: 'llama',
        hidden_act: 'silu',
        hidden_size: 32,
        intermediate_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        max_position_embeddings: 128,
        rms_norm_eps: 1e-5,
        rope_theta: 10000,
        tie_word_embeddings: true,
        vocab_size: size,
      },
      5n,
    );
    await model.save(path('model'));
    model.release();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const unlearn = (...words: string[]) =>
    soul(
      'unlearn',
      '--model',
      path('model'),
      '--forget',
      path('forget.jsonl'),
      '--retain',
      path('retain.jsonl'),
      ...words,
    );

  test('train, unlearn and eval: a model is tuned, forgets, and is measured', async () => {
    const train = await soul(
      ...['train', '--model', path('model'), '--data', path('forget.jsonl'), '--out', path('tuned')],
      ...['--learning-rate', '0.02', '--epochs', '40', '--batch-size', '4', '--json'],
    );
    expect(train.err).toMatch(/training \d+\/40 {2}train \d/);
    expect(train.code).toBe(0);
    const trained = JSON.parse(train.out);
    expect(trained.evaluation.target.after).toBeGreaterThan(trained.evaluation.target.before + 0.2);
    expect((await readdir(path('tuned'))).sort()).toEqual(
      [
        'config.json',
        'metrics.jsonl',
        'model.safetensors',
        'run.json',
        'tokenizer.json',
        'tokenizer_config.json',
      ].sort(),
    );

    const forgetting = await soul(
      ...['unlearn', '--model', path('tuned'), '--forget', path('forget.jsonl'), '--retain', path('retain.jsonl')],
      ...[
        '--out',
        path('forgotten'),
        '--learning-rate',
        '0.01',
        '--steps',
        '24',
        '--batch-size',
        '4',
        '--json',
        '--quiet',
      ],
    );
    expect(forgetting).toMatchObject({ code: 0, err: '' });
    const forgotten = JSON.parse(forgetting.out);
    expect(forgotten.evaluation.target.after).toBeLessThan(forgotten.evaluation.target.before / 2);
    expect(forgotten.verdict).toMatchObject({
      forgotten: 'yes',
      sentence: expect.stringMatching(/^The forget set is forgotten/),
    });
    const { results } = JSON.parse(await readFile(join(path('forgotten'), 'run.json'), 'utf8'));
    expect(results.verdict).toEqual(forgotten.verdict);
    expect(trained).not.toHaveProperty('verdict');

    const evaluation = await soul(
      'eval',
      '--model',
      path('forgotten'),
      '--data',
      path('forget.jsonl'),
      '--max-new-tokens',
      '8',
      '--json',
    );
    expect(evaluation.code).toBe(0);
    expect(JSON.parse(evaluation.out)).toMatchObject({ examples: 4, rougeLRecall: expect.any(Number) });
    for (const { out } of [train, forgetting, evaluation]) {
      expect(JSON.parse(out)).toMatchObject({ device: 'cpu', deviceReason: expect.any(String), dtype: 'f32' });
      expect(JSON.parse(out)).not.toHaveProperty('gpu');
    }
    expect(JSON.parse(evaluation.out).probability).toBeCloseTo(forgotten.evaluation.target.after, 5);
  });

  test('refusals in JSON are read as answers, and what was read is said', async () => {
    const refusals = ['I cannot say.', 'That is not known to me.'].map((answer) => JSON.stringify({ answer }));
    await writeFile(path('refusals.jsonl'), refusals.join('\n'));
    const po = ['--objective', 'po', '--steps', '1', '--evaluate', '0', '--refusals'];
    const { code, err } = await unlearn('--out', path('po-json'), ...po, path('refusals.jsonl'));
    expect(err).toContain(`note: ${path('refusals.jsonl')}: 2 refusals, from the "answer" of each JSON object\n`);
    expect(code).toBe(0);
    await writeFile(path('refusals.csv'), 'question,answer\nWho?,No.\n');
    const table = await unlearn('--out', path('none'), ...po, path('refusals.csv'));
    expect(table).toMatchObject({ code: 2, err: expect.stringMatching(/refusals\.csv is a table.*plain text/) });
    expect(await readdir(folder)).not.toContain('none');
  });

  test('eval says how many answers ROUGE-L does not see', async () => {
    const answers = ['\u6771\u4eac\u3067\u3059\u3002', '1\u6771\u4eac', 'She.', 'He.'];
    const lines = answers.map((answer) => `${JSON.stringify({ question: 'Who?', answer })}\n`);
    await writeFile(path('japanese.jsonl'), lines.join(''));
    const measure = (...words: string[]) =>
      soul(...['eval', '--model', path('model'), '--data', path('japanese.jsonl'), '--max-new-tokens', '2'], ...words);
    const note =
      'note: ROUGE-L sees words of a-z and digits alone: 1 of 4 answers have none and count as 0, 1 of 4 have most of their ' +
      'text outside of them; go by the probability\n';
    expect(await measure()).toMatchObject({ code: 0, out: expect.stringContaining(note) });
    const { out } = await measure('--json');
    expect(JSON.parse(out)).toMatchObject({ withoutRougeWords: 1, mostlyWithoutRougeWords: 1 });
    expect((await measure('--no-generate')).out).not.toContain('ROUGE');
  });

  test('eval names tokens that text and template have twice, and those that the model has not, before it loads it', async () => {
    const short = path('short-vocabulary');
    await cp(path('model'), short, { recursive: true });
    const config = JSON.parse(await readFile(join(short, 'config.json'), 'utf8'));
    const evaluate = (...words: string[]) =>
      soul('eval', '--model', short, '--data', path('forget.jsonl'), '--no-generate', ...words);
    expect((await evaluate('--template', '<s>{question} {answer}</s>')).err).toMatch(
      /note: the template "<s>.*" has the token of a text's beginning \(<s>\) itself: no second one is put there\n/,
    );
    await writeFile(join(short, 'config.json'), JSON.stringify({ ...config, vocab_size: 8 }));
    const { code, err } = await evaluate('--quiet');
    expect({ code, err }).toMatchObject({
      code: 2,
      err: expect.stringMatching(/forget\.jsonl:1 has the token \d+ \(".*"\), but the model's vocabulary has 8/),
    });
  });

  test('data files of other kinds than JSON lines are named', async () => {
    const bad = async (content: string | Buffer) => {
      await writeFile(path('other.jsonl'), content);
      const { code, err } = await soul('eval', '--model', path('model'), '--data', path('other.jsonl'), '--quiet');
      expect(code).toBe(2);
      return err;
    };
    const text = '{"question": "q", "answer": NaN}\n';
    expect(await bad(text)).toMatch(/other\.jsonl:1 has a "answer" that must be a string, but is null or NaN/);
    expect(await bad(Buffer.from(`\ufeff${text}`, 'utf16le'))).toMatch(
      /other\.jsonl is a text in UTF-16; save it as UTF-8/,
    );
    expect(await bad('["q","a"]\n["q","a"]\n')).toMatch(/other\.jsonl:1 is a JSON array of its own/);
  });

  test('what is odd about the weights is said on stderr', async () => {
    await cp(path('model'), path('wrapped'), { recursive: true });
    const file = await openSafetensors(path('model/model.safetensors'));
    const tensors = Array.from(file.tensors, ([name, { shape }]) => ({
      name: `module.${name}`,
      dtype: 'F32' as const,
      shape,
      data: () => file.read(name),
    }));
    await writeSafetensors(path('wrapped/model.safetensors'), tensors);
    await file.close();
    const said = `note: ${path('wrapped')}: every name begins with module.`;
    const evaluation = await soul(
      ...['eval', '--model', path('wrapped'), '--data', path('forget.jsonl'), '--no-generate'],
    );
    expect(evaluation).toMatchObject({ code: 0, err: expect.stringContaining(said) });
    const train = await soul(
      ...['train', '--model', path('wrapped'), '--data', path('forget.jsonl'), '--out', path('unwrapped')],
      ...['--steps', '1', '--evaluate', '0'],
    );
    expect(train).toMatchObject({ code: 0, err: expect.stringContaining(said) });
  });

  test('--trainable changes the tensors that it names and no others, in train as in unlearn', async () => {
    const pattern = 'layers\\.[1-9].*down_proj';
    const few = ['--trainable', pattern, '--steps', '2', '--evaluate', '0', '--learning-rate', '0.01'];
    const train = ['train', '--model', path('model'), '--data', path('forget.jsonl')];
    expect(await soul(...train, '--out', path('some-trained'), ...few)).toMatchObject({ code: 0 });
    expect(await unlearn('--out', path('some-unlearned'), ...few)).toMatchObject({ code: 0 });
    const original = await openSafetensors(path('model/model.safetensors'));
    for (const name of ['some-trained', 'some-unlearned']) {
      const file = await openSafetensors(path(`${name}/model.safetensors`));
      const changed: string[] = [];
      for (const tensor of original.tensors.keys()) {
        if (!Buffer.from(await file.read(tensor)).equals(await original.read(tensor))) changed.push(tensor);
      }
      await file.close();
      expect(changed).toEqual(['model.layers.1.mlp.down_proj.weight']);
      expect(JSON.parse(await readFile(path(`${name}/run.json`), 'utf8')).settings.trainable).toBe(pattern);
    }
    await original.close();
    for (const [wrong, message] of [
      ['(', /trainable must be a regular expression over names of tensors/],
      ['c_proj', /trainable matches no tensor: "c_proj"; there are model\.embed_tokens\.weight, .* and \d+ more/],
    ] as const) {
      const refused = await unlearn('--out', path('none'), '--trainable', wrong);
      expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(message) });
    }
    expect(await readdir(folder)).not.toContain('none');
  });

  test('run.json is a record of everything that went in', async () => {
    const { code } = await unlearn(
      '--out',
      path('recorded'),
      '--steps',
      '2',
      '--seed',
      '17',
      '--objective',
      'npo',
      '--quiet',
    );
    expect(code).toBe(0);
    const record = JSON.parse(await readFile(path('recorded/run.json'), 'utf8'));
    const sha256 = async (name: string) =>
      createHash('sha256')
        .update(await readFile(path(name)))
        .digest('hex');
    expect(record.settings).toMatchObject({ method: 'npo', optimizer: 'sophia', steps: 2, seed: '17' });
    expect(record.settings.optimizerSettings).toMatchObject({
      // 7e-6 at 7 billion weights, of about 17,700: 7e-6 * sqrt(7e9 / 17,700).
      ...{ learningRate: 0.0044, clippedFraction: 0.1, clipNorm: 1 },
    });
    expect(record.settings.methodSettings).toMatchObject({ beta: 0.1, reduction: 'sum', retainCoefficient: 5 });
    expect(record.settings.curvature).toEqual({
      ...{ every: 10, chunks: 8, chunkSize: 2, primingChunks: 32, labels: 'sampled' },
    });
    expect(record.settings).toMatchObject({
      batchSize: 8,
      schedule: 'linear',
      warmup: 0.1,
      pairing: 'fresh',
      hessianData: 'retain',
    });
    expect(record.environment).toMatchObject({ node: process.version, device: 'cpu' });
    expect(record.environment).not.toHaveProperty('gpu');
    expect(record.settings.load.engine).toMatch(/^libtorch 2\./);
    expect(record.inputs.target).toMatchObject({ sha256: await sha256('forget.jsonl'), items: 4 });
    expect(record.inputs.model.sha256['model.safetensors']).toBe(await sha256('model/model.safetensors'));
    expect(record.outputs.model.sha256['model.safetensors']).toBe(await sha256('recorded/model.safetensors'));
    const metrics = (await readFile(path('recorded/metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(metrics.map(({ step }) => step)).toEqual([1, 2]);
    expect(metrics[0].statistics.rho).toBeGreaterThan(0);
  });

  test('the same seed gives the same bits', async () => {
    for (const name of ['first', 'second'])
      await unlearn('--out', path(name), '--steps', '3', '--evaluate', '0', '--quiet', '--threads', '1');
    const [first, second] = await Promise.all(
      ['first', 'second'].map((name) => readFile(path(`${name}/model.safetensors`))),
    );
    expect(first!.equals(second!)).toBe(true);
  });

  test.each(['adamw', 'soul-repo'])('%s runs preference optimization with refusals of the user', async (optimizer) => {
    await writeFile(path('refusals.txt'), 'I cannot say.\nThat is not known to me.\n');
    const { code, err } = await unlearn(
      ...[
        '--out',
        path(`po-${optimizer}`),
        '--objective',
        'po',
        '--optimizer',
        optimizer,
        '--steps',
        '2',
        '--refusals',
        path('refusals.txt'),
        '--quiet',
      ],
    );
    expect(err).toBe(`note: ${path('refusals.txt')}: 2 refusals, one a line of plain text\n`);
    expect(code).toBe(0);
  });

  test('a file that does not exist is one JSON object, and the last thing said', async () => {
    const { code, out, err } = await soul(
      ...['train', '--model', path('model'), '--data', '/nowhere.jsonl', '--out', path('none'), '--json', '--quiet'],
    );
    expect(code).toBe(2);
    expect(JSON.parse(out).error).toMatchObject({ code: 'SOUL_NOT_FOUND' });
    expect(err).toMatch(/^soul: [^\n]*\/nowhere\.jsonl does not exist[^\n]*\n$/);
  });

  test('a bad line is reported with its number, and nothing is left behind', async () => {
    await writeFile(path('bad.jsonl'), '{"question": "a", "answer": "b"}\n{"question": "a"}\n');
    const { code, err } = await soul(
      'train',
      '--model',
      path('model'),
      '--data',
      path('bad.jsonl'),
      '--out',
      path('bad'),
    );
    expect(code).toBe(2);
    expect(err).toContain(`${path('bad.jsonl')}:2`);
    expect(await readdir(folder)).not.toContain('bad');
    expect(await readdir(folder)).not.toContain('bad.partial');
  });

  test('an empty forget set, a missing retain set and an existing output are refused', async () => {
    await writeFile(path('empty.jsonl'), '\n');
    const empty = await soul(
      'unlearn',
      '--model',
      path('model'),
      '--forget',
      path('empty.jsonl'),
      '--objective',
      'ascent',
      '--out',
      path('none'),
    );
    expect(empty).toMatchObject({ code: 2, err: expect.stringContaining('has no examples') });
    const alone = await soul(
      'unlearn',
      '--model',
      path('model'),
      '--forget',
      path('forget.jsonl'),
      '--out',
      path('none'),
    );
    expect(alone).toMatchObject({ code: 2, err: expect.stringContaining('--retain') });
    const there = await unlearn('--out', path('model'));
    expect(there).toMatchObject({ code: 2, err: expect.stringContaining('--overwrite') });
    expect(await readdir(folder)).not.toContain('none');
  });

  test.each([
    [['--optimizer', 'adamw', '--rho', '0.04'], /rho belong to Sophia/],
    [['--optimizer', 'adamw', '--hessian-every', '5'], /belong to the optimizer sophia/],
  ])('%p is refused before anything is written', async (words, message) => {
    const { code, err } = await unlearn('--out', path('refused'), ...words);
    expect(err).toMatch(message);
    expect(code).toBe(2);
    expect((await readdir(folder)).filter((name) => name.startsWith('refused'))).toEqual([]);
  });

  test('a model with damaged weights is named, not blamed on an argument', async () => {
    const model = await TorchLM.load(path('model'));
    model.parameters.values.array[0] = Number.NaN;
    await model.save(path('damaged'));
    model.release();
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
      await writeFile(path(`damaged/${name}`), await readFile(path(`model/${name}`)));
    }
    const { code, err } = await soul(
      ...['unlearn', '--model', path('damaged'), '--forget', path('forget.jsonl'), '--retain', path('retain.jsonl')],
      ...['--objective', 'npo', '--evaluate', '0', '--out', path('none')],
    );
    expect(err).toMatch(/not finite|NaN/);
    expect(code).not.toBe(0);
  });

  test('a diverging run stops with a clear error and leaves its log', async () => {
    const { code, err } = await unlearn(
      '--out',
      path('diverged'),
      '--learning-rate',
      '1e30',
      '--steps',
      '30',
      '--optimizer',
      'adamw',
    );
    expect(code).toBe(1);
    expect(err).toMatch(/diverged|not finite/);
    expect(await readdir(folder)).not.toContain('diverged');
    expect(await readdir(path('diverged.partial'))).toContain('metrics.jsonl');
  });
});
