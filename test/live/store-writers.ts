import { openOrigin } from './open-origin.ts';
import type { StoreWriter } from './store-writer.ts';
import { openCypherWriter } from './write-cypher.ts';
import { openDomainWriter } from './write-domain.ts';
import { openInterceptedWriter } from './write-intercepted.ts';
import type { Way, WriterOptions } from './writer-options.ts';

const OPEN: { readonly [W in Way]: (options: WriterOptions) => Promise<StoreWriter> } = {
  capture: async ({ configFile, store }) => {
    const origin = await openOrigin(configFile, store);
    return {
      way: 'capture',
      write: (writes) => origin.store.capture.write(writes),
      close: () => origin.close(),
    };
  },
  shim: openDomainWriter,
  intercept: openInterceptedWriter,
  cypher: openCypherWriter,
};

export function openStoreWriter(way: Way, options: WriterOptions): Promise<StoreWriter> {
  return OPEN[way](options);
}
