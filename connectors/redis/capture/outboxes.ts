import { askAllSlots } from '../client/all-slots.ts';
import type { CapturingClient } from '../client/client.ts';
import { pipelined } from '../client/pipelines.ts';
import type { Layout } from '../layout.ts';
import { capturedAtOf, type StreamEntry } from './outbox-entry.ts';

interface OutboxesContext {
  readonly client: CapturingClient;
  readonly layout: Layout;
}

/** What there is in the outboxes of a cluster, one per slot. */
export interface OutboxTotals {
  readonly entries: number;
  readonly oldestUs: number | null;
  readonly setAside: number;
  readonly lostSinceUs: number | null;
}

/** Outboxes that are looked at in one go. */
const AT_ONCE = 500;

/** The slots whose outbox holds entries. */
export async function filledOutboxes(context: OutboxesContext): Promise<readonly Layout[]> {
  return (await askAllSlots(context, { command: 'xlen', keys: (own) => [own.outboxKey] })).map(
    ([own]) => own,
  );
}

export async function totalsOf(context: OutboxesContext, store: string): Promise<OutboxTotals> {
  const inUse = await askAllSlots(context, {
    command: 'exists',
    keys: (own) => [own.outboxKey, own.asideKey, own.lostKey],
  });
  let [entries, setAside] = [0, 0];
  const [oldest, lost]: [number[], number[]] = [[], []];
  for (let start = 0; start < inUse.length; start += AT_ONCE) {
    const some = inUse.slice(start, start + AT_ONCE).map(([own]) => own);
    const answers = await pipelined(
      context.client,
      some.flatMap((own) => [
        ['xlen', own.outboxKey] as const,
        ['xlen', own.asideKey] as const,
        ['hget', own.lostKey, 'first'] as const,
        ['xrangeBuffer', own.outboxKey, '-', '+', 'COUNT', 1] as const,
      ]),
    );
    for (let place = 0; place < answers.length; place += 4) {
      const [length, aside, since, first] = answers.slice(place, place + 4);
      entries += Number(length);
      setAside += Number(aside);
      if (since !== null) lost.push(Number(since));
      const [entry] = first as readonly StreamEntry[];
      if (entry !== undefined) oldest.push(capturedAtOf(entry, store));
    }
  }
  return { entries, setAside, oldestUs: leastOf(oldest), lostSinceUs: leastOf(lost) };
}

/** The slots where entries were set aside. */
export async function keepingOutboxes(context: OutboxesContext): Promise<readonly Layout[]> {
  return (await askAllSlots(context, { command: 'xlen', keys: (own) => [own.asideKey] })).map(([own]) => own);
}

/** The slots where writes went uncaptured. */
export async function lossyOutboxes(context: OutboxesContext): Promise<readonly Layout[]> {
  return (await askAllSlots(context, { command: 'exists', keys: (own) => [own.lostKey] })).map(
    ([own]) => own,
  );
}

function leastOf(numbers: readonly number[]): number | null {
  return numbers.length === 0 ? null : numbers.reduce((least, number) => Math.min(least, number));
}
