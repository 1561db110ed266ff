import { oneOf, readOptions, wholeNumber } from '../support/arguments.ts';
import { ALL_BUGS, type Bug } from './bugs.ts';
import type { Handover } from './follower.ts';

const HANDOVERS = ['settled', 'leased', 'none'] as const satisfies readonly Handover[];

export const HELP = `Usage: npm run simulate -- [options]

Options:
  --seed <number>    one seed, with its trace
  --seeds <number>   so many seeds (default: 100)
  --from <number>    the first of them (default: 1)
  --bug <name>       with this planted bug
  --bugs             the first seed that finds each planted bug
  --handover <name>  of the store without a guard: ${HANDOVERS.join(', ')} (default: settled)
  -h, --help         this

Exit code 1 when a seed violates something, or a planted bug was not found; 2 when
the command line is wrong.

Planted bugs:
${ALL_BUGS.map((bug) => `  ${bug}`).join('\n')}`;

/** What the command line of the simulation asks for. */
export interface SimulationArguments {
  /** With its trace, where it names one. */
  readonly seed: number | undefined;
  readonly seeds: number;
  readonly from: number;
  readonly bug: Bug | undefined;
  readonly eachBug: boolean;
  readonly handover: Handover;
  readonly help: boolean;
}

/** Throws `usage` for anything that it does not understand. */
export function readArguments(args: readonly string[]): SimulationArguments {
  const { seed, seeds, from, bug, bugs, handover, help } = readOptions(
    args,
    {
      seed: { type: 'string' },
      seeds: { type: 'string', default: '100' },
      from: { type: 'string', default: '1' },
      bug: { type: 'string' },
      bugs: { type: 'boolean', default: false },
      handover: { type: 'string', default: 'settled' },
      help: { type: 'boolean', short: 'h', default: false },
    },
    'npm run simulate -- --help',
  );
  return {
    seed: seed === undefined ? undefined : wholeNumber('--seed', seed, 0),
    seeds: wholeNumber('--seeds', seeds, 1),
    from: wholeNumber('--from', from, 0),
    bug: bug === undefined ? undefined : oneOf('--bug', bug, ALL_BUGS),
    eachBug: bugs,
    handover: oneOf('--handover', handover, HANDOVERS),
    help,
  };
}
