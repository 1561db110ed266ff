/**
 * Preloaded (`--import`), it makes this process a Node 20 as far as bin/changeover.js can see. The process that is started
 * from it stays what it is, but takes a while to stop on SIGINT and then says so.
 */
import { registerHooks } from 'node:module';

const MARK = 'OLD_NODE_STARTED';

/** What `node:module` exports in Node 20 too; `enableCompileCache` came in 22.1. */
const OLD_MODULE = 'data:text/javascript,export const createRequire = undefined;';

if (process.env[MARK] === undefined) {
  process.env[MARK] = '1';
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'node:module' && context.parentURL?.endsWith('bin/changeover.js')
        ? { url: OLD_MODULE, shortCircuit: true }
        : next(specifier, context),
  });
} else {
  process.on('SIGINT', () => setTimeout(() => process.stderr.write('let go\n'), 800));
}
