import type { Violation, Write } from './evidence.ts';
import type { KeyEvidence } from './oracle-keys.ts';

/**
 * Versions tell the order in which things happened: of two writes of a key, one of which had been acknowledged before the
 * other was asked for, the second has the greater version; and of all, each its own.
 */
export function* orderViolations({ kind, key, writes, captured }: KeyEvidence): Generator<Violation> {
  const versionOf = new Map(Array.from(captured.values(), ({ content, version }) => [content, version]));
  const known = writes.flatMap((write) => {
    const version = write.version ?? (write.content === null ? undefined : versionOf.get(write.content));
    return version === undefined ? [] : [{ write, version }];
  });
  const byVersion = new Map<number, Write>();
  for (const { write, version } of known) {
    const other = byVersion.get(version);
    if (other !== undefined) {
      const detail = `writes ${other.token} and ${write.token} were both told version ${version}`;
      yield { name: 'disordered', kind, key, detail };
    }
    byVersion.set(version, write);
  }
  const asked = known.toSorted((left, right) => left.write.askedAt - right.write.askedAt);
  const acknowledged = known
    .filter(({ write }) => write.acknowledgedAt !== null)
    .toSorted((left, right) => (left.write.acknowledgedAt ?? 0) - (right.write.acknowledgedAt ?? 0));
  let next = 0;
  let before: (typeof known)[number] | undefined;
  for (const each of asked) {
    for (; next < acknowledged.length; next++) {
      const done = acknowledged[next];
      if (done === undefined || (done.write.acknowledgedAt ?? 0) >= each.write.askedAt) break;
      if (before === undefined || done.version > before.version) before = done;
    }
    if (before === undefined || before.version <= each.version) continue;
    const detail =
      `write ${each.write.token} was asked for after write ${before.write.token} had been acknowledged, ` +
      `but has version ${each.version}, less than ${before.version}`;
    yield { name: 'disordered', kind, key, detail };
  }
}
