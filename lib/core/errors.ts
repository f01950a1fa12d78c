/**
 * Every error of the package: one class, told apart by a stable `code`.
 *
 * @module
 */

/** What each code means; match on the code, never on the message. */
export const errorCodes = {
  SOUL_INVALID_ARGUMENT: 'an argument has the wrong type, length, dtype, device or value',
  SOUL_RELEASED: 'a buffer, model or optimizer was used after release()',
  SOUL_DETACHED: 'the memory behind a buffer was detached, resized or moved since it was wrapped',
  SOUL_ALIASED: 'two arguments that must not share memory overlap',
  SOUL_NON_FINITE: 'a loss, gradient or weight is NaN or infinite where a finite one is needed',
  SOUL_OUT_OF_MEMORY: 'memory could not be allocated',
  SOUL_NOT_FOUND: 'a file or folder does not exist',
  SOUL_EXISTS: 'an output already exists and would be overwritten',
  SOUL_BUSY: 'another process, or another call of this one, is writing there',
  SOUL_BAD_FILE: 'a file is damaged or not of the expected format',
  SOUL_FILE_SYSTEM: 'the system refused to read or write a file: no space, no permission, a folder in its place',
  SOUL_BAD_DATA: 'a line or record of a data set is not usable',
  SOUL_UNSUPPORTED: 'an architecture, option, dtype or device is not supported',
  SOUL_ADDON_MISSING: 'the native addon is not built or cannot be loaded',
  SOUL_ENGINE_MISSING: 'the libtorch engine is not installed or cannot be loaded',
  SOUL_DEVICE_FAILED: 'a CUDA device failed, or its driver refused a call',
  SOUL_CANCELLED: 'the work was cancelled before it was done',
  SOUL_INTERNAL: 'a failure inside native code or an invariant of the package was broken',
} as const;

export type SoulErrorCode = keyof typeof errorCodes;

const brand = Symbol.for('soul-unlearn.SoulError');

/**
 * The error that everything in the package throws or rejects with.
 *
 * `instanceof SoulError` holds across realms (workers, a test runner's contexts, two copies of the package).
 */
export class SoulError extends Error {
  override readonly name = 'SoulError';
  readonly code: SoulErrorCode;
  /** Machine-readable facts: the argument's name, what was expected, what was found. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: SoulErrorCode, message: string, details: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(String(message), options);
    if (typeof code !== 'string' || !(code in errorCodes)) {
      throw invalidArgument('code', `one of ${Object.keys(errorCodes).join(', ')}`, code);
    }
    this.code = code;
    this.details = details;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass asks for its own instances, in the ordinary way.
    // biome-ignore lint/complexity/noThisInStatic: which class is asked is the very question
    if (this !== SoulError) return super[Symbol.hasInstance](value);
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** The error itself, or, for a failure of the file system, a {@link SoulError} that says the same. */
export function asSoulError(error: unknown): unknown {
  if (error instanceof SoulError || typeof error !== 'object' || error === null) return error;
  const { syscall, path, code, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === undefined) return error;
  return new SoulError('SOUL_FILE_SYSTEM', message, { path, systemCode: code }, { cause: error });
}

/** `argument` must be `expected`, but `found` was given. */
export function invalidArgument(argument: string, expected: string, found: unknown): SoulError {
  return new SoulError('SOUL_INVALID_ARGUMENT', `${argument} must be ${expected}, but is ${describe(found)}`, {
    argument,
    expected,
    found: typeof found === 'object' ? describe(found) : found,
  });
}

/** A short word for any value, safe to print. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return printable(JSON.stringify(cut(value)));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return ArrayBuffer.isView(value) && 'length' in value ? `a ${tag} of ${value.length}` : `a ${tag}`;
}

/** A name that a file gives, for messages: cut where it is long, and safe to print. */
export function shortName(name: string): string {
  return printable(cut(name));
}

/** The message of another library, which may quote a file at any length. */
export function shortMessage(error: unknown): string {
  return printable(cut((error as Error).message, 300));
}

/** What terminals act on, or show as something else than it is: control characters, marks of direction, half characters. */
const unprintable = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** A text with escapes for what does not print. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function cut(text: string, longest = 80): string {
  return text.length > longest ? `${text.slice(0, longest - 3)}...` : text;
}
