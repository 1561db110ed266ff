/** Everything that is generated and committed. */
import './generate-types.ts';
import './generate-docs.ts';
import './generate-openapi.ts';
