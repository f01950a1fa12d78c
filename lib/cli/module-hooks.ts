/**
 * How modules of a user's own are found: `soul-unlearn` is the very package that runs, wherever they lie. Node.js calls `resolve` in a
 * thread of its own (module.register), or in this one where it can (module.registerHooks).
 *
 * @module
 */

export interface ModuleHookData {
  /** Addresses of the package's modules by the names that they are imported under. */
  readonly modules: Readonly<Record<string, string>>;
  /** Address of the package's folder. */
  readonly root: string;
  /** Whether tsx loads TypeScript: it takes a file in a folder without package.json for CommonJS, which these hooks do not reach. */
  readonly throughTsx: boolean;
}

interface Resolved {
  readonly url: string;
  readonly format?: string | null | undefined;
}

type Next<Result> = (specifier: string, context: { readonly parentURL?: string | undefined }) => Result;

let data: ModuleHookData = { modules: {}, root: '', throughTsx: false };

export function initialize(given: ModuleHookData): void {
  data = given;
}

export function resolve<Result extends Resolved | Promise<Resolved>>(
  specifier: string,
  context: { readonly parentURL?: string | undefined },
  next: Next<Result>,
): Result | { url: string; format: 'module'; shortCircuit: true } {
  if (Object.hasOwn(data.modules, specifier)) return next(data.modules[specifier]!, context);
  if (specifier.startsWith('soul-unlearn/')) {
    throw new Error(`there is no ${specifier}; there are ${Object.keys(data.modules).join(', ')}`);
  }
  if (data.throughTsx && /^(\.{1,2}\/|file:)[^?]*\.m?[jt]s$/.test(specifier)) {
    const url = new URL(specifier, context.parentURL).href;
    const isOwn = !url.startsWith(data.root) && !url.includes('/node_modules/');
    if (isOwn) return { url, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
}
