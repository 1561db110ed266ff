/**
 * Writes docs/configuration.md from the options' schema and docs/commands.md from the command line's own help.
 *
 *   npm run generate            writes them
 *   npm run generate -- --check fails when they are not what the code says
 */

import { configSchema, ENV_PREFIX } from '../cli/config.ts';
import { createProgram } from '../cli/program.ts';
import { describeOptions, type OptionDescription } from '../core/options.ts';
import { writeGenerated } from './generated-file.ts';

const NOTE = '<!-- Written by scripts/generate-docs.ts. Do not edit: npm run generate -->';

function configurationPage(): string {
  const sections = new Map<string, OptionDescription[]>();
  for (const option of describeOptions(configSchema, ENV_PREFIX)) {
    const parts = option.path.split('.');
    const depth = parts[0] === 'legacy' || parts[0] === 'target' ? 2 : 1;
    const section = parts.length === 1 ? '' : parts.slice(0, depth).join('.');
    sections.set(section, [...(sections.get(section) ?? []), option]);
  }
  const tables = Array.from(sections, ([section, options]) => {
    const rows = options.map(
      (option) =>
        `| \`${option.path}\` | ${typeOf(option)} | ${defaultOf(option)} | ${cell(option.description)} |`,
    );
    const heading = section === '' ? [] : [`## ${section}`, ''];
    return [...heading, '| option | type | default | |', '|---|---|---|---|', ...rows].join('\n');
  });
  return `${NOTE}

# Configuration

\`changeover\` reads the file that \`--config FILE\` or \`${ENV_PREFIX}_CONFIG\` names, else \`changeover.yaml\` in the working folder, else
nothing but the environment. Every option is also an environment variable, which wins over the file: \`kafka.brokers\` is
\`${ENV_PREFIX}_KAFKA_BROKERS\`, \`target.postgres.poolSize\` is \`${ENV_PREFIX}_TARGET_POSTGRES_POOL_SIZE\`. A list is separated by commas there, a map is
JSON. A secret can stand in the file, in the environment or in a file of its own (\`…File\`), never in a flag.

What is wrong is told with its line; an option that does not exist is an error, too. \`changeover config check\` says what
would move where. A store is used when its section is there.

${tables.join('\n\n')}
`;
}

function typeOf({ type }: OptionDescription): string {
  return cell(type);
}

function defaultOf(option: OptionDescription): string {
  if (option.required) return 'required';
  return option.default === undefined ? '' : `\`${cell(JSON.stringify(option.default))}\``;
}

/** Text that does not end the cell of a Markdown table. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function commandsPage(): string {
  const program = createProgram({
    env: {},
    signal: new AbortController().signal,
    print: () => {},
    note: () => {},
  });
  const pages: string[] = [];
  const visit = (command: ReturnType<typeof createProgram>, path: string): void => {
    pages.push(
      `## ${path}\n\n\`\`\`text\n${command.configureHelp({ helpWidth: 110 }).helpInformation().trim()}\n\`\`\``,
    );
    for (const inner of command.commands) visit(inner as typeof command, `${path} ${inner.name()}`);
  };
  visit(program, 'changeover');
  return `${NOTE}\n\n# Commands\n\n${pages.join('\n\n')}\n`;
}

writeGenerated(new URL('../docs/configuration.md', import.meta.url), configurationPage());
writeGenerated(new URL('../docs/commands.md', import.meta.url), commandsPage());
