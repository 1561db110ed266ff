import { systemClock } from '../../core/clock.ts';
import type { Service } from '../../core/service.ts';
import type { CommandContext } from '../command.ts';
import type { RelayOfStore } from '../work/relays.ts';
import { count, items } from './format.ts';

const REPORT_EVERY_MS = 5_000;

/** `legacy.redis: 1,200 entries published, 3 of them again, 1 set aside` */
export function relaySummary({ store, relay }: RelayOfStore): string {
  const { published, republished, setAside } = relay.progress();
  const again = republished === 0 ? '' : `, ${count(republished)} of them again`;
  const aside = setAside === 0 ? '' : `, ${count(setAside)} set aside`;
  return `${store.name}: ${items(published, 'entry')} published${again}${aside}`;
}

/** Says from time to time what the relays have done and what the outboxes hold. */
export function relayReporter(relays: readonly RelayOfStore[], context: CommandContext): Service {
  return {
    name: 'relay reporter',
    run: async (signal) => {
      for (;;) {
        await systemClock.sleep(REPORT_EVERY_MS, signal).catch(() => {});
        if (signal.aborted) return;
        for (const each of relays) context.note(noteOf(each));
      }
    },
  };
}

function noteOf(each: RelayOfStore): string {
  const status = each.status();
  const parts = [
    relaySummary(each),
    ...(status === undefined ? [] : [`${count(status.entries)} in the outbox`]),
    ...(each.relay.progress().holding ? [] : ['waiting while another relay drains it']),
  ];
  return parts.join('; ');
}
