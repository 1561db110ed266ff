import { oneOf, readOptions, wholeNumber } from '../support/arguments.ts';
import { CONFIGURATIONS, type ConfigurationName } from './configurations.ts';
import { MUTATIONS, type Mutation } from './rules.ts';
import type { Constants } from './state.ts';

export const CONFIGURATION_NAMES = Object.keys(CONFIGURATIONS) as readonly ConfigurationName[];
export const CONSTANT_NAMES = Object.keys(CONFIGURATIONS['relay-killed']) as readonly (keyof Constants)[];
const MUTATION_NAMES = Object.keys(MUTATIONS) as readonly Mutation[];

/** Of what there has to be one at least, for anything to happen. */
const AT_LEAST_ONE: readonly (keyof Constants)[] = ['keys'];

export const HELP = `Usage: npm run specification -- [options]

Options:
  --from <name>      begin with these bounds: ${CONFIGURATION_NAMES.join(', ')} (default: all of them)
  --mutation <name>  break a rule: ${MUTATION_NAMES.join(', ')}
  --progress         tell each depth
${CONSTANT_NAMES.map((name) => `  --${name} <number>`).join('\n')}
  -h, --help         this

Exit code 1 when a property is broken, with the shortest trace; 2 when the command line is wrong.
A million states take about 100 MB and 40 s.`;

/** What the command line of the specification asks for. */
export interface SpecificationArguments {
  readonly from: readonly ConfigurationName[];
  readonly mutation: Mutation | null;
  /** In place of those of a configuration. */
  readonly constants: Partial<Constants>;
  readonly progress: boolean;
  readonly help: boolean;
}

/** Throws `usage` for anything that it does not understand. */
export function readArguments(args: readonly string[]): SpecificationArguments {
  const { from, mutation, progress, help, ...constants } = readOptions(
    args,
    {
      ...(Object.fromEntries(CONSTANT_NAMES.map((name) => [name, { type: 'string' }])) as {
        readonly [C in keyof Constants]: { readonly type: 'string' };
      }),
      from: { type: 'string' },
      mutation: { type: 'string' },
      progress: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
    'npm run specification -- --help',
  );
  return {
    from: from === undefined ? CONFIGURATION_NAMES : [oneOf('--from', from, CONFIGURATION_NAMES)],
    mutation: mutation === undefined ? null : oneOf('--mutation', mutation, MUTATION_NAMES),
    constants: Object.fromEntries(
      CONSTANT_NAMES.flatMap((name) => {
        const text = constants[name];
        return text === undefined
          ? []
          : [[name, wholeNumber(`--${name}`, text, AT_LEAST_ONE.includes(name) ? 1 : 0)]];
      }),
    ),
    progress,
    help,
  };
}
