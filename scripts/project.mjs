// Where things are, and how a command is run. Needs nothing but Node, so that it works before `npm ci`.

import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
export const pkg = path.join(root, 'pkg');
export const cargoHome = process.env.CARGO_HOME || path.join(os.homedir(), '.cargo');

// rustup puts cargo there, and a shell that was open before rustup ran does not know it yet.
process.env.PATH = `${process.env.PATH ?? ''}${path.delimiter}${path.join(cargoHome, 'bin')}`;

/** The platforms by the name of their cargo feature, which is that of their entry: the id with hyphens. */
export const PLATFORMS = [
  .../^default = \[([^\]]+)\]/m.exec(readFileSync(path.join(root, 'Cargo.toml'), 'utf8'))[1].matchAll(/"([^"]+)"/g),
].map(([, name]) => name);

/** A failure whose message is all that the person needs; no stack is printed for it. */
export class Stop extends Error {}

/** Runs a script's main function and turns its failure into a message and an exit code; there is nothing to wait for. */
export function main(body) {
  body().then(
    (code) => {
      process.exitCode = code ?? 0;
    },
    (error) => {
      process.stderr.write(error instanceof Stop ? `\n${error.message}\n` : `\n${error.stack}\n`);
      process.exitCode = 1;
    },
  );
}

/** Whether `url` (an `import.meta.url`) is the script that was started. */
export function isMain(url) {
  return process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(url);
}

/** Progress goes to standard error: standard output belongs to results. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

export function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

/** The full path of a program, or undefined. */
export function which(program) {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(folder, program);
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Standard output of a quick command, or undefined if it is missing or fails. */
export function ask(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/**
 * Runs a command and shows what it prints, on standard error unless `stdout` says otherwise.
 * Resolves to its exit code and, with `keep`, to everything that it printed. `signal` stops it.
 */
export function run(program, args, { cwd = root, env = {}, keep = false, signal } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      signal,
      env: { ...process.env, ...env },
      stdio: ['ignore', keep ? 'pipe' : process.stderr, keep ? 'pipe' : process.stderr],
    });
    let output = '';
    const show = (chunk) => {
      output += chunk;
      process.stderr.write(chunk);
    };
    if (keep) {
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', show);
    }
    child.on('error', (error) => reject(new Stop(`${program} could not be started: ${error.message}`)));
    child.on('close', (code, signal) => resolve({ code: code ?? 1, signal, output }));
  });
}

/** Runs a command that has to succeed. */
export async function must(program, args, options) {
  const { code, signal } = await run(program, args, options);
  if (code !== 0) {
    throw new Stop(
      `\`${[program, ...args].join(' ')}\` ${signal ? `was stopped by ${signal}` : `failed with exit code ${code}`}; see above.`,
    );
  }
}

/** The version of a crate in Cargo.lock, or undefined. */
export function lockedVersion(crate) {
  let lock;
  try {
    lock = readFileSync(path.join(root, 'Cargo.lock'), 'utf8');
  } catch {
    return undefined;
  }
  return new RegExp(`name = "${crate}"\\r?\\nversion = "([^"]+)"`).exec(lock)?.[1];
}

let target;
/** Cargo's target folder, which a person may have moved. */
export function targetFolder() {
  if (!target) {
    const text = ask('cargo', ['metadata', '--format-version', '1', '--no-deps'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (!text) throw new Stop('cargo cannot read the workspace; see above.');
    target = JSON.parse(text).target_directory;
  }
  return target;
}

/** The browser for tests and measurements: `CHROMIUM`, or what is on PATH. */
export function chromium() {
  return (
    process.env.CHROMIUM ||
    ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'].map(which).find(Boolean)
  );
}

/** The browser's driver: `CHROMEDRIVER`, or what is on PATH. */
export function chromedriver() {
  return process.env.CHROMEDRIVER || which('chromedriver');
}

export const isRoot = process.getuid?.() === 0;

/** The other browsers of the tests and their drivers: `FIREFOX` and `GECKODRIVER`, or what is on PATH. */
export function firefox() {
  return process.env.FIREFOX || ['firefox-esr', 'firefox'].map(which).find(Boolean);
}

export function geckodriver() {
  return process.env.GECKODRIVER || which('geckodriver');
}

/** WebKitGTK's own small browser, which no distribution puts on PATH: `MINIBROWSER`, or where Debian has it. */
export function webkitBrowser() {
  if (process.env.MINIBROWSER) return process.env.MINIBROWSER;
  const folders = ['/usr/lib', '/usr/libexec', '/usr/lib64'].flatMap((base) => [
    base,
    ...subfolders(base)
      .filter((name) => /-linux-/.test(name))
      .map((name) => path.join(base, name)),
  ]);
  const programs = folders.flatMap((base) =>
    subfolders(base)
      .filter((name) => /^webkit(2)?gtk-/.test(name))
      .map((name) => path.join(base, name, 'MiniBrowser')),
  );
  return programs
    .filter((file) => existsSync(file))
    .sort()
    .at(-1);
}

function subfolders(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * A port for a server whose address has to be known before it starts. It lies below the ports that systems give to
 * outgoing connections, one of which would take it before the server does.
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = net.createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (error.code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
