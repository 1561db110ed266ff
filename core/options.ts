import { z } from 'zod';

/**
 * One option table: a zod schema gives each option its type, default, environment name and text for help and docs.
 */
export interface OptionDescription {
  /** `kafka.brokers` */
  readonly path: string;
  /** `CHANGEOVER_KAFKA_BROKERS` */
  readonly env: string;
  readonly type: string;
  /** Undefined where there is none. */
  readonly default: unknown;
  readonly required: boolean;
  readonly description: string;
}

/** A schema without the wrappers that make it optional or give it a default. */
export function unwrap(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable
  ) {
    return unwrap(schema.unwrap() as z.ZodType);
  }
  return schema instanceof z.ZodPipe ? unwrap(schema.in as z.ZodType) : schema;
}

/** The members of an object schema, or undefined when it is not one. */
export function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? (inner.shape as Record<string, z.ZodType>) : undefined;
}

export function envName(prefix: string, path: readonly string[]): string {
  const words = path.map((part) => part.replaceAll(/[A-Z]/g, '_$&').replaceAll('-', '_'));
  return [prefix, ...words].join('_').toUpperCase();
}

export interface Leaf {
  readonly path: readonly string[];
  readonly schema: z.ZodType;
}

/** Every option that is not a section, in the order of the schema. */
export function* leavesOf(schema: z.ZodType, path: readonly string[] = []): Generator<Leaf> {
  const shape = shapeOf(schema);
  if (shape === undefined) {
    yield { path, schema };
    return;
  }
  for (const [name, member] of Object.entries(shape)) yield* leavesOf(member, [...path, name]);
}

export function describeOptions(schema: z.ZodType, envPrefix: string): readonly OptionDescription[] {
  return Array.from(leavesOf(schema), (leaf) => ({
    path: leaf.path.join('.'),
    env: envName(envPrefix, leaf.path),
    type: typeName(unwrap(leaf.schema)),
    default: defaultOf(leaf.schema),
    required: !leaf.schema.safeParse(undefined).success,
    description: leaf.schema.description ?? unwrap(leaf.schema).description ?? '',
  }));
}

function defaultOf(schema: z.ZodType): unknown {
  const parsed = schema.safeParse(undefined);
  return parsed.success ? parsed.data : undefined;
}

function typeName(schema: z.ZodType): string {
  if (schema instanceof z.ZodEnum) return schema.options.join(' | ');
  if (schema instanceof z.ZodArray) return `list of ${typeName(unwrap(schema.element as z.ZodType))}`;
  if (schema instanceof z.ZodRecord) return 'map';
  return schema.type;
}

/** Reads the text of an environment variable as the type that the option has; zod then says what is wrong with it. */
export function readEnvText(text: string, schema: z.ZodType): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodNumber) return text.trim() === '' ? text : Number(text);
  if (inner instanceof z.ZodBoolean) return text === 'true' ? true : text === 'false' ? false : text;
  if (inner instanceof z.ZodArray) return text.split(',').map((part) => part.trim());
  if (inner instanceof z.ZodRecord) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return text;
    }
  }
  return text;
}

/** What a number option takes, in words such as "a whole number above 0, at most 20,000"; undefined for other types. */
export function allowedNumbers(schema: z.ZodType): string | undefined {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodNumber)) return undefined;
  const { type, minimum, exclusiveMinimum, maximum, exclusiveMaximum } = z.toJSONSchema(inner);
  const whole = type === 'integer';
  // A whole number from 1 and a number above 0 are the same bound in words.
  const above = exclusiveMinimum ?? (whole && minimum === 1 ? 0 : undefined);
  const bounds = [
    bound('above', above),
    bound('at least', above === undefined ? minimum : undefined),
    bound('below', exclusiveMaximum),
    bound('at most', maximum),
  ].filter((words) => words !== undefined);
  return [whole ? 'a whole number' : 'a number', bounds.join(', ')].join(' ').trimEnd();
}

/** How far JavaScript counts without gaps is no bound of the option's own. */
function bound(words: string, value: number | boolean | undefined): string | undefined {
  if (typeof value !== 'number' || Math.abs(value) >= Number.MAX_SAFE_INTEGER) return undefined;
  return `${words} ${value.toLocaleString('en-GB')}`;
}
