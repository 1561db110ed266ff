import { after, before, describe } from 'node:test';
import type { Store } from '../../connectors/connector.ts';
import { boundContract, statusContract } from './capture-bound.ts';
import { drainContract } from './capture-drain.ts';
import { agentDeleteContract, misuseContract, refusalContract } from './capture-refusals.ts';
import { captureOf } from './capture-support.ts';
import type { CapturePlace, CaptureUnderContract } from './capture-world.ts';
import { concurrencyContract, writesContract } from './capture-writes.ts';

export * from './capture-world.ts';

/** The promises of `Capture` and `Drain`, held against one implementation on its real server. */
export function captureContract(name: string, subject: CaptureUnderContract): void {
  describe(`${name} keeps the capture contract`, () => {
    let place: CapturePlace;
    let store: Store;
    before(async () => {
      place = await subject.place();
      store = await place.open();
      await store.prepare();
      await captureOf(store).install();
    });
    after(async () => {
      await store.close();
      await place.remove();
    });
    const opened = () => store;

    for (const kind of subject.kinds) {
      describe(kind, () => {
        writesContract(kind, opened, () => place, subject);
        concurrencyContract(kind, opened, () => place, subject);
        refusalContract(kind, opened);
      });
    }
    if (subject.kinds.includes('relationship')) agentDeleteContract(opened);
    misuseContract(subject, opened, () => place);
    drainContract(subject, opened, () => place);
    statusContract(subject, opened);
    boundContract(subject);
  });
}
