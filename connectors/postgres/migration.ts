/**
 * One step of the schema. Its SQL runs with the configured schema first in the search path. Once landed it is never
 * edited (its checksum is stored beside it, and a test holds it): what is to change gets the next number.
 */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}
