export interface DynamicSymbol {
  name: string;
  version: string | undefined;
  defined: boolean;
}
export const newestGlibc: string;
export function readNeeded(text: string): string[];
export function readSymbols(text: string): DynamicSymbol[];
export function newestGlibcOf(symbols: readonly DynamicSymbol[]): string | undefined;
export function problemsOf(file: { needed: readonly string[]; symbols: readonly DynamicSymbol[] }): string[];
export function problemsOfProgram(file: { needed: readonly string[]; symbols: readonly DynamicSymbol[] }): string[];
export function problemOfProgram(file: string): string | undefined;
