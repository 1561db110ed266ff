import { join } from 'node:path';
import type { ServiceName } from './addresses.ts';
import type { ServiceHome } from './service.ts';
import type { StackState } from './state.ts';

/** The part of a data folder that belongs to one service; without state it has no ports and no secret. */
export function serviceHome(dir: string, name: ServiceName, state?: StackState): ServiceHome {
  const known = state?.services[name];
  return {
    dir: join(dir, name),
    logFile: join(dir, 'logs', `${name}.log`),
    ports: known?.ports ?? {},
    secret: known?.secret ?? '',
    pidFile: (process) => join(dir, 'run', `${process}.pid`),
  };
}
