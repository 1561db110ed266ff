import { describeOptions } from '../../core/options.ts';
import { configOf, type RegisterCommand } from '../command.ts';
import { configSchema, ENV_PREFIX } from '../config.ts';
import { table } from '../output/format.ts';
import { routesOf } from '../routes.ts';

export const registerConfig: RegisterCommand = (program, context) => {
  const config = program.command('config').summary('check the configuration, or list every option');
  config
    .command('check')
    .description('Reads the configuration and says what moves where.')
    .action((_flags: unknown, command) => {
      const { origins, followers } = routesOf(configOf(command, context));
      const rows = Array.from(origins, ([kind, origin]) => {
        const targets = Array.from(followers).filter(([, kinds]) => kinds.includes(kind));
        return [kind, `legacy.${origin}`, targets.map(([name]) => `target.${name}`).join(', ') || 'nobody'];
      });
      context.print(table(['kind', 'from', 'to'], rows));
    });
  config
    .command('options')
    .description('Lists every option with its environment variable, type and default.')
    .action(() => {
      const rows = describeOptions(configSchema, ENV_PREFIX).map((option) => [
        option.path,
        option.env,
        option.type,
        option.default === undefined ? '' : JSON.stringify(option.default),
        option.description,
      ]);
      context.print(table(['option', 'environment', 'type', 'default', ''], rows));
    });
};
