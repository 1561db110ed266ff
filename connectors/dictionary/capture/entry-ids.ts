/** An entry's id: the outbox that it is in, and its number there. So no two entries ever share one. */
export function entryId(outbox: string, number: number): string {
  return `${outbox}:${number}`;
}

/** Undefined for an entry of another outbox. */
export function numberOf(outbox: string, id: string): number | undefined {
  const number = Number(id.slice(outbox.length + 1));
  return id.startsWith(`${outbox}:`) && Number.isSafeInteger(number) ? number : undefined;
}
