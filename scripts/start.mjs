// The demo: builds what is missing, starts the simulated platforms and the server, and prints the addresses of its two
// pages.
//
//   npm start                http://127.0.0.1:8080/ and http://127.0.0.1:8080/desk.html
//   PORT=3000 npm start
//   npm start -- --postgres  with a PostgreSQL of its own in place of SQLite
//
// Every start makes everything anew, the database too: the simulated platforms forget their cards when they stop, so
// tokens of an earlier start could not be charged.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { buildForDemo } from './build.mjs';
import { startPostgres } from './postgres.mjs';
import { main, root, Stop, say, targetFolder } from './project.mjs';
import { ensure, TO_COMPILE } from './setup.mjs';
import { toml } from './toml.mjs';

const HOST = '127.0.0.1';
const STOP_WITHIN_MS = 10_000;

/** Where the demo wants a simulated platform to be unlike a usual account. */
const SANDBOX_SETTINGS = {
  // By default an account may not delete stored cards; on the page a person can.
  gp_api: { delete_permission: true },
};

/** Where frameworks serve a page under development: a page there may use the demo's server. */
const DEVELOPMENT_PORTS = [3000, 4173, 4200, 5000, 5173];

/** A child that dies of the same Ctrl-C as we do must not be reported as the cause. */
const GRACE_MS = 200;

const children = [];
const { promise: ended, resolve: end } = deferred();
let stopping;
let postgres;

main(async () => {
  const [option, ...more] = process.argv.slice(2);
  if ((option ?? '--postgres') !== '--postgres' || more.length > 0) {
    throw new Stop('npm start knows one option: --postgres');
  }
  const port = await choosePort(process.env.PORT || '8080');
  await ensure(option ? [...TO_COMPILE, 'postgres'] : TO_COMPILE);
  say('Compiling the module, the server and the sandbox.');
  const served = await buildForDemo(
    ['cardseal-server', 'cardseal-sandbox'],
    option ? ['cardseal-server/postgres'] : [],
  );

  const folder = demoFolder();
  mkdirSync(folder, { recursive: true });
  for (const suffix of ['', '-wal', '-shm', '-journal'])
    rmSync(path.join(folder, `cardseal.sqlite${suffix}`), { force: true });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end({ signal }));
  watchParent();

  let outcome;
  try {
    if (option) postgres = await startPostgres();
    const started = demo(port, folder, served);
    started.catch(() => {});
    outcome = await Promise.race([ended, started.then(() => ended)]);
  } finally {
    await stopAll();
    await postgres?.stop();
  }
  if (outcome.signal) {
    say('Stopped.');
    return 0;
  }
  if (outcome.name === 'sandbox') say(readFileSync(sandboxLog(), 'utf8').split('\n').slice(-20).join('\n'));
  throw new Stop(
    `The ${outcome.name} stopped unexpectedly (${outcome.how}); its log is above. Everything else was stopped too.`,
  );
});

/** `served` is what the page gets as `/pkg/`. */
async function demo(port, folder, served) {
  const sandbox = start(
    'sandbox',
    'cardseal-sandbox',
    ['--listen', `${HOST}:0`, '--exit-with-stdin', '--server-url', `http://${HOST}:${port}`],
    { stdio: ['pipe', 'pipe', openSync(sandboxLog(), 'w')] },
  );
  const { control_url: control, server_settings: platforms } = await firstLine(sandbox);
  for (const [id, settings] of Object.entries(SANDBOX_SETTINGS)) {
    await fetch(`${control}/${id}/settings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(settings),
    });
  }

  const config = path.join(folder, 'cardseal.toml');
  writeFileSync(
    config,
    `# \`npm start\` writes this file anew each time.\n${toml({
      server: {
        listen: `${HOST}:${port}`,
        allowed_origins: [port, ...DEVELOPMENT_PORTS].flatMap((each) => [
          `http://${HOST}:${each}`,
          `http://localhost:${each}`,
        ]),
        api_key: randomBytes(24).toString('hex'),
      },
      events: await startShop(served),
      database: postgres ? { url: postgres.url } : { path: path.join(folder, 'cardseal.sqlite') },
      // One person at the demo page does more than a shopper would.
      limits: {
        browser_requests_per_minute: 600,
        browser_burst: 200,
        customer_attempts_per_minute: 120,
        customer_sessions_per_minute: 240,
      },
      platforms: {
        ...platforms,
        // A bank's page has to know where people come back to, or it is never shown.
        online_payments: { ...platforms.online_payments, return_url: `http://${HOST}:${port}/` },
      },
      demo: { enabled: true, www: path.join(root, 'www'), pkg: served },
    })}`,
    { mode: 0o600 },
  );
  // Settings that a person has for another server must not reach this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CARDSEAL_')));
  start('server', 'cardseal-server', ['--config', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: folder,
    env,
  });
  if (!(await healthy(port))) return;

  process.stdout.write(
    `\nCardseal is ready.\n  The shopper’s checkout: http://${HOST}:${port}/\n` +
      `  The merchant’s desk:    http://${HOST}:${port}/desk.html\n\n`,
  );
  process.stdout.write(
    `The platforms are simulated and the database is new. The API key is in ${path.relative(root, config)}. Ctrl-C stops everything.\n\n`,
  );
}

/** Stands for the shop's own server: takes the events whose signature is good. Returns where they are to be sent. */
async function startShop(served) {
  const { verifyWebhook } = await import(pathToFileURL(path.join(served, 'webhooks.js')));
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const shop = http.createServer(async (request, response) => {
    try {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      await verifyWebhook(secret, request.headers, Buffer.concat(chunks).toString('utf8'));
      response.writeHead(204).end();
    } catch (error) {
      say(`An event was not accepted: ${error.code ?? error.message}`);
      response.writeHead(400).end();
    }
  });
  shop.listen(0, HOST);
  await once(shop, 'listening');
  shop.unref();
  return { url: `http://${HOST}:${shop.address().port}/events`, secret };
}

const demoFolder = () => path.join(targetFolder(), 'demo');

/** It notes every request, which would bury what the server says. */
const sandboxLog = () => path.join(demoFolder(), 'sandbox.log');

function start(name, binary, args, options) {
  const file = path.join(targetFolder(), 'debug', process.platform === 'win32' ? `${binary}.exe` : binary);
  const child = spawn(file, args, { cwd: root, ...options });
  children.push(child);
  const over = (how) => setTimeout(() => end({ name, how }), GRACE_MS);
  child.on('error', (error) => over(error.message));
  child.on('exit', (code, signal) => over(signal ?? `exit code ${code}`));
  return child;
}

/** If the child ends without a line, this waits for ever, and `ended` tells why. */
async function firstLine(child) {
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return JSON.parse(line);
}

/** Whether the server answers; false when everything is being stopped. */
async function healthy(port) {
  for (let waited = 0; !stopping; waited += 50) {
    if (waited > 60_000) throw new Stop('The server does not answer on /healthz; its log is above.');
    try {
      if ((await fetch(`http://${HOST}:${port}/healthz`)).ok) return true;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Refuses a port that is taken before anything is compiled; 0 means any free one. */
function choosePort(text) {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new Stop(`PORT is ${JSON.stringify(text)}; it must be a number from 0 to 65535.`);
  return new Promise((resolve, reject) => {
    const probe = net.createServer();
    probe.on('error', (error) => {
      const why =
        { EADDRINUSE: 'is in use by another program', EACCES: 'may not be used by this account' }[error.code] ??
        `cannot be used (${error.code})`;
      reject(new Stop(`Port ${text} on ${HOST} ${why}. Choose another: PORT=8081 npm start`));
    });
    probe.listen(Number(text), HOST, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** A killed npm passes nothing on; without it nobody could stop us from a terminal. */
function watchParent() {
  if (!process.env.npm_lifecycle_event) return;
  const first = String(parents());
  setInterval(() => String(parents()) !== first && end({ signal: 'the end of npm' }), 500).unref();
}

/** Our parent, and its parent if ours is only the shell that npm runs scripts in. */
function parents() {
  const { ppid } = process;
  try {
    // Process id, name in brackets, state, parent.
    const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${ppid}/stat`, 'utf8'));
    return /^(ba|da)?sh$/.test(name) ? [ppid, Number(parent)] : [ppid];
  } catch {
    return [ppid];
  }
}

function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function stopAll() {
  stopping ??= Promise.all(
    children.map(
      (child) =>
        new Promise((resolve) => {
          if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve();
          const last = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
          child.on('exit', () => {
            clearTimeout(last);
            resolve();
          });
          child.kill('SIGTERM');
        }),
    ),
  );
  await stopping;
}
