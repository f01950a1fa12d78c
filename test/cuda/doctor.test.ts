import { describe, expect, test } from '@jest/globals';
import { soulIn } from '../cli/soul.ts';
import { emulatedDriver, incompleteDriver } from './set-up.ts';

const onEmulatedDevices = { SOUL_CUDA_DRIVER: emulatedDriver, SOUL_DEVICE_CODE: 'none' };

/** What doctor reports of devices. */
async function reportedDevices(variables: Record<string, string>) {
  const { code, err, out } = await soulIn(variables, 'doctor', '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out).devices;
}

describe('doctor', () => {
  test('shows every device, and which code runs there', async () => {
    const { cuda, auto } = await reportedDevices(onEmulatedDevices);
    expect(cuda).toMatchObject({ available: true, driverVersion: '13.0', deviceCode: true });
    expect(cuda.problem).toBeUndefined();
    expect(cuda.devices).toMatchObject([
      { name: 'cuda:0', architecture: 'sm_90', machineCode: expect.stringContaining('sm_90') },
      { name: 'cuda:1', architecture: 'sm_86', machineCode: expect.stringContaining('sm_86') },
    ]);
    // Whether the engine of this machine can use a GPU is its own affair.
    expect(auto.device).toBe(/engine/.test(auto.reason) ? 'cpu' : 'cuda:0');
    const { out: text } = await soulIn(onEmulatedDevices, 'doctor');
    expect(text).toMatch(/^driver +CUDA 13\.0$/m);
    expect(text).toMatch(/^cuda:0 .*sm_90.*GiB; runs code for .*sm_90/m);
  });

  test.each([
    ['a driver that is too old', { SOUL_EMULATED_VERSION: '12040' }, /12\.4.*580/],
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
