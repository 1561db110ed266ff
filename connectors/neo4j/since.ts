import { DateTime, isDate, isDateTime, isInt, isLocalDateTime } from 'neo4j-driver';

/**
 * `since` is milliseconds since 1970 in a change and a DATETIME in the graph. The driver's own conversion goes through
 * JavaScript's Date, which ends 4 % before the safe integers do, so the calendar is computed here.
 */

const DAY_MS = 86_400_000;

/** The calendar day that is `days` after 1970-01-01 (Howard Hinnant, chrono-compatible low-level date algorithms). */
function civilFromDays(days: number): {
  readonly year: number;
  readonly month: number;
  readonly day: number;
} {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}

/** The inverse of `civilFromDays`. */
function daysFromCivil(year: number, month: number, day: number): number {
  const fromMarch = month <= 2 ? year - 1 : year;
  const era = Math.floor(fromMarch / 400);
  const yearOfEra = fromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

export function dateTimeOf(epochMs: number): DateTime<number> {
  const days = Math.floor(epochMs / DAY_MS);
  const { year, month, day } = civilFromDays(days);
  const ofDay = epochMs - days * DAY_MS;
  const [hour, minute] = [Math.floor(ofDay / 3_600_000), Math.floor(ofDay / 60_000) % 60];
  const [second, nanosecond] = [Math.floor(ofDay / 1_000) % 60, (ofDay % 1_000) * 1_000_000];
  return new DateTime(year, month, day, hour, minute, second, nanosecond, 0);
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
