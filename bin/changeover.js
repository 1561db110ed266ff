#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node --max-semi-space-size=32 --initial-old-space-size=64 --heap-growing-percent=100 --disable-warning=TimeoutNegativeWarning
// So that a process stays small however much passes through it (docs/decisions/0009-memory.md): a small young generation,
// collections of the old one before it has grown to several times what lives, and freed buffers back to the system. None
// of this is a limit that could end the process. The warning is about a timer of kafkajs that is due already.
//
// Runs the TypeScript as it stands, on the Node that npm installed beside it when the machine's own is too old. So this
// file must also link on an old one: it names nothing from Node that came after version 20.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 24;
const FROM_TERMINAL_MS = 200;
const ownNode = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));

if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) {
  // Keeps what was compiled and stripped of types, for the next start.
  nodeModule.enableCompileCache?.();
  // They have done their work, and are not for the servers that the stack starts.
  delete process.env.MALLOC_ARENA_MAX;
  await import('../cli/main.ts');
} else if (existsSync(ownNode)) {
  runOnOwnNode();
} else {
  refuse(`it needs Node ${OLDEST_NODE} or newer, and this is ${process.versions.node}; npm ci installs one`);
}

function runOnOwnNode() {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const child = spawn(ownNode, args, { stdio: 'inherit' });
  const pass = (signal) => child.kill(signal);
  // Whoever has only our process id means the command. A terminal sends its signals to both of us, so that the command hears
  // of one Ctrl-C twice: it takes what comes so close together for one (cli/stop-signal.ts). The pause lets a command that is
  // quick to stop be gone by then; in its last moments Node no longer has it listen, and the signal would end it.
  for (const signal of ['SIGINT', 'SIGHUP'])
    process.on(signal, () => setTimeout(pass, FROM_TERMINAL_MS, signal));
  process.on('SIGTERM', pass);
  child.on('error', (error) => refuse(`${ownNode} does not start: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    // Ends as the command did, so that a shell or a supervisor sees the signal; for those that Node ignores, as a number.
    process.exitCode = 128 + constants.signals[signal];
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function refuse(why) {
  process.stderr.write(`changeover: ${why}\n`);
  process.exit(2);
}
