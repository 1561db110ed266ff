import neo4j from 'neo4j-driver';
import { isNegativeZero } from '../../core/json.ts';
import type { Scalar } from '../../schemas/change.ts';

/** As the legacy application writes it: a whole number as an integer, but −0, which only a float can be. */
export function toNeo4jValue(value: Scalar): unknown {
  return Number.isSafeInteger(value) && !isNegativeZero(value) ? neo4j.int(value as number) : value;
}

export function toNeo4jProperties(
  values: Readonly<Record<string, Scalar>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toNeo4jValue(value)]));
}

/** A label, type or name as it stands in a query's text. */
export function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
