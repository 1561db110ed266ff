/**
 * Writes schemas/generated.ts (TypeScript types) and schemas/fingerprints.json from the .avsc files.
 *
 *   npm run generate            writes them
 *   npm run generate -- --check fails when they are not what the .avsc files say
 */
import { readFileSync } from 'node:fs';
import { parseSchema, rabinFingerprint } from '../schemas/avro.ts';
import { SCHEMA_NAMES } from '../schemas/kinds.ts';
import { writeGenerated } from './generated-file.ts';

interface Field {
  readonly name: string;
  readonly type: Schema;
  readonly doc?: string;
}
interface Named {
  readonly type: string;
  readonly name?: string;
  readonly doc?: string;
  readonly fields?: readonly Field[];
  readonly symbols?: readonly string[];
  readonly values?: Schema;
}
type Schema = string | readonly Schema[] | Named;

const PRIMITIVES: Readonly<Record<string, string>> = {
  null: 'null',
  boolean: 'boolean',
  int: 'number',
  long: 'number',
  float: 'number',
  double: 'number',
  string: 'string',
  bytes: 'Uint8Array',
};

/** Declarations by type name, in the order in which they are met; one shape met twice is written once. */
const declarations = new Map<string, string>();

function declare(name: string, text: string): string {
  const earlier = declarations.get(name);
  if (earlier !== undefined && earlier !== text)
    throw new Error(`Two schemas give ${name} different shapes.`);
  declarations.set(name, text);
  return name;
}

function typeOf(schema: Schema): string {
  if (typeof schema === 'string') return PRIMITIVES[schema] ?? schema;
  if (Array.isArray(schema)) return schema.map(typeOf).join(' | ');
  const named = schema as Named;
  switch (named.type) {
    case 'record':
      return declareRecord(named);
    case 'enum':
      return declare(
        named.name ?? '',
        `export type ${named.name} = ${(named.symbols ?? []).map((symbol) => `'${symbol}'`).join(' | ')};`,
      );
    case 'map':
      return `Readonly<Record<string, ${typeOf(named.values ?? 'null')}>>`;
    default:
      return typeOf(named.type);
  }
}

function declareRecord(record: Named): string {
  const fields = (record.fields ?? []).map((field) => {
    const doc = field.doc === undefined ? '' : `  /** ${field.doc} */\n`;
    return `${doc}  readonly ${field.name}: ${typeOf(field.type)};`;
  });
  const doc = record.doc === undefined ? '' : `/** ${record.doc} */\n`;
  return declare(record.name ?? '', `${doc}export interface ${record.name} {\n${fields.join('\n')}\n}`);
}

const root = new URL('../schemas/', import.meta.url);
const fingerprints: Record<string, string> = {};
for (const name of SCHEMA_NAMES) {
  const text = readFileSync(new URL(`${name}.avsc`, root), 'utf8');
  typeOf(JSON.parse(text) as Schema);
  fingerprints[name] = rabinFingerprint(parseSchema(text)).toString('hex');
}

writeGenerated(
  new URL('generated.ts', root),
  `// Written by scripts/generate-types.ts from the .avsc files. Do not edit: npm run generate\n\n${[...declarations.values()].join('\n\n')}\n`,
);
writeGenerated(new URL('fingerprints.json', root), `${JSON.stringify(fingerprints, null, 2)}\n`);
