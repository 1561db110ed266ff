import { RECORD_OVERHEAD_BYTES } from '../../schemas/record-size.ts';
import type { DeadLetterCodec } from '../dead-letter-codec.ts';
import type { DeadLetterTopic } from '../log.ts';
import type { MemoryBroker, MemoryTopic } from './broker.ts';

export interface MemoryDeadLettersOptions {
  readonly broker: MemoryBroker;
  /** Throws `mismatch` when the topic is not there, and `aborted` when the log is closed. */
  readonly topic: () => MemoryTopic;
  readonly codec: DeadLetterCodec;
  readonly maxChangeBytes: number;
  readonly nowUs: () => number;
}

export function openMemoryDeadLetters(options: MemoryDeadLettersOptions): DeadLetterTopic {
  const { broker, codec, maxChangeBytes, nowUs } = options;
  return {
    write: async (letters) => {
      const topic = options.topic();
      const timestampMs = Math.trunc(nowUs() / 1000);
      for (const letter of letters) {
        const { key, value, partition } = codec.encode(letter, maxChangeBytes + RECORD_OVERHEAD_BYTES);
        broker.append(topic, partition, { key, value, timestampMs });
      }
    },
    read: async (keepPayload = () => false) =>
      options.topic().flatMap((records) =>
        records.map(({ key, value }) => {
          const letter = codec.decode(key.toString(), value);
          return letter.payload === null || keepPayload(letter) ? letter : { ...letter, payload: null };
        }),
      ),
  };
}
