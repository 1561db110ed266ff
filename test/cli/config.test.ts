import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readConfig } from '../../cli/config.ts';
import { cli } from '../support/cli.ts';

const NO_FILE = '/dev/null';

describe('a variable whose name begins with CHANGEOVER_', () => {
  it('is refused by a command when it is no option: exit code 2, with what was meant', async () => {
    const { code, stderr } = await cli(['config', 'check'], { CHANGEOVER_KAFKA_BROKER: 'prod:9092' });
    assert.equal(code, 2);
    assert.match(stderr, /CHANGEOVER_KAFKA_BROKER: .*did you mean CHANGEOVER_KAFKA_BROKERS\?\n {2}→ /);
  });

  it('is left alone when it has another purpose', () => {
    const env = {
      CHANGEOVER_KAFKA_BROKERS: 'a:1',
      CHANGEOVER_CONFIG: NO_FILE,
      CHANGEOVER_DEBUG: '1',
      CHANGEOVER_PASSWORD: 'of the containers',
      CHANGEOVER_TEST_STACK: '/tmp/addresses.json',
      CHANGEOVER_STACK_PID_FILE: '/tmp/kafka.pid',
    };
    assert.deepEqual(readConfig(NO_FILE, env).kafka.brokers, ['a:1']);
  });

  it('may be what Kubernetes tells every pod about a service called changeover or changeover-kafka', () => {
    const env = {
      CHANGEOVER_SERVICE_HOST: '10.0.0.1',
      CHANGEOVER_SERVICE_PORT: '80',
      CHANGEOVER_SERVICE_PORT_HTTP: '80',
      CHANGEOVER_PORT: 'tcp://10.0.0.1:80',
      CHANGEOVER_PORT_80_TCP: 'tcp://10.0.0.1:80',
      CHANGEOVER_PORT_80_TCP_PROTO: 'tcp',
      CHANGEOVER_KAFKA_PORT_9092_TCP_ADDR: '10.0.0.1',
    };
    assert.ok(readConfig(NO_FILE, env));
    assert.throws(() => readConfig(NO_FILE, { CHANGEOVER_KAFKA_PORT: '9092' }), /CHANGEOVER_KAFKA_PORT/);
  });
});

describe('a flag that stands in for an option', () => {
  it('has the bounds of the option and says them, with exit code 2', async () => {
    const cases: readonly (readonly [flag: string, text: string, words: RegExp])[] = [
      ['--batch-size', '5000000', /whole number above 0, at most 20,000\./],
      ['--batch-size', '1.5', /whole number above 0, at most 20,000\./],
      ['--parallelism', '65', /whole number above 0, at most 64\./],
      ['--rate', '0', /a number above 0\./],
      ['--rate', '', /a number above 0\./],
    ];
    for (const [flag, text, words] of cases) {
      const { code, stderr } = await cli(['backfill', flag, text]);
      assert.match(stderr, words);
      assert.equal(code, 2, stderr);
    }
  });

  it('takes what the configuration takes', async () => {
    const flags = ['--batch-size', '20000', '--parallelism', '64', '--rate', '0.5'];
    const { stderr } = await cli(['--config', NO_FILE, 'backfill', ...flags]);
    assert.match(stderr, /No legacy store is configured/);
  });
});
