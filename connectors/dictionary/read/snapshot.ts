import type { FileHandle } from 'node:fs/promises';
import { OutboxTally } from '../capture/outbox-tally.ts';
import type { JournalHeader } from '../journal/journal.ts';
import { AgentIndex, type AgentIndexOptions } from './agent-index.ts';
import type { BaseFile } from './base-file.ts';
import type { Overlay } from './overlay.ts';
import type { VersionsFile } from './versions-file.ts';

export interface OpenJournal {
  readonly file: FileHandle;
  readonly header: JournalHeader;
  /** Behind the last whole frame. */
  end: number;
  tornBytes: number;
  readonly outbox: OutboxTally;
}

export function journalAtStart(file: FileHandle, header: JournalHeader): OpenJournal {
  return { file, header, end: header.bytes, tornBytes: 0, outbox: new OutboxTally() };
}

export interface SnapshotParts {
  readonly base: BaseFile;
  readonly versions: VersionsFile | undefined;
  readonly journal: OpenJournal | undefined;
  readonly overlay: Overlay;
}

/**
 * One state of the dictionary: base + versions + what the journal changed since. Its files stay open, so it goes on
 * being readable and whole while the next state replaces it; it closes when nobody uses it any more.
 */
export class Snapshot {
  readonly base: BaseFile;
  readonly versions: VersionsFile | undefined;
  readonly journal: OpenJournal | undefined;
  readonly overlay: Overlay;
  readonly #options: AgentIndexOptions;
  #index: Promise<AgentIndex> | undefined;
  #users = 1;

  constructor(parts: SnapshotParts, options: AgentIndexOptions) {
    this.base = parts.base;
    this.versions = parts.versions;
    this.journal = parts.journal;
    this.overlay = parts.overlay;
    this.#options = options;
  }

  /** Made when it is first asked for: one walk through the base. */
  index(): Promise<AgentIndex> {
    this.#index ??= AgentIndex.build(this, this.#options).catch((error: unknown) => {
      this.#index = undefined;
      throw error;
    });
    return this.#index;
  }

  /** Is there an agent of that id? (Up to a collision of 64-bit hashes.) */
  hasAgent(id: string, index: AgentIndex): boolean {
    const held = this.overlay.agents.get(id);
    return held === undefined ? index.ids.has(id) : held.entity !== null;
  }

  retain(): this {
    this.#users++;
    return this;
  }

  async release(): Promise<void> {
    this.#users--;
    if (this.#users > 0) return;
    await this.base.close();
    await this.versions?.close();
    await this.journal?.file.close();
    await (await this.#index?.catch(() => undefined))?.close();
  }
}
