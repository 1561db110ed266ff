/**
 * Writes docs/openapi.json: the document that the HTTP ingest serves at /openapi.json.
 *
 *   npm run generate            writes it
 *   npm run generate -- --check fails when it is not what the server says
 */
import { openApiDocument } from '../server/openapi.ts';
import { writeGenerated } from './generated-file.ts';

writeGenerated(
  new URL('../docs/openapi.json', import.meta.url),
  `${JSON.stringify(await openApiDocument(), null, 2)}\n`,
);
