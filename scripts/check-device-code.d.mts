export interface CompiledFunction {
  name: string;
  architecture?: number;
  registers?: number;
  stackFrame?: number;
  spillStores?: number;
  spillLoads?: number;
}
/** Words of each access to global memory. */
export interface Accesses {
  loads: number[];
  stores: number[];
}
export interface AccessWidths {
  kernels: string;
  loads: number;
  stores: number;
}
export type AccessCounts = Readonly<Record<string, { loads: number; stores: number }>>;
type AccessesByArchitecture = ReadonlyMap<number, ReadonlyMap<string, Accesses>>;
export function readCompilerReport(report: string): CompiledFunction[];
export function readWarning(report: string): string | undefined;
export function readAccesses(ptx: string): Map<string, Accesses>;
export function countsOf(compiled: { accesses: AccessesByArchitecture; widths: readonly AccessWidths[] }): AccessCounts;
export function problemsOf(compiled: {
  part: string;
  functions: readonly CompiledFunction[];
  accesses: AccessesByArchitecture;
  widths: readonly AccessWidths[];
  counts: AccessCounts;
}): string[];
export function registerTable(functions: readonly CompiledFunction[]): string;
