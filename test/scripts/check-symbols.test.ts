import { describe, expect, it } from '@jest/globals';
import { newestGlibcOf, problemsOf, readNeeded, readSymbols } from '../../scripts/check-symbols.mjs';

const dynamic = `
Dynamic section at offset 0xd1b40 contains 28 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000e (SONAME)             Library soname: [soul.node]
`;
const symbolLines = `
soul.node:     file format elf64-x86-64

DYNAMIC SYMBOL TABLE:
0000000000000000      DF *UND*	0000000000000000 (GLIBC_2.34) pthread_create
0000000000000000      DF *UND*	0000000000000000 (GLIBC_2.2.5) memcpy
0000000000000000  w   D  *UND*	0000000000000000              __gmon_start__
0000000000000000      D  *UND*	0000000000000000              napi_create_promise
000000000000e0a0 g    DF .text	0000000000000026  Base        napi_register_module_v1
000000000000e090 g    DF .text	0000000000000006              node_api_module_get_api_version_v1
`;

describe('the dynamic symbols of an addon', () => {
  it('are read with their versions', () => {
    expect(readSymbols(symbolLines)).toEqual([
      { name: 'pthread_create', version: 'GLIBC_2.34', defined: false },
      { name: 'memcpy', version: 'GLIBC_2.2.5', defined: false },
      { name: '__gmon_start__', version: undefined, defined: false },
      { name: 'napi_create_promise', version: undefined, defined: false },
      { name: 'napi_register_module_v1', version: 'Base', defined: true },
      { name: 'node_api_module_get_api_version_v1', version: undefined, defined: true },
    ]);
    expect(newestGlibcOf(readSymbols(symbolLines))).toBe('2.34');
  });

  it('are fit for other systems as they stand', () => {
    expect(problemsOf({ needed: readNeeded(dynamic), symbols: readSymbols(symbolLines) })).toEqual([]);
  });

  it("must not be of a newer glibc, nor of the compiler's libraries, nor exported", () => {
    const lines = [
      '0000000000000000      DF *UND*	0000000000000000 (GLIBC_2.35) _dl_find_object',
      '0000000000000000      DF *UND*	0000000000000000 (GLIBCXX_3.4.9) _ZNSo9_M_insertIdEERSoT_',
      '0000000000000000      DF *UND*	0000000000000000 (GCC_3.0) _Unwind_Resume',
      '0000000000001000 g    DF .text	0000000000000026  Base        _ZN4soul6LaunchEv',
      '0000000000001000 u    DO .data	0000000000000008  Base        _ZZN4soul6Device3GetEiE5mutex',
    ];
    const symbols = readSymbols(`${symbolLines}${lines.join('\n')}\n`);
    expect(problemsOf({ needed: readNeeded(dynamic), symbols })).toEqual([
      'it needs _dl_find_object of glibc 2.35, newer than 2.34',
      "it needs _ZNSo9_M_insertIdEERSoT_ of GLIBCXX_3.4.9, of a compiler's runtime that must be part of it",
      "it needs _Unwind_Resume of GCC_3.0, of a compiler's runtime that must be part of it",
      'it exports _ZN4soul6LaunchEv',
      'it exports _ZZN4soul6Device3GetEiE5mutex',
    ]);
  });

  it("must hold the module's entry", () => {
    const symbols = readSymbols(symbolLines.replace(/^.*napi_register_module_v1\n/m, ''));
    expect(problemsOf({ needed: [], symbols })).toEqual(['it lacks napi_register_module_v1']);
  });

  it("must need no library but the C library's", () => {
    const needed = readNeeded(
      `${dynamic} 0x0000000000000001 (NEEDED)             Shared library: [libstdc++.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libcuda.so.1]
`,
    );
    expect(problemsOf({ needed, symbols: readSymbols(symbolLines) }).map((text) => text.split(' ')[2])).toEqual([
      'libstdc++.so.6,',
      'libgcc_s.so.1,',
      'libcuda.so.1,',
    ]);
  });
});
