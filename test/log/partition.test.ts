import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { partitionOf } from '../../log/partition.ts';
import { HOSTILE_TEXTS } from '../support/entities.ts';

describe('partitionOf', () => {
  const kafkajsPartition = Partitioners.DefaultPartitioner();
  const theirs = (key: Buffer, partitions: number): number =>
    kafkajsPartition({
      topic: 't',
      partitionMetadata: Array.from({ length: partitions }, (_, partitionId) =>
        partitionOfLeader(partitionId),
      ),
      message: { key, value: null },
    });

  it("agrees with kafkajs' default, and so with Kafka's Java client, for any bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 1000 }), (key, partitions) => {
        assert.equal(partitionOf(key, partitions), theirs(Buffer.from(key), partitions));
      }),
      { numRuns: 500 },
    );
    for (const text of HOSTILE_TEXTS) {
      assert.equal(partitionOf(Buffer.from(text), 12), theirs(Buffer.from(text), 12), text);
    }
  });

  it("gives the values that Kafka's own tests expect of its murmur2", () => {
    // UtilsTest.testMurmur2 in Apache Kafka, masked to be positive as the partitioner does.
    const expected: Readonly<Record<string, number>> = {
      '21': -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      'a-little-bit-longer-string': -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
    };
    for (const [key, hash] of Object.entries(expected)) {
      assert.equal(partitionOf(Buffer.from(key), 2 ** 31 - 1), (hash & 0x7fffffff) % (2 ** 31 - 1));
    }
  });
});

function partitionOfLeader(partitionId: number) {
  return { partitionId, partitionErrorCode: 0, leader: 1, replicas: [1], isr: [1] };
}
