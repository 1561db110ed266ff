import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { loadConfig } from '../../core/config.ts';
import { ChangeoverError } from '../../core/errors.ts';
import { allowedNumbers, describeOptions } from '../../core/options.ts';

const schema = z.object({
  prefix: z.string().default('changeover').describe('topic prefix'),
  kafka: z.object({
    brokers: z.array(z.string()).min(1),
    partitions: z.int().positive().default(12),
    tls: z.boolean().default(false),
  }),
  target: z
    .object({ milvus: z.object({ address: z.string(), profile: z.enum(['fast', 'balanced']) }).optional() })
    .prefault({}),
});

const folder = mkdtempSync(join(tmpdir(), 'changeover-config-'));
let files = 0;

function load(yaml: string, env: Record<string, string> = {}) {
  const file = join(folder, `${files++}.yaml`);
  writeFileSync(file, yaml);
  return loadConfig(schema, { file, env, envPrefix: 'CHANGEOVER' });
}

function faultsOf(yaml: string, env: Record<string, string> = {}): string {
  try {
    load(yaml, env);
  } catch (error) {
    assert.ok(error instanceof ChangeoverError && error.code === 'config');
    return error.message.replaceAll(`${folder}/`, '').replaceAll(/\d+\.yaml/g, 'file');
  }
  assert.fail('it was accepted');
}

describe('a configuration', () => {
  it('comes from the file, with defaults for what it leaves out', () => {
    assert.deepEqual(load('kafka:\n  brokers: [a:1]\n'), {
      prefix: 'changeover',
      kafka: { brokers: ['a:1'], partitions: 12, tls: false },
      target: {},
    });
  });

  it('can come from the environment alone, which wins over the file', () => {
    const env = {
      CHANGEOVER_KAFKA_BROKERS: 'a:1, b:2',
      CHANGEOVER_KAFKA_PARTITIONS: '3',
      CHANGEOVER_KAFKA_TLS: 'true',
      CHANGEOVER_TARGET_MILVUS_ADDRESS: 'm:1',
      CHANGEOVER_TARGET_MILVUS_PROFILE: 'fast',
    };
    const expected = {
      prefix: 'changeover',
      kafka: { brokers: ['a:1', 'b:2'], partitions: 3, tls: true },
      target: { milvus: { address: 'm:1', profile: 'fast' } },
    };
    assert.deepEqual(loadConfig(schema, { env, envPrefix: 'CHANGEOVER' }), expected);
    assert.deepEqual(load('kafka:\n  brokers: [c:3]\n  partitions: 9\n', env), expected);
  });

  it('says the line of everything that is wrong, at once', () => {
    const faults = faultsOf(
      'prefix: 7\nkafka:\n  brokers: [a:1]\n  partitions: twelve\n\n  partition: 3\n',
    ).split('\n');
    assert.equal(faults.length, 3);
    assert.ok(
      faults.some((fault) => /^file:1: prefix: .*expected string/.test(fault)),
      faults.join(),
    );
    assert.ok(
      faults.some((fault) => /^file:4: kafka.partitions: .*expected number/.test(fault)),
      faults.join(),
    );
    assert.ok(
      faults.some((fault) =>
        /^file:6: kafka.partition: there is no such option; did you mean partitions\?/.test(fault),
      ),
      faults.join(),
    );
  });

  it('names the variable where the environment is wrong', () => {
    assert.match(
      faultsOf('kafka:\n  brokers: [a:1]\n', { CHANGEOVER_KAFKA_PARTITIONS: 'many' }),
      /^CHANGEOVER_KAFKA_PARTITIONS: kafka.partitions: /,
    );
  });

  it('refuses a variable with its prefix that is no option, without telling its value', () => {
    const yaml = 'kafka:\n  brokers: [a:1]\n';
    const faults = faultsOf(yaml, {
      CHANGEOVER_KAFKA_BROKER: 'secret:1',
      CHANGEOVER_NOTHING_LIKE_IT: 'secret',
    });
    assert.deepEqual(faults.split('\n'), [
      'CHANGEOVER_KAFKA_BROKER: there is no such option; did you mean CHANGEOVER_KAFKA_BROKERS?',
      'CHANGEOVER_NOTHING_LIKE_IT: there is no such option',
    ]);
    assert.deepEqual(load(yaml, { CHANGEOVERS: 'a', KAFKA_BROKER: 'b' }).kafka.brokers, ['a:1']);
  });

  it('leaves variables alone that somebody else reads, and suggests them too', () => {
    const loadWith = (env: Record<string, string>) =>
      loadConfig(schema, {
        env: { CHANGEOVER_KAFKA_BROKERS: 'a:1', ...env },
        envPrefix: 'CHANGEOVER',
        otherEnv: ['CHANGEOVER_DEBUG', /_PORT=tcp:/],
      });
    assert.ok(loadWith({ CHANGEOVER_DEBUG: '1', CHANGEOVER_PORT: 'tcp://10.0.0.1:80' }));
    assert.throws(() => loadWith({ CHANGEOVER_DEBUGG: '1' }), /did you mean CHANGEOVER_DEBUG\?/);
    assert.throws(() => loadWith({ CHANGEOVER_PORT: '80' }), /CHANGEOVER_PORT: there is no such option/);
  });

  it('names the section in which an option is missing', () => {
    assert.match(faultsOf('\nkafka:\n  partitions: 3\n'), /^file:2: kafka.brokers: /);
  });

  it('is refused when it is not YAML, is no map, says a thing twice or is not there', () => {
    assert.match(faultsOf('kafka: [\n'), /^file:\d+: /);
    assert.match(faultsOf('- a\n'), /top level must be a map/);
    assert.match(faultsOf('prefix: a\nprefix: b\n'), /^file:2: .*unique/);
    assert.throws(
      () => loadConfig(schema, { file: '/no/such.yaml', env: {}, envPrefix: 'X' }),
      /there is no such file/,
    );
  });
});

it('every option is described with its variable, type and default', () => {
  const options = describeOptions(schema, 'CHANGEOVER');
  assert.deepEqual(
    options.find((option) => option.path === 'prefix'),
    {
      path: 'prefix',
      env: 'CHANGEOVER_PREFIX',
      type: 'string',
      default: 'changeover',
      required: false,
      description: 'topic prefix',
    },
  );
  assert.equal(options.find((option) => option.path === 'target.milvus.profile')?.type, 'fast | balanced');
  assert.equal(options.find((option) => option.path === 'kafka.brokers')?.required, true);
});

it('the bounds of a number are told in words', () => {
  const cases: readonly (readonly [z.ZodType, string | undefined])[] = [
    [z.int().min(1).max(20_000).default(1_000), 'a whole number above 0, at most 20,000'],
    [z.int().min(-1), 'a whole number at least -1'],
    [z.number().positive().optional(), 'a number above 0'],
    [z.number().min(0).lt(1), 'a number at least 0, below 1'],
    [z.int(), 'a whole number'],
    [z.string(), undefined],
  ];
  for (const [option, words] of cases) assert.equal(allowedNumbers(option), words);
});
