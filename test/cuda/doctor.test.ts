import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cudaLibrary } from '../../lib/torch/cuda-libraries.ts';
import { binaryName, engineFolder, expectedStamp, stampName } from '../../lib/torch/engine-binary.ts';
import { soulIn } from '../cli/soul.ts';
import { emulatedDriver, incompleteDriver, printed } from './set-up.ts';

const onEmulatedDevices = { SOUL_CUDA_DRIVER: emulatedDriver, SOUL_DEVICE_CODE: 'none' };

/** What doctor reports of devices. */
async function reportedDevices(variables: Record<string, string>) {
  const { code, err, out } = await soulIn(variables, 'doctor', '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out).devices;
}

describe('doctor', () => {
  test('shows every device, and which code runs there', async () => {
    const { cuda } = await reportedDevices(onEmulatedDevices);
    expect(cuda).toMatchObject({ available: true, driverVersion: '13.0', deviceCode: true });
    expect(cuda.problem).toBeUndefined();
    expect(cuda.devices).toMatchObject([
      { name: 'cuda:0', architecture: 'sm_90', machineCode: expect.stringContaining('sm_90') },
      { name: 'cuda:1', architecture: 'sm_86', machineCode: expect.stringContaining('sm_86') },
    ]);
    const { out: text } = await soulIn(onEmulatedDevices, 'doctor');
    expect(text).toMatch(/^driver +CUDA 13\.0$/m);
    expect(text).toMatch(/^cuda:0 .*sm_90.*GiB; runs code for .*sm_90/m);
  });

  test('shows the version of a driver that is too old, and its devices', async () => {
    const variables = { ...onEmulatedDevices, SOUL_EMULATED_VERSION: '12040' };
    const { cuda, auto } = await reportedDevices(variables);
    expect(cuda).toMatchObject({
      available: false,
      problem: expect.stringMatching(/12\.4.*580/),
      driverVersion: '12.4',
      devices: [
        { name: 'cuda:0', architecture: 'sm_90' },
        { name: 'cuda:1', architecture: 'sm_86' },
      ],
    });
    expect(cuda.devices[0].machineCode).toBeUndefined();
    expect(auto).toEqual({ device: 'cpu', reason: cuda.problem });
    const { out: text } = await soulIn(variables, 'doctor');
    expect(text).toMatch(/^driver +CUDA 12\.4(, NVIDIA [\d.]+)?$/m);
    expect(text).toMatch(/^cuda:1 .*sm_86/m);
    expect(text).toMatch(/^--device auto +cpu: .*12\.4.*580/m);
  });

  test.each([
    ['a library that is no driver', { SOUL_CUDA_DRIVER: incompleteDriver }, /lacks cu\w+.*580/],
    ['no device', { SOUL_EMULATED_DEVICES: '0' }, /no GPU/],
  ])('says in one sentence what is wrong: %s', async (_, variables, problem) => {
    const { cuda, auto } = await reportedDevices({ ...onEmulatedDevices, ...variables });
    expect(cuda).toMatchObject({ available: false, problem: expect.stringMatching(problem), devices: [] });
    expect(auto).toEqual({ device: 'cpu', reason: cuda.problem });
  });

  test('shows a device that cannot be taken up, with the reason', async () => {
    const variables = { ...onEmulatedDevices, SOUL_EMULATED_FAIL: 'cuDevicePrimaryCtxRetain:1+:46' };
    const { cuda } = await reportedDevices(variables);
    expect(cuda.devices[0].machineCode).toBeUndefined();
    expect(cuda.devices[0].problem).toMatch(/cuDevicePrimaryCtxRetain failed/);
  });
});

/** The files by which an engine is found that can use a GPU; there is nothing in them. */
async function writeEngine(folder: string): Promise<Record<string, string>> {
  const libtorch = join(folder, 'torch');
  const cache = join(folder, 'cache');
  await mkdir(join(libtorch, 'include', 'ATen'), { recursive: true });
  await mkdir(dirname(join(libtorch, cudaLibrary)), { recursive: true });
  for (const library of [cudaLibrary, join('lib', 'libtorch_cpu.so')]) await writeFile(join(libtorch, library), '');
  await writeFile(join(libtorch, 'version.py'), "__version__ = '2.13.0+cu130'");
  const before = process.env.SOUL_CACHE;
  process.env.SOUL_CACHE = cache;
  const stamp = expectedStamp({ folder: libtorch, version: '2.13.0+cu130' });
  const place = engineFolder(stamp);
  if (before === undefined) delete process.env.SOUL_CACHE;
  else process.env.SOUL_CACHE = before;
  await mkdir(place, { recursive: true });
  await writeFile(join(place, binaryName), '');
  await writeFile(join(place, stampName), JSON.stringify(stamp));
  return { SOUL_LIBTORCH: libtorch, SOUL_CACHE: cache };
}

describe('--device auto, with an engine that can use a GPU', () => {
  let folder: string;
  let engine: Record<string, string>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'soul-doctor-'));
    engine = await writeEngine(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** What doctor says of it where the emulated devices play something. */
  const reported = (failures: string) =>
    reportedDevices({ ...onEmulatedDevices, ...engine, SOUL_EMULATED_FAIL: failures });

  test('is the first GPU', async () => {
    const { cuda, auto } = await reported('');
    expect(auto).toEqual({ device: 'cuda:0', reason: `${cuda.devices[0].model} can be used` });
  });

  // doctor takes up every device, and then those that auto tries.
  test.each([
    [
      'which others hold',
      'cuDevicePrimaryCtxRetain:1:46,cuDevicePrimaryCtxRetain:3:46',
      /cuDevicePrimaryCtxRetain failed/,
    ],
    ['for which there is no code', 'cuModuleLoadData:1:209,cuModuleLoadData:3:209', /no code for/],
  ])('passes over a GPU %s', async (_, failures, problem) => {
    const { cuda, auto } = await reported(failures);
    const [first, second] = cuda.devices;
    expect(first.problem).toMatch(problem);
    expect(second.problem).toBeUndefined();
    expect(auto).toEqual({
      device: 'cuda:1',
      reason: `${second.model} can be used; cuda:0 cannot be used: ${first.problem}`,
    });
  });

  test('is the CPU where no GPU can be taken up, with the reasons', async () => {
    const { cuda, auto } = await reported('cuDevicePrimaryCtxRetain:1+:46');
    const reasons = cuda.devices.map(
      ({ problem }: { problem: string }, i: number) => `cuda:${i} cannot be used: ${problem}`,
    );
    expect(auto).toEqual({ device: 'cpu', reason: reasons.join('; ') });
  });

  test('a GPU that was asked for and cannot be taken up is refused before anything is read', async () => {
    const variables = { ...onEmulatedDevices, ...engine, SOUL_EMULATED_FAIL: 'cuDevicePrimaryCtxRetain:1+:46' };
    const { code, err } = await soulIn(variables, 'eval', '--model', 'x', '--data', 'x.jsonl', '--device', 'cuda:1');
    expect(err).toMatch(/--device cuda:1 cannot be used: .*cuDevicePrimaryCtxRetain failed/);
    expect(code).toBe(2);
  });
});

test('what records of work name: the GPU, its code and the driver', () => {
  const program = `
    const { recordDevice } = await import('./lib/core/devices.ts');
    const { model } = describeDevices().cuda.devices[1];
    print([recordDevice('cuda:1'), model, await codeOf(() => recordDevice('cuda:2'))]);
  `;
  const [[record, model, missing]] = printed(program, { variables: onEmulatedDevices }) as [[object, string, string]];
  expect(record).toMatchObject({ model, architecture: 'sm_86', machineCode: 'sm_86', cuda: '13.0' });
  expect(missing).toBe('SOUL_UNSUPPORTED');
});
