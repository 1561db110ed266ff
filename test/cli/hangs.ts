/** A process that is told to stop and waits for something that never answers. */
import { leaveInTime } from '../../cli/leave-in-time.ts';
import { stopOnSignals } from '../../cli/stop-signal.ts';

const controller = new AbortController();
stopOnSignals(controller);
leaveInTime(controller.signal, Number(process.argv[2]));
setInterval(() => {}, 1_000);
process.stderr.write('working\n');
