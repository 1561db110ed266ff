import { createCache, defaultCacheDir } from '../../stack/cache.ts';
import { requireJava } from '../../stack/java.ts';
import { fetchJars } from '../../stack/maven.ts';
import { createPrograms } from '../../stack/programs.ts';
import { VERSIONS } from '../../stack/versions.ts';

const DEBEZIUM = '3.6.0.Final';
const HIBERNATE = '7.2.6.Final';

/**
 * Kafka Connect of the broker's version with Debezium's JDBC sink. The sink asks for Hibernate's connection pool under a
 * name, and in a version, that the registry does not serve; the same module is there under its present name.
 */
const ARTIFACTS = [
  {
    group: 'io.debezium',
    artifact: 'debezium-connector-jdbc',
    version: DEBEZIUM,
    without: [{ group: 'org.hibernate', artifact: 'hibernate-agroal' }],
  },
  { group: 'org.hibernate.orm', artifact: 'hibernate-core', version: HIBERNATE },
  { group: 'org.hibernate.orm', artifact: 'hibernate-agroal', version: '7.2.0.Final' },
  { group: 'org.postgresql', artifact: 'postgresql', version: '42.7.14' },
  { group: 'org.apache.kafka', artifact: 'connect-runtime', version: VERSIONS.kafka },
  { group: 'org.apache.kafka', artifact: 'connect-json', version: VERSIONS.kafka },
  { group: 'org.apache.logging.log4j', artifact: 'log4j-slf4j-impl', version: VERSIONS.slf4jBinding },
];

export interface PeerProgram {
  readonly java: string;
  readonly classPath: string;
}

/** Out of the cache of the machine's user, into which the first call downloads it. */
export async function installPeer(): Promise<PeerProgram> {
  const { signal } = new AbortController();
  const machine = {
    programs: createPrograms(process.env, signal),
    cache: createCache(defaultCacheDir(process.env)),
    signal,
    report: (message: string) => console.error(`  ${'peer'.padEnd(10)} ${message}`),
  };
  const what = `Debezium's JDBC sink ${DEBEZIUM}`;
  const java = await requireJava(machine, what);
  const dir = await machine.cache.entry(`debezium-jdbc-${DEBEZIUM}-${VERSIONS.kafka}`, (empty) =>
    fetchJars(machine, what, ARTIFACTS, empty),
  );
  return { java, classPath: `${dir}/libs/*` };
}
