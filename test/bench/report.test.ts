import { describe, expect, test } from '@jest/globals';
import { performanceDocument, performanceSummary, withSummary } from '../../bench/report/document.ts';
import { bound, elementCount, significant, time } from '../../bench/report/figures.ts';
import { markdownTable } from '../../bench/report/table.ts';
import { gpuKernelResults, gpuPeerResults, kernelResults, peerResults } from './sample-results.ts';

describe('figures', () => {
  test('times in the unit that suits them', () => {
    expect([812, 20_700, 30.14e6, 1.2e9].map(time)).toEqual(['812 ns', '20.7 us', '30.1 ms', '1.20 s']);
  });

  test('three digits', () => {
    expect([0, 0.0123456, 1.234, 98.76, 1234.5].map(significant)).toEqual(['0', '0.0123', '1.23', '98.8', '1235']);
  });

  test('bounds of ratios and of quantities', () => {
    expect(bound({ bound: 'at most', value: 1 / 3 }, undefined)).toBe('<= 0.333');
    expect(bound({ bound: 'at least', value: 0.95 }, undefined)).toBe('>= 0.95');
    expect(bound({ bound: 'at most', value: 20_000 }, 'ns')).toBe('<= 20.0 us');
  });

  test('numbers of elements', () => {
    expect([2 ** 25, 100_000].map(elementCount)).toEqual(['2^25', '100,000']);
  });
});

test('cells of a table keep their goals to themselves', () => {
  expect(markdownTable({ header: ['a', 'b'], rows: [['|m|', '1']] })).toBe(
    ['| a | b |', '| --- | --- |', '| \\|m\\| | 1 |'].join('\n'),
  );
});

describe('the document', () => {
  const document = performanceDocument([peerResults(), kernelResults()]);

  test('names the machine, the versions and the commands', () => {
    expect(document).toContain('## Beside PyTorch: Example(R) CPU @ 2.50GHz (family 6, model 85), 2 threads, avx512');
    expect(document).toContain('PyTorch 2.13.0+cpu and transformers 5.24.0 on Python 3.11.7');
    expect(document).toContain(
      'Measured 2026-11-20 by `npm run bench`: 4 processors, 8.00 GiB of memory, Linux 6.1 x64, ' +
        'load 0.04 before it began, Node v20.19.0, addon compiled by GCC 12.2.0, soul-unlearn 0.1.0 at 0123456789ab.',
    );
  });

  test('shows what was reached, what was missed and what could not be measured', () => {
    expect(document).toContain(
      '| Sophia step, float32 | AdamW fused, float32 | 24 | 24.0 ms | 30.0 ms | 0.800 (0.76 to 0.84) | <= 0.87 | yes |',
    );
    expect(document).toContain('| 24.0 ms | 22.0 ms | 0.920 (0.87 to 0.97) | >= 0.95 | no |');
    expect(document).toContain('not measured: RuntimeError: no compiler');
    expect(document).toContain('| a bare step on 16 weights | - | - | 12.3 us | - | - | <= 20.0 us | yes |');
  });

  test('shows fractions by size, and the figures behind the largest', () => {
    expect(document).toContain('| kernel | bytes a weight | 2^16 | 2^20 |');
    expect(document).toContain('| Sophia step | 24 | 90.0 % | 96.0 % |');
    expect(document).toContain('| AdamW step | 24 | 80.0 % | - |');
    expect(document).toContain('| Sophia step | 2^20 | 24 | 1.000 | 24.0 | 25.0 | 96.0 % (91.2 % to 100.8 %) |');
    expect(document).toContain('| Token loss | 4 x 256 | 24 |');
  });

  test('says what a call pays for, in the section of either command', () => {
    expect(document.match(/### A call from JavaScript\n\nWork on at most 8,192 weights is done at once/g)).toHaveLength(
      2,
    );
    expect(document).toContain('| an empty job, to another thread and back | 7.00 us | 6.65 us to 7.35 us |');
  });

  test('says how a whole model is run, and what there are no rows of', () => {
    expect(document).toMatch(/### A whole model beside transformers\n\nOne call of each in turn/);
    expect(document).toContain(
      '| Peak memory of the process, training | transformers | - | 2.00 GiB | 4.00 GiB | 0.500 (0.47 to 0.53) | <= 1 | yes |',
    );
    expect(document).toContain('Not measured:\n\n- some rows: for a reason');
  });

  test('says so where there is nothing', () => {
    expect(performanceDocument([])).toContain('There are no results yet.');
    expect(performanceSummary([kernelResults()])).toContain('no results yet');
  });
});

describe('the document of a GPU', () => {
  const document = performanceDocument([gpuPeerResults(), gpuKernelResults()]);

  test('names the device, its driver, its code and the versions', () => {
    expect(document).toContain('## Beside PyTorch: Example GPU 100GB');
    expect(document).toContain('## Kernels: Example GPU 100GB');
    expect(document).toContain(
      'architecture sm_90 with the code of sm_90, 100 multiprocessors, 100.00 GiB of device memory, ' +
        'driver 580.65.06 for CUDA 13.0, Example(R) CPU',
    );
    expect(document).toContain('PyTorch 2.13.0+cu130, built for CUDA 13.0, on Python 3.11.7.');
  });

  test('holds kernels against the copy, with the goal where there is one', () => {
    expect(document).toContain(
      'Reading and writing 2.00 GB, it moves 2000 GB/s with a plain loop of ours, 2500 GB/s as',
    );
    expect(document).toContain('| Sophia step | 24 | 50.0 % | 93.0 % |');
    expect(document).toMatch(/\| Sophia step \| 2\^28 \| 24 \|.*\| 96\.0 % \| 93\.0 % \| >= 92\.0 % \| yes \|/);
    expect(document).toMatch(/\| Token loss \| 4 x 256 \| 24 \|.*\| 50\.0 % \| 70\.0 % \| {2}\| {2}\|/);
  });

  test('says what the host spends, what was missed and what was left out', () => {
    expect(document).toContain('| a step of 150 tensors | 51.0 us | 48.5 us to 53.5 us | <= 50.0 us | no |');
    expect(document).toContain('Not measured:\n\n- adamw-step f32 2^28: does not fit into memory');
  });
});

describe('the summary', () => {
  const summary = performanceSummary([kernelResults(), peerResults()]);

  test('has the rows with a goal, and no others', () => {
    expect(summary).toContain('| Sophia step, float32 | AdamW fused, float32 | 0.800 | <= 0.87 | yes |');
    expect(summary).toContain('| a bare step on 16 weights | - | 12.3 us | <= 20.0 us | yes |');
    expect(summary).not.toContain('foreach');
  });

  test('of a GPU stands after that of the CPU, and only where there is one', () => {
    expect(summary).not.toContain('GPU');
    const both = performanceSummary([gpuPeerResults(), peerResults()]);
    expect(both.startsWith(summary)).toBe(true);
    expect(both).toContain('On Example GPU 100GB, beside PyTorch 2.13.0+cu130, 2^28 weights, 2026-11-21.');
  });

  test('goes between the markers, and nowhere else', () => {
    const before = 'a\n<!-- performance:begin -->\nold\n<!-- performance:end -->\nb\n';
    const after = 'a\n<!-- performance:begin -->\n\nnew\n\n<!-- performance:end -->\nb\n';
    expect(withSummary(before, 'new')).toBe(after);
    expect(withSummary(after, 'new')).toBe(after);
    expect(() => withSummary('no markers', 'new')).toThrow('performance:begin');
    expect(() => withSummary('<!-- performance:end --><!-- performance:begin -->', 'new')).toThrow('in this order');
  });
});
