import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Writes a generated file, or with `--check` on the command line fails when it is not what it should be. */
export function writeGenerated(url: URL, text: string): void {
  if (!process.argv.includes('--check')) {
    writeFileSync(url, text);
  } else if (!existsSync(url) || readFileSync(url, 'utf8') !== text) {
    console.error(`${fileURLToPath(url)} is not what it is generated from: npm run generate`);
    process.exitCode = 1;
  }
}
