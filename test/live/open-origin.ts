import { readConfig } from '../../cli/config.ts';
import { type CapturedStore, Deployment } from '../../cli/deployment.ts';
import type { OriginStore } from './key-space.ts';

export interface OpenOrigin {
  readonly deployment: Deployment;
  readonly store: CapturedStore;
  close(): Promise<void>;
}

/** A legacy store, opened as an application that writes against us opens it. */
export async function openOrigin(configFile: string, name: OriginStore): Promise<OpenOrigin> {
  const deployment = new Deployment(readConfig(configFile, {}), { capture: true });
  try {
    const store = await deployment.captured(name);
    return { deployment, store, close: () => deployment.close() };
  } catch (error) {
    await deployment.close();
    throw error;
  }
}
