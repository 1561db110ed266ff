import { Kafka } from 'kafkajs';
import { wrapMethod } from './kill-wrap.ts';

interface PublishingWatch {
  before(): void;
  after(): void;
}

interface Sending {
  send(record: { readonly topic: string }): Promise<unknown>;
}

/** The moments before changes go to the brokers, and after these have confirmed them. */
export function watchPublishing({ before, after }: PublishingWatch): void {
  wrapMethod(Kafka.prototype, 'producer', (original) => {
    return function (...args) {
      const producer = original.apply(this, args) as Sending;
      const send = producer.send.bind(producer);
      producer.send = async (record) => {
        if (record.topic.endsWith('.control')) return send(record);
        before();
        const answer = await send(record);
        after();
        return answer;
      };
      return producer;
    };
  });
}
