/**
 * A network of its own for Milvus, which has no authentication and binds nine ports on every interface: a network namespace
 * whose only interface is its own loopback. A mount namespace gives it folders of its own where it writes files of fixed names,
 * so that two stacks, or two users, do not meet there.
 */
import { ChangeoverError } from '../core/errors.ts';
import type { Programs } from './programs.ts';

const OTHER_WAYS =
  'Allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root), ' +
  'use docker-compose.yml instead, or point changeover.yaml at a Milvus that runs elsewhere.';

const LOOPBACK_UP =
  '{ ip link set lo up || ifconfig lo up || python3 -c \'import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh", b"lo", 0x49))\'; }';
/** An ordinary user cannot make the one in /run; Milvus then takes the one in /tmp. */
const PRIVATE_FOLDERS =
  'for dir in /run/milvus /tmp/milvus; do mkdir -p $dir 2>/dev/null; if [ -d $dir ]; then mount -t tmpfs -o size=1m tmpfs $dir || exit 1; fi; done';
const ENTER_AND_BECOME = `${PRIVATE_FOLDERS}; ${LOOPBACK_UP} || exit 1; exec "$@"`;

const isRoot = () => process.getuid?.() === 0;

/** To be put before a command that is to run in a new network. */
export function newNetwork(programs: Programs): readonly string[] {
  const unshare = programs.require('unshare', 'Running Milvus', 'apt-get install util-linux');
  const asUser = isRoot() ? [] : ['--map-root-user'];
  return [unshare, ...asUser, '--net', '--mount', '/bin/sh', '-c', ENTER_AND_BECOME, 'sh'];
}

/** To be put before a command that is to run in the network of another process. */
export function networkOf(programs: Programs, pid: number): readonly string[] {
  const nsenter = programs.require('nsenter', 'Running Milvus', 'apt-get install util-linux');
  const asUser = isRoot() ? [] : ['--user', '--preserve-credentials'];
  return [nsenter, `--target=${pid}`, ...asUser, '--net'];
}

/** Throws when this machine or container does not permit namespaces. */
export async function checkNetworks(programs: Programs): Promise<void> {
  const [command = '', ...args] = [...newNetwork(programs), 'true'];
  const { exitCode, output } = await programs.run(command, args);
  if (exitCode === 0) return;
  throw new ChangeoverError(
    'config',
    `milvus needs a network namespace, which this machine does not permit: ${output.trim()}`,
    { hint: OTHER_WAYS },
  );
}
