/** Jars from Maven, with everything that they need, through the user's own Maven and its settings. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadFailure } from './failure.ts';
import type { Machine } from './service.ts';
import { VERSIONS } from './versions.ts';

export interface Coordinates {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
  /** What it asks for and is to go without. */
  readonly without?: readonly Omit<Coordinates, 'version' | 'without'>[];
}

/** Fills `<dir>/libs` with the artifacts and their runtime dependencies, in the one version of each that Maven settles on. */
export async function fetchJars(
  machine: Machine,
  what: string,
  artifacts: readonly Coordinates[],
  dir: string,
): Promise<void> {
  const mvn = machine.programs.require('mvn', `Downloading ${what}`, 'apt-get install maven');
  machine.report(`downloading ${what}`);
  await writeFile(join(dir, 'pom.xml'), pom(artifacts));
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=libs'];
  const { exitCode, output } = await machine.programs.run(mvn, ['-q', '-B', ...goal], { cwd: dir });
  if (exitCode !== 0) throw downloadFailure(what, output);
}

function pom(artifacts: readonly Coordinates[]): string {
  const dependencies = artifacts.map(
    (artifact) => `    <dependency>${coordinates(artifact)}${exclusions(artifact)}</dependency>`,
  );
  const plugin = coordinates({
    group: 'org.apache.maven.plugins',
    artifact: 'maven-dependency-plugin',
    version: VERSIONS.mavenDependencyPlugin,
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  ${coordinates({ group: 'changeover', artifact: 'stack', version: '1' })}
  <packaging>pom</packaging>
  <build><plugins><plugin>${plugin}</plugin></plugins></build>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`;
}

function coordinates({ group, artifact, version }: Coordinates): string {
  return `<groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>`;
}

function exclusions({ without = [] }: Coordinates): string {
  if (without.length === 0) return '';
  const each = ({ group, artifact }: Omit<Coordinates, 'version'>): string =>
    `<exclusion><groupId>${group}</groupId><artifactId>${artifact}</artifactId></exclusion>`;
  return `<exclusions>${without.map(each).join('')}</exclusions>`;
}
