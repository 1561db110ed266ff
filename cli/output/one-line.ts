/** Text that somebody else wrote, and that may be any text at all, fit for one cell of a table. */
export function oneLine(text: string, longest: number): string {
  const shown = /[\p{C}\p{Zl}\p{Zp}]/u.test(text)
    ? JSON.stringify(text).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '�')
    : text;
  return shown.length <= longest ? shown : `${shown.slice(0, longest)}…`;
}
