import { describe, expect, test } from '@jest/globals';
import { errorCodes } from '../../lib/core/errors.ts';
import { incompleteDriver, onEmulatedDevices, printed, type Variables } from './set-up.ts';

/** What a program prints where the emulated devices play something. */
const played = (program: string, variables: Variables = {}, flags: readonly string[] = []) =>
  printed(program, { variables: { ...onEmulatedDevices, ...variables }, flags });

const [lost, noMemory] = ['SOUL_DEVICE_FAILED', 'SOUL_OUT_OF_MEMORY'];

describe('a machine on which no device can be used says why, and the CPU does its work', () => {
  test.each<[string, Variables, RegExp]>([
    ['no driver', { SOUL_CUDA_DRIVER: '/nowhere/libcuda.so.1' }, /\/nowhere\/libcuda\.so\.1.*install.*580/],
    ['an old driver', { SOUL_EMULATED_VERSION: '12040' }, /supports CUDA 12\.4, but 13\.0 is needed.*580/],
    ['a driver without a function', { SOUL_CUDA_DRIVER: incompleteDriver }, /lacks cu\w+.*update/],
    ['no device', { SOUL_EMULATED_DEVICES: '0' }, /shows no GPU.*nvidia-smi/],
    ['a driver that does not start', { SOUL_EMULATED_FAIL: 'cuInit:1+:803' }, /cuInit.*SYSTEM_DRIVER_MISMATCH/],
    ['a device that says nothing', { SOUL_EMULATED_FAIL: 'cuDeviceGetAttribute:1+:999' }, /cuDeviceGetAttribute/],
  ])('%s', (_, variables, sentence) => {
    const program = `
      const { cuda } = describeDevices();
      print([cuda.available, cuda.problem]);
      print(await ending(() => FlatBuffer.alloc(4, { device: 'cuda' })));
      print(await ending(() => machineCode('cuda')));
      print(await codeOf(() => useStream({ device: 'cuda', stream: 0n })));
      print(await cpuWorks());
    `;
    const [described, allocated, code, stream, cpu] = played(program, variables);
    expect(described).toEqual([false, expect.stringMatching(sentence)]);
    const [, problem] = described as [boolean, string];
    expect(problem).not.toContain('\n');
    const unsupported = { name: 'SoulError', code: 'SOUL_UNSUPPORTED', message: expect.stringContaining(problem) };
    expect([allocated, code]).toEqual([unsupported, unsupported]);
    expect([stream, cpu]).toEqual(['SOUL_UNSUPPORTED', true]);
  });

  test('a device that there is not', () => {
    const program = `
      print(await ending(() => FlatBuffer.alloc(4, { device: 'cuda:2' })));
      print(await codeOf(() => FlatBuffer.alloc(4, { device: 'cuda:1' })));
    `;
    const [third, second] = played(program);
    expect(third).toMatchObject({
      code: 'SOUL_UNSUPPORTED',
      message: expect.stringMatching(/no cuda:2.*cuda:0 to cuda:1/),
    });
    expect(second).toBe('none');
  });

  test('code that is not for the device', () => {
    const program = `
      print(await ending(() => machineCode('cuda')));
      const buffer = FlatBuffer.alloc(4, { device: 'cuda' });
      print(await ending(() => scale(buffer, 2)));
      print(await cpuWorks());
    `;
    const [asked, used, cpu] = played(program, { SOUL_EMULATED_FAIL: 'cuModuleLoadData:1+:209' });
    const refused = { code: 'SOUL_UNSUPPORTED', message: expect.stringMatching(/no code for .*sm_90/) };
    expect(asked).toMatchObject(refused);
    expect(used).toMatchObject(refused);
    expect(cpu).toBe(true);
  });

  test('code that the driver compiled is told from machine code', () => {
    const program = "print([machineCode('cuda:0'), machineCode('cuda:1')]);";
    expect(played(program)).toEqual([['sm_90', 'sm_86']]);
    const [[first]] = played(program, { SOUL_EMULATED_PTX: '75' }) as [string[]];
    expect(first).toMatch(/^sm_90.*compute_75/);
  });
});

describe('memory that runs out', () => {
  test('memory that was given up, and is still in use, is waited for', () => {
    const program = `
      const [length, options] = [150_000, { device: 'cuda' }];
      const first = FlatBuffer.alloc(length, options);
      await first.fill(1);
      const scaled = scale(first, 2);
      first.release();
      const second = FlatBuffer.alloc(length, options);
      await scaled;
      await second.fill(3);
      print([(await second.toFloat32Array())[length - 1], await codeOf(() => FlatBuffer.alloc(length, options))]);
    `;
    // Room for one of the two, and for what jobs need beside.
    const variables = { SOUL_EMULATED_MEMORY: String(1_100_000), SOUL_EMULATED_DELAY: '100' };
    expect(played(program, variables)).toEqual([[3, noMemory]]);
  });

  test('is an error with the figures, and there is room again after a release', () => {
    const program = `
      const first = FlatBuffer.alloc(2_000_000, { device: 'cuda' });
      print(await ending(() => FlatBuffer.alloc(1_000_000, { device: 'cuda' })));
      print(await codeOf(() => FlatBuffer.alloc(1_000_000, { device: 'cuda:1' })));
      await first.release();
      const second = FlatBuffer.alloc(1_000_000, { device: 'cuda' });
      await second.fill(2);
      print((await second.toFloat32Array())[999_999]);
    `;
    const [refused, elsewhere, value] = played(program, { SOUL_EMULATED_MEMORY: '9000000' });
    expect(refused).toMatchObject({
      code: noMemory,
      message: expect.stringMatching(/cuda:0 is out of memory: 4000000 bytes.*9000000/),
    });
    expect([elsewhere, value]).toEqual(['none', 2]);
  });

  test('is not waited for where its release failed', () => {
    const program = `
      const first = FlatBuffer.alloc(200_000, { device: 'cuda' });
      await first.fill(1);
      process.env.SOUL_EMULATED_FAIL = 'cuEventRecord:1+:1';
      print(await codeOf(() => first.release()));
      process.env.SOUL_EMULATED_FAIL = '';
      const begun = performance.now();
      print(await codeOf(() => FlatBuffer.alloc(2_000_000, { device: 'cuda' })));
      print(performance.now() - begun);
    `;
    const [released, allocated, milliseconds] = played(program, { SOUL_EMULATED_MEMORY: '1000100' });
    expect([released, allocated]).toEqual([lost, noMemory]);
    // What may yet become free is waited for ten seconds.
    expect(milliseconds).toBeLessThan(5000);
  });

  test('in the middle of work fails that work alone', () => {
    // Room for the buffer, not for what its sum needs beside it.
    const program = `
      const buffer = FlatBuffer.alloc(250_000, { device: 'cuda' });
      await buffer.fill(2);
      print(await codeOf(() => squaredNorm(buffer)));
      await buffer.fill(3);
      print((await buffer.toFloat32Array())[249_999]);
      print(await cpuWorks());
    `;
    expect(played(program, { SOUL_EMULATED_MEMORY: '1000100' })).toEqual([noMemory, 3, true]);
  });
});

describe('a device that fails', () => {
  const steps = `
    const sophia = optimizerOn('cuda', 3000);
    await sophia.updateHessian({ batchSize: 1, prime: true });
    const pending = Array.from({ length: 12 }, () => codeOf(() => sophia.step()));
    const codes = await Promise.all(pending);
  `;

  test.each([
    ['vanishes in the middle of a step', { SOUL_EMULATED_LOST_AFTER: '20' }],
    ['meets an illegal address', { SOUL_EMULATED_FAULT: '20' }],
  ])('when it %s rejects what is pending and all that follows', (_, variables) => {
    const program = `${steps}
      print(codes);
      print([await codeOf(() => sophia.step()), await codeOf(() => FlatBuffer.alloc(4, { device: 'cuda' }))]);
      print(await ending(() => sophia.parameters.values.toFloat32Array()));
      print(await codeOf(() => sophia.release()));
      const other = optimizerOn('cuda:1', 3000);
      print([await codeOf(() => other.step()), await cpuWorks()]);
    `;
    const [codes, after, read, released, elsewhere] = played(program, variables);
    const failed = (codes as string[]).indexOf(lost);
    expect(failed).toBeGreaterThanOrEqual(0);
    expect(codes).toEqual([...new Array(failed).fill('none'), ...new Array(12 - failed).fill(lost)]);
    expect(after).toEqual([lost, lost]);
    expect(read).toMatchObject({
      name: 'SoulError',
      code: lost,
      message: expect.stringMatching(/CUDA_ERROR_\w+.*restart/),
    });
    expect(['none', lost]).toContain(released);
    expect(elsewhere).toEqual(['none', true]);
  });

  test('to launch one kernel rejects the call that wanted it, and goes on', () => {
    const program = `
      const buffer = FlatBuffer.alloc(20_000, { device: 'cuda' });
      await buffer.fill(1);
      const pending = [2, 3, 5].map((factor) => codeOf(() => scale(buffer, factor)));
      print(await Promise.all(pending));
      print((await buffer.toFloat32Array())[19_999]);
    `;
    const [codes, value] = played(program, { SOUL_EMULATED_FAIL: 'cuLaunchKernel:2:701' });
    expect(codes).toEqual(['none', lost, 'none']);
    expect(value).toBe(10);
  });
});

/** Every function of the driver that work calls, and what it may refuse with. */
const functions = [
  'cuDevicePrimaryCtxRetain',
  'cuCtxSetCurrent',
  'cuModuleLoadData',
  'cuModuleGetFunction',
  'cuFuncGetAttribute',
  'cuLaunchKernel',
  'cuMemAlloc_v2',
  'cuMemFree_v2',
  'cuMemGetInfo_v2',
  'cuMemHostAlloc',
  'cuMemFreeHost',
  'cuMemcpyHtoDAsync_v2',
  'cuMemcpyDtoHAsync_v2',
  'cuMemcpyDtoDAsync_v2',
  'cuMemcpyPeerAsync',
  'cuMemsetD8Async',
  'cuMemsetD16Async',
  'cuMemsetD32Async',
  'cuPointerGetAttribute',
  'cuStreamSynchronize',
  'cuStreamWaitEvent',
  'cuEventCreate',
  'cuEventDestroy_v2',
  'cuEventRecord',
  'cuEventSynchronize',
  'cuEventElapsedTime',
];

describe('a driver that refuses a call', () => {
  /** Work that calls each function; every part ends with a value or an error of ours. */
  const program = `
    const { nativeAddon } = await import('./lib/core/addon.ts');
    const { fromPointer, pointerOf } = await import('./lib/unsafe.ts');
    /** Large enough for the dispatcher, or done at once. */
    const everything = async (length) => {
      const codes = [];
      const attempt = async (call) => { codes.push(await codeOf(call)); };
      let a, b, c, h, sophia;
      await attempt(() => { a = FlatBuffer.alloc(length, { device: 'cuda' }); b = FlatBuffer.alloc(length, { device: 'cuda' }); });
      await attempt(() => { c = FlatBuffer.alloc(length, { device: 'cuda:1' }); });
      await attempt(() => { h = FlatBuffer.alloc(length, { device: 'cuda', dtype: 'bf16' }); });
      if (a && b && c && h) {
        await Promise.all([
          attempt(() => a.fill(1)), attempt(() => h.fill(1)), attempt(() => b.copyFrom(new Float32Array(length))),
          attempt(() => b.copyFrom(a)), attempt(() => c.copyFrom(a)), attempt(() => axpy(2, a, b)),
          attempt(() => dot(a, b)), attempt(() => h.copyFrom(a)), attempt(() => a.toFloat32Array()),
          attempt(() => nativeAddon().deviceTime(0)), attempt(() => machineCode('cuda')),
          attempt(() => useStream({ device: 'cuda', stream: 0x1000n })),
          attempt(() => useStream({ device: 'cuda', stream: 0n })),
          attempt(() => fromPointer({ pointer: pointerOf(a), length, device: 'cuda', owner: a }).fill(2)),
        ]);
        await attempt(async () => { sophia = optimizerOn('cuda', length); });
        if (sophia) {
          await Promise.all([
            attempt(() => sophia.updateHessian({ batchSize: 1, prime: true })), attempt(() => sophia.step()),
            attempt(() => sophia.step()),
          ]);
          await attempt(() => sophia.release());
        }
      }
      for (const buffer of [a, b, c, h]) if (buffer) await attempt(() => buffer.release());
      return codes;
    };
    for (const length of [100, 20_000]) {
      for (const call of ['1', '2', '1+']) {
        process.env.SOUL_EMULATED_FAIL = process.env.REFUSED + ':' + call + ':1';
        print(await everything(length));
      }
      process.env.SOUL_EMULATED_FAIL = '';
      const buffer = FlatBuffer.alloc(length, { device: 'cuda' });
      await buffer.fill(3);
      print([await dot(buffer, buffer) === 9 * length, await cpuWorks()]);
    }
  `;
  const known = new Set(['none', ...Object.keys(errorCodes)]);

  test.each(functions)('is one error of the call that needed it: %s', (name) => {
    const lines = played(program, { REFUSED: name });
    expect(lines.length).toBe(8);
    expect([lines[3], lines[7]]).toEqual([
      [true, true],
      [true, true],
    ]);
    const codes = lines.flat().filter((code) => typeof code === 'string');
    expect(codes.filter((code) => !known.has(code))).toEqual([]);
    expect(codes).not.toContain('SOUL_INTERNAL');
  });
});
