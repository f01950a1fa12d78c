export interface CompiledFunction {
  name: string;
  architecture?: number;
  registers?: number;
  stackFrame?: number;
  spillStores?: number;
  spillLoads?: number;
}
export interface WidestAccesses {
  loads: number;
  stores: number;
}
export interface NeededAccesses extends WidestAccesses {
  kernels: string;
}
export function readCompilerReport(report: string): CompiledFunction[];
export function readAccesses(ptx: string): Map<string, WidestAccesses>;
export function problemsOf(compiled: {
  part: string;
  functions: readonly CompiledFunction[];
  accesses: ReadonlyMap<string, ReadonlyMap<string, WidestAccesses>>;
  needed: readonly NeededAccesses[];
}): string[];
export function registerTable(functions: readonly CompiledFunction[]): string;
