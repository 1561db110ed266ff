import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { configSchema, readConfig } from '../../cli/config.ts';
import { createProgram } from '../../cli/program.ts';
import { routesOf } from '../../cli/routes.ts';
import { KAFKA_HEAP, KAFKA_SETTINGS } from '../../stack/kafka.ts';
import { MILVUS_SETTINGS } from '../../stack/milvus-config.ts';
import { APOC_SETTINGS, NEO4J_HEAP, NEO4J_SETTINGS } from '../../stack/neo4j.ts';
import { POSTGRES_SETTINGS } from '../../stack/postgres.ts';
import { REDIS_SETTINGS } from '../../stack/redis.ts';
import { VERSIONS } from '../../stack/versions.ts';

const PAGES = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md')];

/** `changeover …` in code spans and code blocks, up to a comment. */
function commandLines(text: string): readonly string[] {
  const spans = Array.from(text.matchAll(/`(changeover [^`\n]+)`/g), (match) => match[1] ?? '');
  const blocks = Array.from(
    text.matchAll(/^(?:npx (?:--no-install )?|bin\/)?changeover(?:\.js)? ([^\n]+)$/gm),
    (match) => `changeover ${match[1]}`,
  );
  return [...spans, ...blocks].map((line) => line.split(/ #|\s{2,}/)[0] ?? line);
}

describe('the documentation', () => {
  for (const page of PAGES) {
    it(`${page} links only to what is there`, () => {
      for (const [, target = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
        if (!/^https?:/.test(target)) assert.ok(existsSync(join(dirname(page), target)), target);
      }
    });

    it(`${page} names only commands and options that exist`, () => {
      for (const line of commandLines(readFileSync(page, 'utf8'))) assertKnown(line);
    });
  }
});

function assertKnown(line: string): void {
  const context = { env: {}, signal: new AbortController().signal, print: () => {}, note: () => {} };
  let command = createProgram(context);
  for (const word of line.split(' ').slice(1)) {
    if (word.startsWith('-')) {
      const options = [
        ...command.options,
        ...(command.parent?.options ?? []),
        ...(command.parent?.parent?.options ?? []),
      ];
      assert.ok(
        ['--help', ...options.flatMap(({ long, short }) => [long, short])].includes(word),
        `${word} in "${line}"`,
      );
    } else {
      const inner = command.commands.find((each) => each.name() === word);
      if (inner !== undefined) command = inner;
      else assert.ok(command.parent !== null || /^[<[A-Z…]|\.yaml$/.test(word), `${word} in "${line}"`);
    }
  }
}

describe('the guide to live capture', () => {
  it('shows only lines of the example, which runs in the end-to-end tests', () => {
    const example = readFileSync('docs/examples/capture.ts', 'utf8');
    const blocks = Array.from(
      readFileSync('docs/capture.md', 'utf8').matchAll(/```ts\n([\s\S]*?)```/g),
      ([, code = '']) => code,
    );
    assert.ok(blocks.length > 3);
    for (const block of blocks) assert.ok(example.includes(block), block);
  });
});

describe('docker-compose.yml', () => {
  const { services } = parse(readFileSync('docker-compose.yml', 'utf8')) as {
    services: Record<
      string,
      {
        image: string;
        ports: string[];
        healthcheck?: unknown;
        volumes?: string[];
        command?: string[];
        environment?: Record<string, unknown>;
      }
    >;
  };
  const config = configSchema.parse(parse(readFileSync('changeover.example.yaml', 'utf8')));

  it('pins the versions that the local stack runs', () => {
    const images = Object.values(services).map(({ image }) => image);
    assert.deepEqual(images, [
      `apache/kafka:${VERSIONS.kafka}`,
      `neo4j:${VERSIONS.neo4j}-community`,
      `milvusdb/milvus:v${VERSIONS.milvus}`,
      `postgres:${VERSIONS.postgres}`,
      `redis:${VERSIONS.redis}`,
    ]);
  });

  /** Each image's rule for the name of the variable that sets an option. */
  const variables: Readonly<Record<string, (option: string) => string>> = {
    kafka: (option) => `KAFKA_${option.toUpperCase().replaceAll('.', '_')}`,
    neo4j: (option) => `NEO4J_${option.replaceAll('_', '__').replaceAll('.', '_')}`,
    milvus: (option) => option.toUpperCase().replaceAll('.', '_'),
  };
  const settings: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>> = {
    kafka: { ...KAFKA_SETTINGS, 'heap.opts': KAFKA_HEAP.join(' ') },
    neo4j: {
      ...NEO4J_SETTINGS,
      ...APOC_SETTINGS,
      'server.memory.heap.initial_size': NEO4J_HEAP.initial,
      'server.memory.heap.max_size': NEO4J_HEAP.max,
    },
    milvus: MILVUS_SETTINGS,
  };

  for (const [name, options] of Object.entries(settings)) {
    it(`gives ${name} the settings that the local stack gives it`, () => {
      const expected = Object.entries(options).map(([option, value]) => [
        variables[name]?.(option) ?? option,
        String(value),
      ]);
      const environment = services[name]?.environment ?? {};
      const found = expected.map(([variable = '']) => [variable, String(environment[variable])]);
      assert.deepEqual(found, expected);
    });
  }

  it('gives postgres and redis the settings that the local stack gives them', () => {
    const words = (name: string): string => JSON.stringify(services[name]?.command);
    for (const [option, value] of Object.entries(POSTGRES_SETTINGS)) {
      assert.ok(
        words('postgres').includes(JSON.stringify(['-c', `${option}=${value}`]).slice(1, -1)),
        option,
      );
    }
    for (const [option, value] of Object.entries(REDIS_SETTINGS)) {
      const said = JSON.stringify([`--${option}`, value === '""' ? '' : value]).slice(1, -1);
      assert.ok(words('redis').includes(said), option);
    }
  });

  it('has the password of the example configuration, which has it in the four places that the header counts', () => {
    const compose = readFileSync('docker-compose.yml', 'utf8');
    const defaults = Array.from(compose.matchAll(/CHANGEOVER_PASSWORD:-([^}]*)\}/g), (match) => match[1]);
    const example = readFileSync('changeover.example.yaml', 'utf8');
    const passwords = Array.from(example.matchAll(/^ +password: (\S+)$/gm), (match) => match[1]);
    assert.equal(passwords.length, 4);
    assert.equal(new Set([...passwords, ...defaults]).size, 1);
    const variable = /CHANGEOVER_TARGET_NEO4J_PASSWORD/.exec(compose)?.[0] ?? '';
    const changed = readConfig('changeover.example.yaml', { [variable]: 'another' });
    assert.equal((changed.target as { neo4j?: { password?: string } }).neo4j?.password, 'another');
  });

  it('gives every server a health check, a named volume and ports on the loopback interface', () => {
    for (const [name, { ports, healthcheck, volumes }] of Object.entries(services)) {
      assert.ok(healthcheck !== undefined, name);
      assert.match(volumes?.[0] ?? '', new RegExp(`^${name}:`));
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);
    }
  });

  it('has at its ports what the example configuration points at', () => {
    const hostPort = (name: string): string =>
      services[name]?.ports[0]?.split(':').slice(0, 2).join(':') ?? '';
    const legacy = config.legacy as Record<string, { url?: string }>;
    const target = config.target as Record<
      string,
      { url?: string; address?: string; host?: string; port?: number }
    >;
    assert.deepEqual(config.kafka.brokers, [hostPort('kafka')]);
    assert.equal(target.neo4j?.url, `bolt://${hostPort('neo4j')}`);
    assert.equal(legacy.neo4j?.url, `bolt://${hostPort('neo4j')}`);
    assert.equal(legacy.redis?.url, `redis://${hostPort('redis')}/0`);
    assert.equal(target.milvus?.address, hostPort('milvus'));
    assert.equal(`${target.postgres?.host}:${target.postgres?.port}`, hostPort('postgres'));
    assert.equal(services.kafka?.environment?.KAFKA_ADVERTISED_LISTENERS, `PLAINTEXT://${hostPort('kafka')}`);
  });

  it('comes with an example configuration that moves every kind', () => {
    const { origins, followers } = routesOf(config);
    assert.equal(origins.size, 6);
    assert.deepEqual([...followers.keys()].toSorted(), ['milvus', 'neo4j', 'postgres']);
  });
});
