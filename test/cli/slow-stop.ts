/** A process that takes two seconds to let go of things when it is told to stop, and then says so. */
import { setTimeout as sleep } from 'node:timers/promises';
import { stopOnSignals } from '../../cli/stop-signal.ts';

const CLEAN_UP_MS = 2_000;

const controller = new AbortController();
stopOnSignals(controller);
process.stderr.write('working\n');
await sleep(60_000, undefined, { signal: controller.signal }).catch(() => undefined);
await sleep(CLEAN_UP_MS);
process.stderr.write('let go\n');
