import { messageOf } from '../core/errors.ts';
import type { Change, Embedding, Origin } from '../schemas/change.ts';
import { changeFault } from '../schemas/change-fault.ts';
import { type Codec, createCodec } from '../schemas/codec.ts';
import { spaceFault } from '../schemas/embedding-space.ts';
import type { Kind } from '../schemas/kinds.ts';
import { RECORD_OVERHEAD_BYTES } from '../schemas/record-size.ts';
import { FIRST_CAPTURED_VERSION } from '../schemas/version.ts';
import type { CapturePath, CaptureSettings, EntityWrite } from './capture.ts';

const codec: Codec = createCodec();

/** Of a kind that is written in another store: nobody would take it from the outbox of this one for what it is. */
export function foreignKindFault(kind: Kind, kinds: readonly Kind[], store: string): string | undefined {
  return kinds.includes(kind) ? undefined : `${store} is not the origin of ${String(kind)}`;
}

/** Why a write must not be made, or undefined when it may: what the log or every follower would refuse later. */
export function writeFault(
  write: EntityWrite,
  settings: CaptureSettings,
  origin: Pick<Origin, 'path' | 'store'>,
): string | undefined {
  const change = changeOf(write, {
    version: FIRST_CAPTURED_VERSION,
    before: null,
    created: false,
    origin: { ...origin, writer: settings.writer },
    eventId: write.eventId ?? '',
    capturedAt: 0,
  });
  const fault = changeFault(change);
  if (fault !== undefined) return fault;
  if (write.kind === 'embedding' && write.entity !== null && settings.space !== undefined) {
    const different = spaceFault(write.entity as Embedding, settings.space);
    if (different !== undefined) return different;
  }
  return sizeFault(change, settings.maxChangeBytes);
}

/** What a capture adds to a write to make a change of it. */
export interface Stamp {
  readonly version: number;
  readonly before: Change['before'];
  /** Whether there was none before. */
  readonly created: boolean;
  readonly origin: Origin & { readonly path: CapturePath | Origin['path'] };
  readonly eventId: string;
  readonly capturedAt: number;
}

export function changeOf({ kind, key, entity }: EntityWrite, stamp: Stamp): Change {
  const { version, before, created, origin, eventId, capturedAt } = stamp;
  const op = entity === null ? 'd' : created ? 'c' : 'u';
  return { kind, key, op, version, before, after: entity, origin, eventId, capturedAt } as Change;
}

/** Names the size of a change that the log does not take. */
export function sizeFault(change: Change, maxChangeBytes: number): string | undefined {
  let bytes: number;
  try {
    bytes = Buffer.byteLength(change.key) + codec.encode(change).byteLength + RECORD_OVERHEAD_BYTES;
  } catch (error) {
    return messageOf(error).slice(0, 200);
  }
  return bytes <= maxChangeBytes
    ? undefined
    : `its change has ${bytes} bytes, more than the ${maxChangeBytes} that the log takes`;
}
