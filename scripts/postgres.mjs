// A PostgreSQL of one's own for tests and the demo: a new cluster in a temporary folder, on loopback, gone afterwards.
//
// It is as durable as a real one (fsync stays on), because what the tests show is that nothing is lost.

import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { freePort, isRoot, Stop, which } from './project.mjs';

const HOST = '127.0.0.1';
const USER = 'cardseal';
const DATABASE = 'cardseal';
/** Debian keeps a version's programs in a folder of its own. */
const DEBIAN = '/usr/lib/postgresql';
const STARTS_WITHIN_MS = 60_000;

/** The folder with the newest server's programs, if there is one. */
export function postgresPrograms() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => path.join(DEBIAN, version, 'bin')),
    path.dirname(which('initdb') ?? ''),
  ];
  return folders.find((folder) => folder !== '.' && existsSync(path.join(folder, 'initdb')));
}

/**
 * Starts a cluster, in a new folder below `place`. `url` has a user who may create everything; `stop` ends it and removes
 * its folder. `pause` ends it until `resume`. `create` makes another database, empty or a copy of one that nobody uses, and
 * gives its URL; `query` runs statements in the database of a URL, and gives what they return as text.
 */
export async function startPostgres({ settings = {}, port, place = os.tmpdir() } = {}) {
  const programs = postgresPrograms();
  if (!programs)
    throw new Stop('PostgreSQL is missing. Install its server, on Debian with `apt-get install postgresql`.');
  const folder = mkdtempSync(path.join(place, 'cardseal-postgres-'));
  const data = path.join(folder, 'data');
  const as = owner();
  if (as.uid !== undefined) chownSync(folder, as.uid, as.gid);
  const options = { ...as, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', TZ: 'UTC' } };
  const run = (name, args) => {
    const { status, stdout, stderr, error } = spawnSync(path.join(programs, name), args, {
      ...options,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Stop(`${name} failed: ${error?.message ?? stderr.trim()}`);
    return stdout.trim();
  };
  try {
    // `trust` lets in whoever reaches the port, which is on loopback.
    run('initdb', ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--no-instructions']);
    const chosen = port ?? (await freePort());
    const all = {
      listen_addresses: HOST,
      port: chosen,
      unix_socket_directories: '',
      max_connections: 300,
      shared_buffers: '64MB',
      log_min_messages: 'warning',
      ...settings,
    };
    const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const last = [];
    let child;
    let ended;
    const start = async () => {
      child = spawn(path.join(programs, 'postgres'), ['-D', data, ...args], {
        ...options,
        stdio: ['ignore', 'ignore', 'pipe'],
        // Ctrl-C is for the script, which ends it last.
        detached: true,
      });
      child.stderr.on('data', (text) => last.push(String(text)) > 50 && last.shift());
      ended = new Promise((resolve) => child.once('exit', resolve));
      const until = Date.now() + STARTS_WITHIN_MS;
      const psql = ['-h', HOST, '-p', String(chosen), '-U', USER, '-d', 'postgres', '-c', 'SELECT 1'];
      while (spawnSync(path.join(programs, 'psql'), psql, options).status !== 0) {
        if (child.exitCode !== null) throw new Stop(`PostgreSQL ended at once:\n${last.join('')}`);
        if (Date.now() > until) {
          child.kill('SIGQUIT');
          throw new Stop(`PostgreSQL did not start:\n${last.join('')}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    // SIGINT ends its sessions, and does not wait for them; after SIGQUIT it has to recover, as after a crash.
    const pause = async (signal = 'SIGINT') => {
      child.kill(signal);
      await ended;
    };
    const stop = async () => {
      await pause();
      rmSync(folder, { recursive: true, force: true });
    };
    await start();
    // A script that ends early takes the cluster with it.
    process.once('exit', () => {
      if (!existsSync(folder)) return;
      child.kill('SIGQUIT');
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    });
    const at = ['-h', HOST, '-p', String(chosen), '-U', USER];
    const create = (name, from) => {
      run('createdb', [...at, ...(from ? ['-T', new URL(from).pathname.slice(1)] : []), name]);
      return `postgres://${USER}@${HOST}:${chosen}/${name}?sslmode=disable`;
    };
    const query = (url, text) => run('psql', ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', text]);
    return { url: create(DATABASE), stop, pause, resume: start, create, query, pid: () => child.pid };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** PostgreSQL refuses to run as root. */
function owner() {
  if (!isRoot) return {};
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('postgres:'));
  if (!line) throw new Stop('PostgreSQL does not run as root, and there is no user `postgres`.');
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
