/** All five servers: slow, so everything that needs them is in this one file, and its tests go on from one another. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import neo4j, { type Driver } from 'neo4j-driver';
import pg from 'pg';
import { LOOPBACK, type StackAddresses } from '../../stack/addresses.ts';
import { isFree } from '../../stack/ports.ts';
import { openStack, type Stack } from '../../stack/stack.ts';
import { processesOf } from '../support/processes.ts';

type Other = 'kafka' | 'milvus' | 'postgres' | 'redis';
type Addresses = Pick<StackAddresses, 'kafka' | 'neo4j' | 'milvus' | 'postgres' | 'redis'>;

const KEY = 'a-1';

/** One piece of data in each store: how it is written, and how it is read back. */
const STORES: {
  readonly [Name in keyof Addresses]: {
    write(address: Addresses[Name], value: string): Promise<void>;
    read(address: Addresses[Name]): Promise<string | undefined>;
  };
} = {
  kafka: {
    async write({ brokers }, value) {
      const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
      const admin = kafka.admin();
      await admin.connect();
      await admin.createTopics({ topics: [{ topic: 'kept' }], waitForLeaders: true });
      await admin.disconnect();
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic: 'kept', acks: -1, messages: [{ key: KEY, value }] });
      await producer.disconnect();
    },
    async read({ brokers }) {
      const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
      const consumer = kafka.consumer({ groupId: `reader-${Date.now()}` });
      const { promise, resolve } = Promise.withResolvers<string | undefined>();
      await consumer.connect();
      await consumer.subscribe({ topics: ['kept'], fromBeginning: true });
      await consumer.run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) });
      const value = await promise;
      await consumer.disconnect();
      return value;
    },
  },
  neo4j: {
    async write(address, value) {
      await withNeo4j(address, (driver) => driver.executeQuery('CREATE (:Kept {value: $value})', { value }));
    },
    async read(address) {
      const { records } = await withNeo4j(address, (driver) =>
        driver.executeQuery('MATCH (n:Kept) RETURN n.value AS value'),
      );
      return records[0]?.get('value');
    },
  },
  milvus: {
    async write({ address }, value) {
      const client = new MilvusClient({ address });
      const collection_name = 'kept';
      await client.createCollection({
        collection_name,
        fields: [
          { name: 'id', data_type: DataType.VarChar, is_primary_key: true, max_length: 64 },
          { name: 'value', data_type: DataType.VarChar, max_length: 64 },
          { name: 'vector', data_type: DataType.FloatVector, dim: 4 },
        ],
      });
      await client.createIndex({
        collection_name,
        field_name: 'vector',
        index_type: 'HNSW',
        metric_type: 'COSINE',
        params: { M: 8, efConstruction: 64 },
      });
      await client.loadCollectionSync({ collection_name });
      const { status } = await client.upsert({
        collection_name,
        data: [{ id: KEY, value, vector: [1, 2, 3, 4] }],
      });
      assert.equal(status.code, 0, status.reason);
      await client.closeConnection();
    },
    async read({ address }) {
      const client = new MilvusClient({ address });
      const found = await client.query({
        collection_name: 'kept',
        filter: `id in ["${KEY}"]`,
        output_fields: ['value'],
      });
      assert.equal(found.status.code, 0, found.status.reason);
      await client.closeConnection();
      return found.data[0]?.value;
    },
  },
  postgres: {
    async write({ url }, value) {
      await withPostgres(url, async (client) => {
        await client.query('CREATE TABLE kept (value text)');
        await client.query('INSERT INTO kept VALUES ($1)', [value]);
      });
    },
    read: ({ url }) =>
      withPostgres(url, async (client) => (await client.query('SELECT value FROM kept')).rows[0]?.value),
  },
  redis: {
    async write({ url }, value) {
      const client = new Redis(url);
      await client.set(KEY, value);
      client.disconnect();
    },
    async read({ url }) {
      const client = new Redis(url);
      const value = await client.get(KEY);
      client.disconnect();
      return value ?? undefined;
    },
  },
};

async function withNeo4j<T>(address: Addresses['neo4j'], work: (driver: Driver) => Promise<T>): Promise<T> {
  const driver = neo4j.driver(address.url, neo4j.auth.basic(address.user, address.password));
  try {
    return await work(driver);
  } finally {
    await driver.close();
  }
}

async function withPostgres<T>(
  connectionString: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function writeAll(addresses: Addresses, value: string): Promise<void> {
  await Promise.all([
    STORES.kafka.write(addresses.kafka, value),
    STORES.neo4j.write(addresses.neo4j, value),
    STORES.milvus.write(addresses.milvus, value),
    STORES.postgres.write(addresses.postgres, value),
    STORES.redis.write(addresses.redis, value),
  ]);
}

async function readAll(addresses: Addresses): Promise<Record<keyof Addresses, string | undefined>> {
  return {
    kafka: await STORES.kafka.read(addresses.kafka),
    neo4j: await STORES.neo4j.read(addresses.neo4j),
    milvus: await STORES.milvus.read(addresses.milvus),
    postgres: await STORES.postgres.read(addresses.postgres),
    redis: await STORES.redis.read(addresses.redis),
  };
}

function everywhere(value: string): Record<keyof Addresses, string> {
  return { kafka: value, neo4j: value, milvus: value, postgres: value, redis: value };
}

async function pidsOf(stack: Stack): Promise<Record<string, readonly number[]>> {
  return Object.fromEntries((await stack.status()).map(({ service, pids }) => [service, pids]));
}

/** Local addresses of all listening TCP sockets, as `ip:port` in the kernel's hexadecimal. */
function listening(): ReadonlySet<string> {
  const lines = ['tcp', 'tcp6'].flatMap((file) =>
    readFileSync(`/proc/net/${file}`, 'latin1').split('\n').slice(1),
  );
  const columns = lines.map((line) => line.trim().split(/\s+/)).filter(([, , , state]) => state === '0A');
  return new Set(columns.map(([, local]) => local ?? ''));
}

describe('a full stack', () => {
  let stack: Stack;
  let other: Stack<Other>;
  let addresses: Addresses;

  before(async () => {
    const newDir = () => join(tmpdir(), `changeover-full-${randomUUID()}`);
    stack = await openStack({ dir: newDir() });
    // Without Neo4j, which takes longer than all the others together.
    other = await openStack({ dir: newDir(), services: ['kafka', 'milvus', 'postgres', 'redis'] });
  });

  after(async () => {
    for (const opened of [stack, other]) {
      await opened.down();
      await rm(opened.dir, { recursive: true, force: true });
    }
  });

  it('starts beside another one, and each keeps what was written to it', async () => {
    const [ours, theirs] = await Promise.all([stack.up(), other.up()]);
    addresses = ours;
    await Promise.all([
      writeAll(ours, 'ours'),
      STORES.kafka.write(theirs.kafka, 'theirs'),
      STORES.milvus.write(theirs.milvus, 'theirs'),
      STORES.postgres.write(theirs.postgres, 'theirs'),
      STORES.redis.write(theirs.redis, 'theirs'),
    ]);
    assert.deepEqual(await readAll(ours), everywhere('ours'));
    assert.equal(await STORES.kafka.read(theirs.kafka), 'theirs');
    assert.equal(await STORES.milvus.read(theirs.milvus), 'theirs');
    assert.equal(await STORES.postgres.read(theirs.postgres), 'theirs');
    assert.equal(await STORES.redis.read(theirs.redis), 'theirs');
  });

  it('opens ports on the loopback interface only, two for Milvus', async () => {
    const ports = (await stack.status()).flatMap((status) => Object.values(status.ports));
    assert.equal(ports.length, 7);
    const local = [...listening()].filter((address) =>
      ports.includes(Number.parseInt(address.split(':')[1] ?? '', 16)),
    );
    assert.equal(local.length, ports.length);
    // 127.0.0.1, as IPv4 or mapped into IPv6.
    for (const address of local) assert.match(address, /^(0{16}FFFF0000)?0100007F:/);
    const health = await fetch(`${addresses.milvus.metricsUrl}/healthz`);
    assert.equal(await health.text(), 'OK');
  });

  it('stops without a trace while the other one goes on', async () => {
    await other.down();
    assert.deepEqual(processesOf(other.dir), []);
    assert.deepEqual(
      (await other.status()).map(({ state }) => state),
      Array(4).fill('stopped'),
    );
    assert.deepEqual(
      (await stack.status()).map(({ state }) => state),
      Array(5).fill('ready'),
    );
  });

  it('has APOC triggers, which write in the transaction that fires them', async () => {
    await withNeo4j(addresses.neo4j, async (driver) => {
      const statement = 'UNWIND $createdNodes AS n WITH n WHERE n:Fired CREATE (:Outbox {id: n.id})';
      await driver.executeQuery(
        `CALL apoc.trigger.install('neo4j', 'test', $statement, {phase: 'before'})`,
        { statement },
        { database: 'system' },
      );
      const outbox = async () =>
        (
          await driver.executeQuery(
            'CREATE (:Fired {id: 1}) WITH 1 AS x OPTIONAL MATCH (o:Outbox) RETURN count(o) AS n',
          )
        ).records[0]
          ?.get('n')
          .toNumber();
      const deadline = Date.now() + 20_000;
      while ((await outbox()) === 0) assert.ok(Date.now() < deadline, 'the trigger never fired');
    });
  });

  it('gets the forwarder to Milvus back without touching Milvus', async () => {
    const { milvus: [forwarder = 0, server] = [] } = await pidsOf(stack);
    process.kill(forwarder, 'SIGKILL');
    while ((await stack.status()).every(({ state }) => state !== 'dead'));
    assert.deepEqual(await stack.up(), addresses);
    const { milvus: [newForwarder, sameServer] = [] } = await pidsOf(stack);
    assert.notEqual(newForwarder, forwarder);
    assert.equal(sameServer, server);
    assert.equal(await STORES.milvus.read(addresses.milvus), 'ours');
  });

  it('has everything again after a kill -9 of everything, even when its ports have been taken meanwhile', async (test) => {
    const pids = Object.values(await pidsOf(stack)).flat();
    assert.equal(pids.length, 6);
    const ports = (await stack.status()).flatMap((status) => Object.values(status.ports));
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    for (const port of ports) {
      while (!(await isFree(port)));
      const squatter = createServer((socket) => socket.destroy());
      test.after(() => squatter.close());
      squatter.listen(port, LOOPBACK);
      await once(squatter, 'listening');
    }
    const moved = await stack.up();
    assert.notDeepEqual(moved.kafka, addresses.kafka);
    assert.notEqual(moved.milvus.address, addresses.milvus.address);
    assert.deepEqual(await readAll(moved), everywhere('ours'));
  });

  it('leaves no process behind when it is stopped', async () => {
    await stack.down();
    assert.deepEqual(processesOf(stack.dir), []);
  });
});
