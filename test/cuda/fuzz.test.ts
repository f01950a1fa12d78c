import { expect, test } from '@jest/globals';
import { type Device, describeDevices, FlatBuffer } from '../../lib/index.ts';
import { useStream } from '../../lib/unsafe.ts';
import { fuzzCalls } from '../native/fuzz-calls.ts';

test('random calls on memory of devices end in typed errors or success, and the devices go on', async () => {
  const devices = describeDevices().cuda.devices.map(({ name }) => name);
  const places: Device[] = ['cpu', ...devices, devices[0]!];
  const { succeeded, errors, untyped, neverSucceeded } = await fuzzCalls({ calls: 6000, seed: 20_260_301n, places });
  expect(untyped).toEqual([]);
  expect(neverSucceeded).toEqual([]);
  expect(succeeded).toBeGreaterThan(1000);
  expect(errors.SOUL_INVALID_ARGUMENT).toBeGreaterThan(500);
  expect(errors.SOUL_DEVICE_FAILED).toBeUndefined();

  for (const device of devices) {
    await useStream({ device, stream: 0n });
    const buffer = FlatBuffer.alloc(3, { device });
    await buffer.fill(2);
    expect([...(await buffer.toFloat32Array())]).toEqual([2, 2, 2]);
  }
});
