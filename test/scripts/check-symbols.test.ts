import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import {
  newestGlibcOf,
  problemOfProgram,
  problemsOf,
  problemsOfProgram,
  readNeeded,
  readSymbols,
} from '../../scripts/check-symbols.mjs';

const dynamic = `
Dynamic section at offset 0xd1b40 contains 28 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libm.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000e (SONAME)             Library soname: [soul.node]
`;
const symbolLines = `
Symbol table '.dynsym' contains 7 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND pthread_create@GLIBC_2.34 (3)
     2: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND memcpy@GLIBC_2.2.5 (2)
     3: 0000000000000000     0 NOTYPE  WEAK   DEFAULT  UND __gmon_start__
     4: 0000000000000000     0 NOTYPE  GLOBAL DEFAULT  UND napi_create_promise
     5: 000000000000e0a0    38 FUNC    GLOBAL DEFAULT   13 napi_register_module_v1
     6: 000000000000e090     6 FUNC    GLOBAL DEFAULT   13 node_api_module_get_api_version_v1
`;

describe('the dynamic symbols of an addon', () => {
  it('are read with their versions', () => {
    expect(readSymbols(symbolLines)).toEqual([
      { name: 'pthread_create', version: 'GLIBC_2.34', defined: false },
      { name: 'memcpy', version: 'GLIBC_2.2.5', defined: false },
      { name: '__gmon_start__', version: undefined, defined: false },
      { name: 'napi_create_promise', version: undefined, defined: false },
      { name: 'napi_register_module_v1', version: undefined, defined: true },
      { name: 'node_api_module_get_api_version_v1', version: undefined, defined: true },
    ]);
    expect(newestGlibcOf(readSymbols(symbolLines))).toBe('2.34');
  });

  it('are fit for other systems as they stand', () => {
    expect(problemsOf({ needed: readNeeded(dynamic), symbols: readSymbols(symbolLines) })).toEqual([]);
  });

  it("must not be of a newer glibc, nor of the compiler's libraries, nor exported", () => {
    const lines = [
      '     7: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND _dl_find_object@GLIBC_2.35 (4)',
      '     8: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND _ZNSo9_M_insertIdEERSoT_@GLIBCXX_3.4.9 (5)',
      '     9: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND _Unwind_Resume@GCC_3.0 (6)',
      '    10: 0000000000001000    38 FUNC    GLOBAL DEFAULT   13 _ZN4soul6LaunchEv',
      '    11: 0000000000001000     8 OBJECT  UNIQUE DEFAULT   24 _ZZN4soul6Device3GetEiE5mutex@@SOUL',
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

describe('a program to be taken along', () => {
  const official = ['libdl.so.2', 'libstdc++.so.6', 'libm.so.6', 'libgcc_s.so.1', 'libpthread.so.0', 'libc.so.6'];
  const needs = (name: string, version: string) => ({ name, version, defined: false });

  it('may need the C library and those of the compiler', () => {
    const symbols = [needs('memcpy', 'GLIBC_2.28'), needs('_ZSt4cout', 'GLIBCXX_3.4.9')];
    expect(problemsOfProgram({ needed: official, symbols })).toEqual([]);
  });

  it("must not need a distribution's libraries, nor newer ones", () => {
    expect(problemsOfProgram({ needed: [...official, 'libnode.so.115', 'libz.so.1'], symbols: [] })).toEqual([
      'it needs libnode.so.115, which other systems may lack',
      'it needs libz.so.1, which other systems may lack',
    ]);
    const symbols = [needs('fmod', 'GLIBC_2.38'), needs('_ZSt', 'GLIBCXX_3.4.32')];
    expect(problemsOfProgram({ needed: official, symbols })).toEqual([
      'it needs fmod of GLIBC 2.38, newer than 2.34',
      'it needs _ZSt of GLIBCXX 3.4.32, newer than 3.4.29',
    ]);
  });

  it('must be machine code', () => {
    expect(problemOfProgram(fileURLToPath(import.meta.url))).toMatch(/script/);
  });
});
