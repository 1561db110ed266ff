import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Everything on this machine that works in the folder or was started for it. */
export function processesOf(dir: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        if (readlinkSync(`/proc/${pid}/cwd`).startsWith(dir)) return true;
        return ['cmdline', 'environ'].some((file) =>
          readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(dir),
        );
      } catch {
        return false;
      }
    });
}
