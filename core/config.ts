import { readFileSync } from 'node:fs';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { ChangeoverError, messageOf, systemCodeOf } from './errors.ts';
import { isRecord } from './json.ts';
import { nearest } from './nearest.ts';
import { envName, leavesOf, readEnvText, shapeOf } from './options.ts';

export interface ConfigSource {
  /** A YAML file; undefined where everything comes from the environment and the defaults. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly envPrefix: string;
  /**
   * Variables with the prefix that are no options, for others to read. An expression is held against `NAME=value`.
   * Any other variable with the prefix is refused.
   */
  readonly otherEnv?: readonly (string | RegExp)[];
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * Reads the configuration: file, then environment, which wins. Throws one `config` error that lists everything that is
 * wrong, each with the line in the file or the variable that it came from.
 */
export function loadConfig<S extends z.ZodType>(schema: S, source: ConfigSource): z.infer<S> {
  const lines = new LineCounter();
  const document = source.file === undefined ? undefined : parseYaml(source.file, lines);
  const tree: unknown = document?.toJS() ?? {};
  if (!isRecord(tree))
    throw new ChangeoverError('config', `${source.file}: the top level must be a map of options`);

  const unknown = unknownOptions(schema, tree, []);
  const fromEnv = applyEnv(schema, tree, source);
  const parsed = schema.safeParse(tree);
  // Strict sections find the same unknown options again, without the line.
  const issues = (parsed.error?.issues ?? []).filter((issue) => issue.code !== 'unrecognized_keys');
  const faults: Fault[] = [...unknown, ...issues];
  const unknownEnv = unknownVariables(schema, source);
  if (parsed.success && faults.length === 0 && unknownEnv.length === 0) return parsed.data;
  const texts = faults.map((fault) => {
    const path = fault.path.map(String);
    const where = fromEnv.get(path.join('.')) ?? placeOf(path, document, lines, source.file);
    return `${where}: ${path.join('.')}: ${fault.message}`;
  });
  throw new ChangeoverError('config', [...unknownEnv, ...texts].join('\n'), {
    hint: 'docs/configuration.md lists every option.',
  });
}

function parseYaml(file: string, lines: LineCounter): Document {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = systemCodeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new ChangeoverError('config', `${file}: ${reason}`, {
      hint: 'Name your configuration with --config FILE, or copy changeover.example.yaml to changeover.yaml.',
      cause: error,
    });
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const texts = document.errors.map(
      (error) => `${file}:${lines.linePos(error.pos[0]).line}: ${error.message}`,
    );
    throw new ChangeoverError('config', texts.join('\n'));
  }
  return document;
}

/** Options that the schema does not have: zod would drop them, and a misspelt option must not pass in silence. */
function unknownOptions(schema: z.ZodType, tree: unknown, path: readonly string[]): readonly Fault[] {
  const shape = shapeOf(schema);
  if (shape === undefined || !isRecord(tree)) return [];
  return Object.entries(tree).flatMap(([name, value]): readonly Fault[] => {
    const member = shape[name];
    if (member !== undefined) return unknownOptions(member, value, [...path, name]);
    return [{ path: [...path, name], message: noSuchOption(name, Object.keys(shape)) }];
  });
}

/** The same for the environment. Only names are told: a value can be a secret. */
function unknownVariables(
  schema: z.ZodType,
  { env, envPrefix, otherEnv = [] }: ConfigSource,
): readonly string[] {
  const options = Array.from(leavesOf(schema), (leaf) => envName(envPrefix, leaf.path));
  const known = new Set(options);
  const isOther = (name: string, value: string): boolean =>
    otherEnv.some((other) => (typeof other === 'string' ? other === name : other.test(`${name}=${value}`)));
  const candidates = [...options, ...otherEnv.filter((other) => typeof other === 'string')];
  return Object.entries(env).flatMap(([name, value]) => {
    if (value === undefined || !name.startsWith(`${envPrefix}_`)) return [];
    return known.has(name) || isOther(name, value) ? [] : [`${name}: ${noSuchOption(name, candidates)}`];
  });
}

function noSuchOption(name: string, candidates: readonly string[]): string {
  const meant = nearest(name, candidates);
  return `there is no such option${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** Puts what the environment says into the tree. Answers which paths came from which variable. */
function applyEnv(
  schema: z.ZodType,
  tree: Record<string, unknown>,
  source: ConfigSource,
): ReadonlyMap<string, string> {
  const fromEnv = new Map<string, string>();
  for (const leaf of leavesOf(schema)) {
    const name = envName(source.envPrefix, leaf.path);
    const text = source.env[name];
    if (text === undefined) continue;
    setIn(tree, leaf.path, readEnvText(text, leaf.schema));
    fromEnv.set(leaf.path.join('.'), name);
  }
  return fromEnv;
}

function setIn(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first, ...rest] = path;
  if (first === undefined) return;
  if (rest.length === 0) {
    tree[first] = value;
    return;
  }
  const inner = tree[first];
  const section = isRecord(inner) ? inner : {};
  tree[first] = section;
  setIn(section, rest, value);
}

/** `file:line` of the option, or of the nearest section around it that is there. */
function placeOf(
  path: readonly string[],
  document: Document | undefined,
  lines: LineCounter,
  file: string | undefined,
): string {
  if (document === undefined || file === undefined) return 'configuration';
  for (let length = path.length; length > 0; length--) {
    const start = rangeStart(document, path.slice(0, length));
    if (start !== undefined) return `${file}:${lines.linePos(start).line}`;
  }
  return file;
}

function rangeStart(document: Document, path: readonly string[]): number | undefined {
  const parts = path.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const name = parts.at(-1);
  const parent = parts.length === 1 ? document.contents : document.getIn(parts.slice(0, -1), true);
  const pair = isMap(parent)
    ? parent.items.find((item) => isScalar(item.key) && item.key.value === name)
    : undefined;
  const node = pair === undefined ? document.getIn(parts, true) : pair.key;
  return isNode(node) ? node.range?.[0] : undefined;
}
