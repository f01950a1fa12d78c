import { describe, expect, test } from '@jest/globals';
import { AdamW, type Device, describeDevices, dot, FlatBuffer, machineCode, Sophia, scale } from '../../lib/index.ts';
import { hashed } from '../optim/hashed.ts';
import { emulated } from './set-up.ts';

const { devices } = describeDevices().cuda;
const second: Device | undefined = devices[1]?.name;
const whereThereAreTwo = second === undefined ? describe.skip : describe;

whereThereAreTwo('two devices in one process', () => {
  const both: Device[] = ['cuda:0', second ?? 'cuda:0'];

  test('are described, each with its own code', () => {
    for (const device of both) expect(machineCode(device)).toMatch(/^sm_\d+/);
    if (emulated) {
      expect(both.map(machineCode)).toEqual(['sm_90', 'sm_86']);
      expect(devices.map(({ multiprocessors }) => multiprocessors)).toEqual([2, 3]);
    }
  });

  test('copy to each other, in order, whatever the dtypes and starts', async () => {
    const length = 5003;
    for (const dtype of ['f32', 'bf16'] as const) {
      const [first, other] = both.map((device) => FlatBuffer.alloc(length, { device, dtype }));
      first!.copyFrom(hashed(3, length));
      const wanted = await first!.toFloat32Array();
      for (let i = 1; i <= 10; i++) {
        other!.view(i).copyFrom(first!.view(0, length - i));
        first!.fill(-1);
        first!.view(0, length - i).copyFrom(other!.view(i));
        other!.fill(7);
      }
      const found = await first!.toFloat32Array();
      expect(found.subarray(0, length - 10)).toEqual(wanted.subarray(0, length - 10));
      expect(found.subarray(length - 1)).toEqual(Float32Array.of(-1));
    }
  });

  test.each(['sophia', 'adamw'] as const)('step at the same time, each as alone: %s', async (name) => {
    const length = 3001;
    const make = (device: Device) => {
      const values = FlatBuffer.alloc(length, { device });
      const gradients = FlatBuffer.alloc(length, { device });
      values.copyFrom(hashed(1, length));
      gradients.copyFrom(hashed(2, length));
      if (name === 'adamw') return new AdamW({ values, gradients }, { learningRate: 0.01 });
      const sophia = new Sophia({ values, gradients }, { learningRate: 0.01 });
      sophia.updateHessian({ batchSize: 2, prime: true });
      return sophia;
    };
    const alone = make('cpu');
    for (let i = 0; i < 4; i++) await alone.step();
    const together = both.map(make);
    for (let i = 0; i < 4; i++) for (const optimizer of together) optimizer.step();
    const wanted = await alone.parameters.values.toFloat32Array();
    for (const { parameters } of together) expect(await parameters.values.toFloat32Array()).toEqual(wanted);
  });

  test('give sums of their own at the same time', async () => {
    const buffers = both.map((device) => FlatBuffer.alloc(1000, { device }));
    const sums = buffers.flatMap((buffer, i) => {
      buffer.fill(i + 1);
      const before = dot(buffer, buffer);
      scale(buffer, 2);
      return [before, dot(buffer, buffer)];
    });
    expect(await Promise.all(sums)).toEqual([1000, 4000, 4000, 16_000]);
  });
});
