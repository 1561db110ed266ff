import { readFileSync } from 'node:fs';
import type { StackAddresses } from '../../stack/addresses.ts';

/**
 * The real servers that this run of the tests shares (scripts/test.ts starts them and names the file, or somebody who
 * keeps a stack running names what `changeover stack status --json` has printed). A test takes
 * its own databases, labels, collections, topics and key prefixes on them, so that test files can run at once.
 */
export function testStack(): StackAddresses {
  const file = process.env.CHANGEOVER_TEST_STACK;
  if (file === undefined || file === '') {
    throw new Error(
      'CHANGEOVER_TEST_STACK is not set: run `npm test`; or `changeover stack up`, then `changeover stack status --json > FILE`, and set it to that FILE.',
    );
  }
  const said = JSON.parse(readFileSync(file, 'utf8')) as
    | StackAddresses
    | { readonly addresses: StackAddresses };
  return 'addresses' in said ? said.addresses : said;
}
