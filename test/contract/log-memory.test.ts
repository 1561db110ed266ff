import { systemClock } from '../../core/clock.ts';
import { silentLogger } from '../../core/logger.ts';
import { MemoryBroker } from '../../log/memory/broker.ts';
import { openMemoryLog } from '../../log/memory/open.ts';
import { createCodec } from '../../schemas/codec.ts';
import { type LogUnderContract, logContract } from './log.ts';
import { claimContract } from './log-claims.ts';
import { deadLetterContract } from './log-dead-letters.ts';
import { workContract } from './log-work.ts';

const broker = new MemoryBroker();

const subject: LogUnderContract = {
  sessionTimeoutMs: 20,
  open: async ({ prefix, writer, ...options }) =>
    openMemoryLog(
      { ...options, broker },
      { prefix, writer, codec: createCodec(), logger: silentLogger, clock: systemClock },
    ),
};

logContract('The log in memory', subject);
claimContract('The log in memory', subject);
deadLetterContract('The log in memory', subject);
workContract('The log in memory', subject);
