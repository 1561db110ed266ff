import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import { openMemoryLog } from '../../log/memory/open.ts';
import { createCodec } from '../../schemas/codec.ts';
import { logContract } from './log.ts';

const broker = new MemoryBroker();

logContract('The log in memory', {
  sessionTimeoutMs: 20,
  open: async ({ prefix, writer, ...options }) =>
    openMemoryLog(
      { ...options, broker },
      { prefix, writer, codec: createCodec(), logger: silentLogger, clock: systemClock },
    ),
});
