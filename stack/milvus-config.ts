/** Configuration of Milvus: the template of its package, with what a small stack on one machine needs instead. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import type { MilvusProgram } from './milvus-install.ts';

/** Inside its own network every Milvus has the same ports. */
export const MILVUS_PORTS = { grpc: 19_530, metrics: 9_091 } as const;

/** Those of docker-compose.yml, too: a test compares them. */
export const MILVUS_SETTINGS = {
  // A restart with loaded collections waits until the sessions of the dead process expire: 36 s with the default of 30, 19 with 10,
  // 12 with 5, 8 with 2. But Milvus ends itself when it could not renew a session in that time, and with 2 a busy disk was enough.
  'common.session.ttl': 5,
  // A strong read waits for the next tick: 45 ms instead of 200–400.
  'proxy.timeTickInterval': 50,
  // Without these the disk fills: 3 GB in 20 minutes.
  'rocksmq.retentionTimeInMinutes': 30,
  'rocksmq.retentionSizeInMB': 1024,
  'dataCoord.gc.interval': 60,
  'dataCoord.gc.missingTolerance': 60,
  'dataCoord.gc.dropTolerance': 60,
} as const;

/** Everything goes to the log file of the service. */
const LOG_SETTINGS = {
  'log.level': 'warn',
  'log.stdout': true,
  'log.file.rootPath': '',
  'etcd.log.level': 'warn',
  'etcd.log.path': 'stderr',
} as const;

/** For the parts in C++; their default is a file for each level. */
const GLOG_CONFIG = '--logtostderr=true\n--minloglevel=2\n';

/** Writes `<dir>/configs` and makes the folders that it names. */
export async function writeMilvusConfig(program: MilvusProgram, dir: string): Promise<void> {
  const configs = join(dir, 'configs');
  const data = join(dir, 'data');
  await mkdir(configs, { recursive: true });
  await mkdir(data, { recursive: true });
  const folders = {
    'etcd.data.dir': join(data, 'etcd.data'),
    'localStorage.path': data,
    'rocksmq.path': join(data, 'rocksmq'),
  };
  const document = parseDocument(fillIn(await readFile(program.configTemplate, 'utf8')));
  for (const [path, value] of Object.entries({ ...MILVUS_SETTINGS, ...LOG_SETTINGS, ...folders })) {
    document.setIn(path.split('.'), value);
  }
  await writeFile(join(configs, 'milvus.yaml'), document.toString());
  await writeFile(join(configs, 'glog.conf'), GLOG_CONFIG);
}

/** `{{ name(type): default }}` becomes the default. */
function fillIn(template: string): string {
  return template.replace(/\{\{([^}]*)\}\}/g, (_, inside: string) => /:\s*(.*?)\s*$/.exec(inside)?.[1] ?? '');
}
