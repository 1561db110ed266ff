#!/usr/bin/env -S node --max-semi-space-size=8 --initial-old-space-size=32 --heap-growing-percent=40 --disable-warning=TimeoutNegativeWarning
// A small young generation: V8 would let it grow to 100 MB and more under our load, for nothing. The warning is about a timer of
// kafkajs that is due already.
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
