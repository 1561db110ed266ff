import { isDate, isDateTime, isInt, isLocalDateTime } from 'neo4j-driver';

/**
 * `since` is milliseconds since 1970 in a change and a DATETIME in the graph. The server makes the one of the other (the
 * driver's conversion costs more). The driver's own way back goes through JavaScript's Date, which ends 4 % before
 * the safe integers do, so the calendar is computed here.
 */

const DAY_MS = 86_400_000;

/** The days from 1970-01-01 to a calendar day (Howard Hinnant, chrono-compatible low-level date algorithms). */
function daysFromCivil(year: number, month: number, day: number): number {
  const fromMarch = month <= 2 ? year - 1 : year;
  const era = Math.floor(fromMarch / 400);
  const yearOfEra = fromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/**
 * Milliseconds since 1970 of what a graph may hold as `since`: a DATETIME, a DATE or LOCAL DATETIME (taken as UTC), or
 * whole milliseconds. Fractions of a millisecond are dropped. Undefined for anything else.
 */
export function epochMsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (isInt(value)) return value.inSafeRange() ? value.toNumber() : undefined;
  if (isDate(value))
    return daysFromCivil(Number(value.year), Number(value.month), Number(value.day)) * DAY_MS;
  if (!isDateTime(value) && !isLocalDateTime(value)) return undefined;
  const offsetSeconds = isDateTime(value) ? Number(value.timeZoneOffsetSeconds ?? 0) : 0;
  const days = daysFromCivil(Number(value.year), Number(value.month), Number(value.day));
  const seconds =
    Number(value.hour) * 3_600 + Number(value.minute) * 60 + Number(value.second) - offsetSeconds;
  return days * DAY_MS + seconds * 1_000 + Math.floor(Number(value.nanosecond) / 1_000_000);
}
