import type { RegisterCommand } from '../command.ts';
import { registerPurgeStubs } from './purge-stubs.ts';
import { registerPurgeTombstones } from './purge-tombstones.ts';

export const registerPurge: RegisterCommand = (program, context) => {
  const purge = program
    .command('purge')
    .summary('remove what stores keep and nothing needs any more: old tombstones, idle stubs');
  registerPurgeTombstones(purge, context);
  registerPurgeStubs(purge, context);
};
