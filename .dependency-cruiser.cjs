// Which folder may import which: the table in docs/architecture.md. An import against it fails the build.
const STORES = 'dictionary|neo4j|redis|milvus|postgres';

/** Of our own folders, `from` may import only `allowed` (and itself). */
const only = (from, allowed) => ({
  name: `${from}-imports`,
  comment: `${from}/ may import only: ${allowed.join(', ') || 'nothing of ours'}`,
  severity: 'error',
  from: { path: `^${from}/` },
  to: {
    pathNot: [`^${from}/`, ...allowed.map((path) => `^${path}`), 'node_modules', '^package\\.json$'],
    dependencyTypesNot: ['core'],
  },
});

// The seams of a store, and what all stores share.
const SEAM = 'connectors/[^/]+\\.ts$';

module.exports = {
  forbidden: [
    only('core', []),
    only('schemas', ['core/']),
    only('log', ['schemas/', 'core/']),
    only('connectors', ['schemas/', 'core/']),
    only('producers', ['log/log\\.ts$', SEAM, 'schemas/', 'core/']),
    only('consumers', ['log/log\\.ts$', SEAM, 'schemas/', 'core/']),
    only('validate', [SEAM, 'schemas/', 'core/']),
    only('routing', ['log/log\\.ts$', SEAM, 'schemas/', 'core/']),
    only('society', [SEAM, 'schemas/', 'core/']),
    only('stack', ['core/']),
    only('server', [
      'producers/',
      'consumers/',
      'validate/',
      'routing/',
      'log/log\\.ts$',
      SEAM,
      'schemas/',
      'core/',
    ]),
    {
      name: 'stores-apart',
      comment: 'A store folder imports no other store folder.',
      severity: 'error',
      from: { path: `^connectors/(${STORES})/` },
      to: { path: `^connectors/(${STORES})/`, pathNot: '^connectors/$1/' },
    },
    {
      name: 'seam-first',
      comment: 'What all stores share knows none of them.',
      severity: 'error',
      from: { path: '^connectors/[^/]+\\.ts$' },
      to: { path: `^connectors/(${STORES})/` },
    },
    {
      name: 'kafka-in-log',
      comment: 'Only log/ and the stack know the Kafka client.',
      severity: 'error',
      from: { pathNot: '^(log|stack|test|bench)/' },
      to: { path: 'node_modules/kafkajs' },
    },
    {
      name: 'nobody-imports',
      comment: 'Nobody imports tests, benchmarks, scripts or the command line.',
      severity: 'error',
      from: { pathNot: '^(test|bench|scripts|cli|docs)/' },
      to: { path: '^(test|bench|scripts|cli|docs|deploy)/' },
    },
    {
      name: 'no-cycles',
      comment: 'No cycle at run time; an interface may be declared beside the code that uses it.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.changeover)/' },
    tsPreCompilationDeps: true,
  },
};
