import { type Integer, int, isInt } from 'neo4j-driver';
import { isNegativeZero } from '../../core/json.ts';
import type { Scalar, Scalars } from '../../schemas/change.ts';

/** Properties as they go to the driver, or come from it. */
export type Properties = Record<string, unknown>;

/**
 * A number as Neo4j should store it. The driver sends every JavaScript number as a float; a whole number is an integer
 * to whoever queries the graph, so it is sent as one. −0 stays a float, because integers have none.
 */
export function storedNumber(value: number): number | Integer {
  return Number.isSafeInteger(value) && !isNegativeZero(value) ? int(value) : value;
}

function storedScalar(value: Scalar): unknown {
  return typeof value === 'number' ? storedNumber(value) : value;
}

const RENAMED = '_attr_';

/** A name that means something else on this node, or that Neo4j refuses, is kept under another one. */
function isReserved(name: string, taken: ReadonlySet<string>): boolean {
  return taken.has(name) || name.startsWith('_') || name === '';
}

export function writeScalars(into: Properties, scalars: Scalars, taken: ReadonlySet<string>): void {
  for (const [name, value] of Object.entries(scalars)) {
    into[isReserved(name, taken) ? RENAMED + name : name] = storedScalar(value);
  }
}

/** The property of a node or relationship that says which change it is the state of. */
export const VERSION = '_version';

/**
 * Reads everything but the taken names. What cannot be moved is said in `faults`. A legacy application's own name that
 * starts with an underscore is an attribute like any other.
 */
export function readScalars(
  properties: Properties,
  taken: ReadonlySet<string>,
  faults: string[],
): Record<string, Scalar> {
  const scalars: Record<string, Scalar> = {};
  for (const [property, value] of Object.entries(properties)) {
    if (taken.has(property)) continue;
    if (property === VERSION) {
      if (readVersion(value) === null) faults.push(`property ${VERSION} is no version`);
      continue;
    }
    const name = property.startsWith(RENAMED) ? property.slice(RENAMED.length) : property;
    const scalar = readScalar(value);
    if (scalar === undefined) faults.push(`property ${JSON.stringify(property)} is ${describe(value)}`);
    else if (Object.hasOwn(scalars, name)) faults.push(`property ${JSON.stringify(name)} is there twice`);
    else scalars[name] = scalar;
  }
  return scalars;
}

export function readScalar(value: unknown): Scalar | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return isInt(value) && value.inSafeRange() ? value.toNumber() : undefined;
}

function describe(value: unknown): string {
  if (isInt(value)) return `${value.toString()}, a whole number too large to be kept exactly`;
  if (Array.isArray(value)) return 'a list';
  const type = typeof value === 'object' && value !== null ? value.constructor.name : typeof value;
  return `a ${type}, neither text nor number nor boolean`;
}

/** A version as it came back from the server, or null where there is none that could be one. */
export function readVersion(value: unknown): number | null {
  const version = readScalar(value);
  return typeof version === 'number' && Number.isSafeInteger(version) && version > 0 ? version : null;
}
