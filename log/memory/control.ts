import { createControlCodec } from '../control-codec.ts';
import type { ControlRecord, ControlTopic } from '../log.ts';

export interface MemoryControlOptions {
  /** The newest record of each subject. Throws `mismatch` when the topic is not there, and `aborted` when the log is closed. */
  readonly facts: () => Map<string, Buffer>;
  readonly writer: string;
  readonly nowUs: () => number;
}

export function openMemoryControl({ facts, writer, nowUs }: MemoryControlOptions): ControlTopic {
  const codec = createControlCodec();
  return {
    write: async (subject, body) => {
      const value = codec.encode({ subject, body, writer, writtenAt: nowUs() });
      const known = facts();
      if (value === null) known.delete(subject);
      else known.set(subject, value);
    },
    read: async (prefix) => {
      const found = Array.from(facts()).filter(([subject]) => subject.startsWith(prefix));
      return new Map<string, ControlRecord>(
        found.map(([subject, value]) => [subject, codec.decode(subject, value)]),
      );
    },
  };
}
