#!/usr/bin/env -S MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 node --max-semi-space-size=8 --initial-old-space-size=32 --heap-growing-percent=40 --disable-warning=TimeoutNegativeWarning
// So that a process stays small however much passes through it (docs/decisions/0009-memory.md): a small young generation,
// collections of the old one before it has grown to several times what lives, and freed buffers back to the system. None
// of this is a limit that could end the process. The warning is about a timer of kafkajs that is due already.
//
// Runs the TypeScript as it stands, on the Node that npm installed beside it when the machine's own is too old.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 24;
const ownNode = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));

if (Number.parseInt(process.versions.node, 10) >= OLDEST_NODE) {
  // Keeps what was compiled and stripped of types, for the next start.
  enableCompileCache();
  // They have done their work, and are not for the servers that the stack starts.
  delete process.env.MALLOC_ARENA_MAX;
  delete process.env.MALLOC_TRIM_THRESHOLD_;
  await import('../cli/main.ts');
} else if (existsSync(ownNode)) {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const child = spawn(ownNode, args, {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 1));
} else {
  process.stderr.write(
    `changeover: it needs Node ${OLDEST_NODE} or newer, and this is ${process.versions.node}\n`,
  );
  process.exit(2);
}
