import { serial } from '../../../core/serial.ts';
import type { CaptureStatus } from '../../capture.ts';
import type { DictionaryPaths } from '../paths.ts';
import { readCaptureFile } from './capture-file.ts';
import { decodeCaptured } from './captured-entries.ts';
import type { CaptureHome } from './home.ts';
import { type DurableEnd, OutboxReader } from './outbox-reader.ts';
import type { OutboxTally } from './outbox-tally.ts';
import { type Relayed, readRelayed } from './relayed.ts';
import { setAsideIds } from './set-aside.ts';

/** Finds the oldest entry that waits; each time it goes on where it was, for what was relayed stays so. */
export class StatusReader {
  readonly #reader: OutboxReader;
  readonly #inOrder = serial();
  #oldest: { readonly number: number; readonly capturedAt: number } | undefined;

  constructor(paths: DictionaryPaths, durableEnd: DurableEnd) {
    this.#reader = new OutboxReader(paths, durableEnd);
  }

  oldestUs(relayed: Relayed): Promise<number | null> {
    return this.#inOrder(async () => {
      if (this.#oldest !== undefined && !relayed.has(this.#oldest.number)) return this.#oldest.capturedAt;
      const [entry] = await this.#reader.read(1, relayed);
      this.#oldest = entry && { number: entry.number, capturedAt: decodeCaptured(entry).capturedAt };
      return this.#oldest?.capturedAt ?? null;
    });
  }

  close(): Promise<void> {
    return this.#inOrder(() => this.#reader.close());
  }
}

export async function captureStatus(
  home: CaptureHome,
  reader: StatusReader,
  maxEntries: number,
): Promise<CaptureStatus> {
  const { paths } = home;
  const { installed, acceptedUs } = await readCaptureFile(paths.capture);
  const found = await home.withSnapshot(async ({ journal }) =>
    journal === undefined
      ? undefined
      : { outbox: journal.header.outbox, last: journal.outbox.lastNumber, lost: journal.outbox.lost },
  );
  const relayed = found === undefined ? undefined : await readRelayed(paths.relayed, found.outbox);
  const entries = relayed?.leftOf(found?.last ?? 0) ?? 0;
  return {
    active: installed && found !== undefined,
    detail: detailOf(home, installed, found !== undefined),
    entries,
    oldestUs: entries === 0 || relayed === undefined ? null : await reader.oldestUs(relayed),
    maxEntries,
    setAside: (await setAsideIds(paths.setAside)).size,
    lostSinceUs: lostSince(found?.lost ?? null, acceptedUs),
  };
}

function lostSince(lost: OutboxTally['lost'], acceptedUs: number): number | null {
  if (lost === null || lost.lastUs <= acceptedUs) return null;
  return Math.max(lost.firstUs, acceptedUs + 1);
}

function detailOf(home: CaptureHome, installed: boolean, hasJournal: boolean): string {
  const { paths, cutBytes, isOwner } = home;
  if (!installed) return 'capture is not installed';
  if (!hasJournal) return `there is no journal beside ${paths.base}`;
  const cut =
    cutBytes === 0
      ? ''
      : `; ${cutBytes} bytes of an unfinished write, of which nobody was told, were cut after a crash`;
  const who = isOwner ? 'this process writes it' : 'whoever owns the dictionary writes it';
  return `writes through the observed dictionary and the domain API are in ${paths.journal}; ${who}${cut}`;
}
