// A separate disk for the server that can fill up: a small file system in a private mount, or, if that is not allowed, a
// limit on the size of files.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Stop } from './project.mjs';

const BLOCKS = [1 << 20, 4096];

/** `{ folder, command, fill, free, stop }`: `command` is what the server's program is started with. */
export async function smallDisk(parent, megabytes) {
  if (process.platform !== 'linux') throw new Stop('--disk-full needs Linux.');
  const folder = path.join(parent, 'disk');
  mkdirSync(folder);
  return (await mounted(folder, megabytes)) ?? limited(folder);
}

/** The mount is gone with the last process of its name space. The one that holds it survives the server's restarts. */
async function mounted(folder, megabytes) {
  const own = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const script = `mount -t tmpfs -o size=${megabytes}m none "$0" && echo mounted && exec cat`;
  const args = [...own, '--mount', 'sh', '-c', script, folder];
  const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const failed = new Promise((resolve) => {
    holder.on('error', () => resolve(null));
    holder.on('exit', () => resolve(null));
  });
  const line = await Promise.race([once(createInterface({ input: holder.stdout }), 'line'), failed]);
  if (line === null) return null;
  const ballast = path.join(`/proc/${holder.pid}/root`, folder, 'ballast');
  const enter = process.getuid() === 0 ? [] : ['--user', '--preserve-credentials'];
  return {
    folder,
    command: ['nsenter', '--target', String(holder.pid), ...enter, '--mount', '--'],
    /** To be repeated: the server itself frees a little whenever it empties its log. */
    fill() {
      const file = openSync(ballast, 'a');
      try {
        for (const size of BLOCKS) while (wrote(file, size));
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    stop: () => holder.stdin.end(),
  };
}

function wrote(file, size) {
  try {
    return writeSync(file, Buffer.alloc(size)) === size;
  } catch (error) {
    if (error.code === 'ENOSPC') return false;
    throw error;
  }
}

/** The signal of a file that is too long is ignored: the server is told of an error of the disk. */
function limited(folder) {
  const limit = (pid, bytes) => {
    const { status } = spawnSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}`], { stdio: 'ignore' });
    if (status !== 0) throw new Stop('This account may not mount a file system, and prlimit does not work either.');
  };
  return {
    folder,
    command: ['sh', '-c', 'trap "" XFSZ && exec "$@"', 'sh'],
    fill: (pid) => limit(pid, '1:unlimited'),
    free: (pid) => limit(pid, 'unlimited:unlimited'),
    stop: () => {},
  };
}
