import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { parse, stringify } from 'yaml';
import type { Migration } from './migration.ts';

/** Sets options of a migration's configuration, section by section. */
export async function reconfigure(
  { configFile }: Pick<Migration, 'configFile'>,
  sections: Readonly<Record<string, object>>,
): Promise<void> {
  const config = parse(await readFile(configFile, 'utf8'));
  for (const [section, options] of Object.entries(sections)) {
    config[section] = { ...config[section], ...options };
  }
  await writeFile(configFile, stringify(config), { mode: 0o600 });
}

/** A loopback address that was free a moment ago. */
export async function freeAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

/** What an endpoint for Prometheus answers: by name and labels as they are printed. */
export async function readMetrics(address: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
