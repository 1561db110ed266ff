import { join } from 'node:path';
import { ChangeoverError } from '../core/errors.ts';
import type { Machine } from './service.ts';
import { OLDEST } from './versions.ts';

const PACKAGE = 'openjdk-17-jre-headless';

/** The path of a Java that is new enough: of `JAVA_HOME`, else of the PATH. */
export async function requireJava(machine: Machine, neededFor: string): Promise<string> {
  const { programs } = machine;
  // A machine without Java has no Maven either, as a rule: one command for both.
  const install = `apt-get install ${PACKAGE}${programs.find('mvn') === undefined ? ' maven' : ''}`;
  const home = programs.env.JAVA_HOME;
  const java =
    home === undefined || home === ''
      ? programs.require('java', `${neededFor} (Java ${OLDEST.java} or newer)`, install)
      : join(home, 'bin/java');
  const { output } = await programs.run(java, ['-version']).catch((error: unknown) => {
    throw new ChangeoverError('not-installed', `${neededFor} needs Java, and ${java} cannot be run`, {
      hint: `Install it: ${install}, or correct JAVA_HOME.`,
      cause: error,
    });
  });
  // 1.8.0_x is Java 8; from Java 9 on the first number is the version.
  const version = Number(/version "(?:1\.)?(\d+)/.exec(output)?.[1]);
  if (version >= OLDEST.java) return java;
  throw new ChangeoverError(
    'not-installed',
    `${neededFor} needs Java ${OLDEST.java} or newer; ${java} is ${Number.isNaN(version) ? 'unknown' : version}`,
    { hint: `Install it: ${install}, or set JAVA_HOME to a newer one.` },
  );
}
