/**
 * The template engine behind a face of our own: what is used of it, and what it does otherwise than Jinja, put right.
 *
 * @see https://jinja.palletsprojects.com/en/stable/templates/
 * @module
 */

import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { strip } from './python-text.ts';
import { markVariables, prepareSource } from './template-source.ts';

/** A template that can be rendered. */
export type CompiledTemplate = (variables: Readonly<Record<string, unknown>>) => string;

/**
 * Parses a template with `trim_blocks` and `lstrip_blocks`, as transformers does.
 *
 * @returns what renders it; a value is given as JavaScript has it, a function is called with the plain values
 * @throws Error of the engine, at parsing or rendering
 */
export function compileTemplate(template: string): CompiledTemplate {
  const program = parse(tokenize(prepareSource(template), {})) as unknown as Node;
  freshScopes(program);
  return (variables) => {
    const environment = new Environment();
    const all = { ...constants, ...markVariables, ...variables };
    for (const [name, value] of Object.entries(all)) environment.set(name, value);
    return (new PythonLike(environment).run(program) as Value & { value: string }).value;
  };
}

/** As in Jinja's sandbox. */
const longestRange = 100_000;

const constants = {
  ...{ true: true, True: true, false: false, False: false, none: null, None: null },
  range: (first: number, end?: number, step = 1) => {
    const [from, to] = end === undefined || end === null ? [0, first] : [first, end];
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (!(length <= longestRange)) throw new Error(`range may have at most ${longestRange} numbers`);
    return Array.from({ length }, (_, i) => from + i * step);
  },
  raise_exception: (message: unknown) => {
    throw new RaisedByTemplate(String(message));
  },
};

/** What a template refuses by itself (`raise_exception`). */
export class RaisedByTemplate extends Error {}

/** A statement or an expression of the engine's. */
interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A value of the engine's. */
interface Value {
  readonly type: string;
  readonly value: unknown;
  toString(): string;
}

/** What the engine keeps to itself of its interpreter. */
interface InterpreterParts {
  run(program: Node): Value;
  evaluate(node: Node | undefined, environment: Environment): Value;
  evaluateBlock(nodes: readonly Node[], environment: Environment): Value;
  evaluateCallExpression(node: Node, environment: Environment): Value;
  evaluateBinaryExpression(node: Node, environment: Environment): Value;
  evaluateMacro(node: Node, environment: Environment): Value;
  applyFilter(operand: Value, filter: Node, environment: Environment): Value;
}

/** The body of a loop, which has a scope of its own in each round. */
const roundType = 'Round';

/** Statements whose value is nothing, not even `None`. */
const silent = new Set(['Set', 'Macro', 'Comment']);

const Parts = Interpreter as unknown as new (environment: Environment) => InterpreterParts;

class PythonLike extends Parts {
  /** Scopes of loops that `break` has ended. */
  readonly #ended = new WeakSet<Environment>();

  override evaluate(node: Node | undefined, environment: Environment): Value {
    return node?.type === roundType ? this.#round(node, environment) : super.evaluate(node, environment);
  }

  override evaluateBlock(nodes: readonly Node[], environment: Environment): Value {
    let text = '';
    for (const node of nodes) {
      try {
        const value = this.evaluate(node, environment);
        if (!silent.has(node.type)) text += asText(value);
      } catch (leaving) {
        // What was written before stays.
        if (isLeaving(leaving)) leaving.written = text + (leaving.written ?? '');
        throw leaving;
      }
    }
    return textValue(text);
  }

  /** One round of a loop: what it sets is forgotten, what it wrote before it was left is not. */
  #round(node: Node, loop: Environment): Value {
    if (this.#ended.has(loop)) return textValue('');
    try {
      return this.evaluateBlock(node.body as Node[], new Environment(loop));
    } catch (leaving) {
      if (!isLeaving(leaving)) throw leaving;
      if (leaving.constructor === controls.break) this.#ended.add(loop);
      return textValue(leaving.written ?? '');
    }
  }

  override evaluateCallExpression(node: Node, environment: Environment): Value {
    const callee = node.callee as Node;
    const name = callee.type === 'MemberExpression' && !callee.computed && (callee.property as Node).value;
    if (name === 'strip' || name === 'lstrip' || name === 'rstrip') {
      const object = this.evaluate(callee.object as Node, environment);
      const [given] = node.args as Node[];
      const characters = given && this.evaluate(given, environment).value;
      if (object.type === 'StringValue' && (characters === undefined || typeof characters === 'string')) {
        return textValue(strip(object.value as string, name, characters));
      }
    }
    return super.evaluateCallExpression(node, environment);
  }

  override applyFilter(operand: Value, filter: Node, environment: Environment): Value {
    if (operand.type === 'StringValue') {
      const text = operand.value as string;
      if (filter.value === 'trim') return textValue(strip(text, 'strip'));
      // Python counts characters.
      if (filter.value === 'length') return engineValue([...text].length);
    }
    const { value: name } = (filter.callee ?? {}) as { value?: unknown };
    if ((name === 'selectattr' || name === 'rejectattr') && Array.isArray(operand.value)) {
      return this.#selected(operand.value, filter.args as Node[], name === 'selectattr', environment);
    }
    return super.applyFilter(operand, filter, environment);
  }

  /** Those whose attribute passes a test; one that is not there is undefined, which a test may ask for. */
  #selected(items: readonly Value[], args: readonly Node[], selects: boolean, environment: Environment): Value {
    const [attribute, test, ...more] = args.map((each) => this.evaluate(each, environment));
    const tests = environment.tests as unknown as ReadonlyMap<unknown, (...values: readonly Value[]) => boolean>;
    const passes = test === undefined ? ({ value }: Value) => Boolean(value) : tests.get(test.value);
    if (!passes) throw new Error(`the test ${String(test?.value)} is not known`);
    const kept = items.filter((item) => {
      const found = item.value instanceof Map ? item.value.get(attribute?.value) : undefined;
      return passes((found as Value | undefined) ?? engineValue(undefined), ...more) === selects;
    });
    return Object.assign(engineValue([]), { value: kept });
  }

  override evaluateBinaryExpression(node: Node, environment: Environment): Value {
    const { value: operator } = node.operator as { value: string };
    if (operator !== '~' && operator !== '==' && operator !== '!=') {
      return super.evaluateBinaryExpression(node, environment);
    }
    const left = this.evaluate(node.left as Node, environment);
    const right = this.evaluate(node.right as Node, environment);
    if (operator === '~') return textValue(asText(left) + asText(right));
    return engineValue(isEqual(left, right) === (operator === '=='));
  }

  override evaluateMacro(node: Node, environment: Environment): Value {
    const before = environment.lookupVariable((node.name as { value: string }).value);
    const result = super.evaluateMacro(node, environment);
    const macro = environment.lookupVariable((node.name as { value: string }).value) as unknown as {
      value: (args: unknown[], scope: Environment) => Value;
    };
    if ((macro as unknown) === before) return result;
    // A macro sees what stands around its definition, and of its call the caller alone.
    const { value: call } = macro;
    macro.value = (args, scope) => {
      const around = new Environment(environment);
      const caller = scope.variables.get('caller');
      if (caller !== undefined) around.setVariable('caller', caller);
      return call(args, around);
    };
    return result;
  }
}

/** What `break` and `continue` throw. */
interface Leaving extends Error {
  /** By the round that is left. */
  written?: string;
}

function isLeaving(thrown: unknown): thrown is Leaving {
  return thrown instanceof Error && (thrown.constructor === controls.break || thrown.constructor === controls.continue);
}

/** The engine's own classes of these, which it does not export. */
const controls = { break: thrownBy('break'), continue: thrownBy('continue') };

function thrownBy(word: 'break' | 'continue'): unknown {
  const interpreter = new Parts(new Environment());
  const [statement] = (parse(tokenize(`{% ${word} %}`)) as unknown as { body: Node[] }).body;
  try {
    interpreter.evaluate(statement, new Environment());
  } catch (thrown) {
    return (thrown as Error).constructor;
  }
  return undefined;
}

/** Gives the body of every loop a scope of its own in each round. */
function freshScopes(node: unknown): void {
  if (Array.isArray(node)) for (const each of node) freshScopes(each);
  else if (node instanceof Map) for (const each of node) freshScopes(each);
  else if (typeof node === 'object' && node !== null) {
    const fields = node as Record<string, unknown>;
    for (const each of Object.values(fields)) freshScopes(each);
    if (fields.type === 'For') fields.body = [{ type: roundType, body: fields.body }];
  }
}

function engineValue(value: unknown): Value {
  return new Environment().set('value', value) as Value;
}

/** The engine's own class of texts, which it does not export. */
const TextValue = engineValue('').constructor as new (text: string) => Value;

function textValue(text: string): Value {
  return new TextValue(text);
}

/** A value as Jinja writes it. */
function asText(value: Value): string {
  switch (value.type) {
    case 'UndefinedValue':
      return '';
    case 'NullValue':
      return 'None';
    case 'BooleanValue':
      return value.value ? 'True' : 'False';
    default:
      return value.toString();
  }
}

/** Python's `==`. */
function isEqual(left: Value, right: Value): boolean {
  const [a, b] = [left.value, right.value];
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((each, i) => isEqual(each, b[i]));
  }
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, each]) => b.has(key) && isEqual(each, b.get(key)));
  }
  const number = (value: unknown) => (typeof value === 'boolean' ? Number(value) : value);
  return left.type === 'UndefinedValue' || right.type === 'UndefinedValue'
    ? left.type === right.type
    : number(a) === number(b);
}
