import { describe, expect, it } from '@jest/globals';
import {
  countsOf,
  problemsOf,
  readAccesses,
  readCompilerReport,
  readWarning,
  registerTable,
} from '../../scripts/check-device-code.mjs';

/** The form in which ptxas -v writes. */
function reportOf(...kernels: { name: string; stack?: number; stored?: number; loaded?: number }[]): string {
  return [
    'ptxas info    : 0 bytes gmem',
    ...kernels.flatMap(({ name, stack = 0, stored = 0, loaded = 0 }) => [
      `ptxas info    : Compiling entry function '${name}' for 'sm_90'`,
      `ptxas info    : Function properties for ${name}`,
      `    ${stack} bytes stack frame, ${stored} bytes spill stores, ${loaded} bytes spill loads`,
      `ptxas info    : Used 40 registers, used 1 barriers, ${stack} bytes cumulative stack size, 64 bytes smem`,
      'ptxas info    : Compile time = 4.861 ms',
    ]),
  ].join('\n');
}

const ptx = `
.visible .entry soul_wide(
	.param .align 8 .b8 soul_wide_param_0[24]
)
.maxntid 512
{
	ld.param.v2.u64 	{%rd1, %rd2}, [soul_wide_param_0];
	ld.global.v4.u32 	{%r4, %r5, %r6, %r7}, [%rd12];
	@%p1 st.global.v4.u32 	[%rd15], {%r4, %r5, %r6, %r7};
	st.global.f32 	[%rd15], %f1;
	ret;
}
.visible .entry soul_halves(
	.param .align 8 .b8 soul_halves_param_0[24]
)
{
	ld.global.nc.L1::no_allocate.v2.b32 	{%r4, %r5}, [%rd12];
	ld.shared.v4.u32 	{%r4, %r5, %r6, %r7}, [%r12];
	st.local.v4.f32 	[%rd15], {%f1, %f2, %f3, %f4};
	st.global.v4.u8 	[%rd15], {%rs1, %rs2, %rs3, %rs4};
	ret;
}
.visible .entry soul_single(
	.param .align 8 .b8 soul_single_param_0[24]
)
{
	ld.global.u16 	%rs1, [%rd10];
	ret;
}
.func (.param .b32 func_retval0) helper(
	.param .b64 helper_param_0
)
{
	ld.global.v4.u32 	{%r4, %r5, %r6, %r7}, [%rd12];
	ret;
}
`;

const clean = readCompilerReport(reportOf({ name: 'soul_wide' }, { name: 'soul_halves' }, { name: 'soul_single' }));
const accesses = new Map([[90, readAccesses(ptx)]]);
const widths = [
  { kernels: 'soul_wide', loads: 4, stores: 4 },
  { kernels: 'soul_hal*', loads: 2, stores: 1 },
  { kernels: 'soul_*', loads: 0, stores: 0 },
];
const counts = countsOf({ accesses, widths });

describe('the compiler report', () => {
  it('gives registers, stack frame and spills of every kernel', () => {
    expect(readCompilerReport(reportOf({ name: 'soul_a', stack: 16, stored: 8, loaded: 12 }))).toEqual([
      { name: 'soul_a', architecture: 90, registers: 40, stackFrame: 16, spillStores: 8, spillLoads: 12 },
    ]);
    expect(clean.map(({ name }) => name)).toEqual(['soul_wide', 'soul_halves', 'soul_single']);
  });

  it("is refused where it does not speak of a function's stack frame", () => {
    const cut = reportOf({ name: 'soul_a' }).replace(/ {4}0 bytes.*\n/, '');
    expect(() => readCompilerReport(cut)).toThrow(/stack frame of soul_a/);
  });
});

it('the first warning is found in what the compiler says', () => {
  expect(readWarning(reportOf({ name: 'soul_a' }))).toBeUndefined();
  expect(readWarning(`${reportOf({ name: 'soul_a' })}\nvectors.cu(3): warning #177-D: "a" was never used`)).toMatch(
    /#177-D/,
  );
});

describe('the accesses of a PTX text', () => {
  it('are those to global memory, in words, of each kernel and not of functions beside it', () => {
    expect(Object.fromEntries(readAccesses(ptx))).toEqual({
      soul_wide: { loads: [4], stores: [4, 1] },
      soul_halves: { loads: [2], stores: [1] },
      soul_single: { loads: [1], stores: [] },
    });
  });

  it('have so many words together, without single ones, on the architecture where they are fewest', () => {
    const others = readAccesses(ptx);
    others.set('soul_wide', { loads: [4, 4, 1, 1], stores: [2] });
    expect(countsOf({ accesses: new Map([...accesses, [120, others]]), widths })).toEqual({
      soul_wide: { loads: 4, stores: 2 },
      soul_halves: { loads: 2, stores: 0 },
      soul_single: { loads: 0, stores: 0 },
    });
  });
});

describe('what is wrong with device code', () => {
  const problems = (changes: Partial<Parameters<typeof problemsOf>[0]>) =>
    problemsOf({ part: 'vectors', functions: clean, accesses, widths, counts, ...changes });

  it('is nothing where all is well', () => {
    expect(problems({})).toEqual([]);
  });

  it('is a spill or a stack frame', () => {
    const withWide = (changes: Parameters<typeof reportOf>[0]) =>
      readCompilerReport(reportOf(changes, { name: 'soul_halves' }, { name: 'soul_single' }));
    expect(problems({ functions: withWide({ name: 'soul_wide', stored: 4, loaded: 4 }) })).toEqual([
      'vectors: soul_wide on sm_90 spills registers: 4 bytes stored, 4 bytes loaded',
    ]);
    expect(problems({ functions: withWide({ name: 'soul_wide', stack: 32 }) })).toEqual([
      'vectors: soul_wide on sm_90 has a stack frame of 32 bytes',
    ]);
  });

  it('is a report that leaves a kernel out, or says nothing at all', () => {
    expect(problems({ functions: clean.slice(1) })).toEqual([
      "vectors: the compiler's report says nothing of soul_wide, on sm_90",
    ]);
    expect(problems({ functions: [] })).toHaveLength(3);
  });

  it('is an access narrower than wanted, told once for all architectures', () => {
    const wanted = [{ kernels: 'soul_halves', loads: 4, stores: 4 }, ...widths.filter((each) => each !== widths[1])];
    const both = new Map([...accesses, [100, readAccesses(ptx)]]);
    const functions = [...clean, ...clean.map((each) => ({ ...each, architecture: 100 }))];
    expect(problems({ widths: wanted, accesses: both, functions })).toEqual([
      'vectors: soul_halves has no loads of 4 words, the widest are of 2, on sm_90, sm_100',
      'vectors: soul_halves has no stores of 4 words, the widest are of 1, on sm_90, sm_100',
    ]);
  });

  it('is a loop of single words beside fewer wide accesses than before', () => {
    const fewer = { ...counts, soul_wide: { loads: 8, stores: 4 } };
    expect(problems({ counts: fewer })).toEqual([
      'vectors: soul_wide has vector loads of 4 words together, where 8 are wanted, on sm_90',
    ]);
  });

  it('is a kernel without an entry or without counts, an entry without a kernel, and a kernel that is gone', () => {
    expect(problems({ widths: widths.slice(0, 2) })).toEqual([expect.stringMatching(/soul_single has no entry/)]);
    const { soul_single: _, ...uncounted } = counts;
    expect(problems({ counts: uncounted })).toEqual([expect.stringMatching(/soul_single has no entry.*--count/)]);
    const stale = { kernels: 'other_gone', loads: 4, stores: 4 };
    expect(problems({ widths: [...widths, stale] })).toEqual([expect.stringMatching(/no kernel is named other_gone/)]);
    expect(problems({ counts: { ...counts, soul_gone: { loads: 1, stores: 0 } } })).toEqual([
      expect.stringMatching(/there is no kernel soul_gone/),
    ]);
  });
});

it('registers are shown by kernel and architecture', () => {
  const table = registerTable([
    { name: 'soul_b', architecture: 75, registers: 32 },
    { name: 'soul_a', architecture: 120, registers: 255 },
    { name: 'soul_a', architecture: 75, registers: 24 },
  ]);
  expect(table.split('\n').map((line) => line.trim().split(/\s+/))).toEqual([
    ['kernel', 'sm_75', 'sm_120'],
    ['soul_a', '24', '255'],
    ['soul_b', '32'],
  ]);
});
