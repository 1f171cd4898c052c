// What `npm run load` and `npm run growth` use: the programs, a merchant, and the requests that are measured.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { build } from './build.mjs';
import { CUSTOMER_IP, EXPIRY } from './fault-platforms.mjs';
import { startPostgres } from './postgres.mjs';
import { freePort, must, PLATFORMS, pkg, Stop, say, targetFolder } from './project.mjs';
import { toml } from './toml.mjs';

export const IDS = PLATFORMS.map((name) => name.replaceAll('-', '_'));
export const KEY = randomBytes(24).toString('hex');
const ORIGIN = 'https://shop.example';
const LINUX = process.platform === 'linux';
const CRATES = ['cardseal-server', 'cardseal-sandbox', 'cardseal-load'];
/** A minute: limits that are on, as high as they go. No run here reaches them. */
const MANY = 1_000_000;
/** Files that a program may open: 5,000 connections, as many as are closing, and the calls to five platforms. */
export const FILES = 16_384;
const MOST_CONNECTIONS = 8192;
const LAST_WORDS = 30;
/** What a machine for PostgreSQL alone would be given, in small. */
const POSTGRES = { shared_buffers: '1GB', max_wal_size: '4GB' };
/** Of the option `database`. */
export const DATABASES = [/^(sqlite|postgres)$/, String];

const children = new Set();

/**
 * Runs `body` with a folder on the disk of the target folder, and ends whatever was started. Databases are SQLite's, or
 * those of a PostgreSQL of its own.
 */
export async function withPrograms(name, { release, database = 'sqlite' }, body) {
  if (!existsSync(path.join(pkg, 'node.js'))) await build();
  const { load } = await import('../pkg/node.js');
  // Not every Node has one; what is encrypted for Online Payments describes the customer's device.
  globalThis.navigator ??= { language: 'en', userAgent: `Node.js/${process.versions.node}` };
  await load();
  say(`Compiling the server, the sandbox and the load generator${release ? ' with optimisations' : ''}.`);
  await must('cargo', [
    'build',
    ...(release ? ['--profile', 'dist'] : []),
    ...CRATES.flatMap((crate) => ['-p', crate]),
  ]);
  // Not the system's folder for temporary files, which may be memory: what is durable has to cost what it costs.
  mkdirSync(targetFolder(), { recursive: true });
  const folder = mkdtempSync(path.join(targetFolder(), `${name}-`));
  const stopped = () => process.exit(1);
  process.on('SIGINT', stopped);
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  let postgres;
  try {
    if (database === 'postgres') postgres = await startPostgres({ settings: POSTGRES, place: targetFolder() });
    const databases = postgres ? new PostgresDatabases(postgres) : new Files(folder);
    return await body(new Programs(folder, release, databases));
  } finally {
    process.off('SIGINT', stopped);
    await Promise.all([...children].map(stop));
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Databases that are SQLite files. Each goes by its path. */
class Files {
  kind = 'sqlite';
  #folder;

  constructor(folder) {
    this.#folder = folder;
  }

  /** A new one, empty or with what another has that nobody uses. */
  create(name, from) {
    const file = path.join(this.#folder, `${name}.sqlite`);
    for (const more of from ? ['', '-wal'] : []) {
      if (existsSync(from + more)) cpSync(from + more, file + more);
    }
    return file;
  }

  /** What a server's configuration says about it. */
  settings(file) {
    return { path: file };
  }

  bytes(file) {
    return statSync(file).size;
  }

  /** What the database does by itself now and then. */
  tidy() {}

  /** SQLite does not count this. */
  watchScans() {}

  scans() {
    return null;
  }
}

/** Databases of one PostgreSQL. Each goes by its URL. */
class PostgresDatabases {
  kind = 'postgres';
  #postgres;

  constructor(postgres) {
    this.#postgres = postgres;
  }

  get pid() {
    return this.#postgres.pid();
  }

  create(name, from) {
    return this.#postgres.create(name, from);
  }

  settings(url) {
    return { url };
  }

  bytes(url) {
    return Number(this.#postgres.query(url, 'SELECT pg_database_size(current_database())'));
  }

  tidy(url) {
    this.#postgres.query(url, 'VACUUM');
  }

  /** From here on, it counts the rows that were read without an index. */
  watchScans(url) {
    this.#postgres.query(url, 'SELECT pg_stat_reset()');
  }

  /**
   * How many those were of each table that grows, if there are any; connections report them at their end. The table of the
   * servers that share the database has a row for each, and all of them are looked at.
   */
  scans(url) {
    const counted = `SELECT coalesce(json_object_agg(relname, seq_tup_read), '{}') FROM pg_stat_user_tables
      WHERE seq_tup_read > 0 AND relname NOT IN ('_sqlx_migrations', 'instances')`;
    return JSON.parse(this.#postgres.query(url, counted));
  }
}

/** Bytes that are free where databases are. */
export function freeBytes() {
  const { bavail, bsize } = statfsSync(targetFolder());
  return bavail * bsize;
}

class Programs {
  #started = 0;

  constructor(folder, release, databases) {
    this.folder = folder;
    this.databases = databases;
    this.profile = path.join(targetFolder(), release ? 'dist' : 'debug');
  }

  binary(name) {
    return path.join(this.profile, process.platform === 'win32' ? `${name}.exe` : name);
  }

  /** Starts a program whose log goes to a file; `env` is added to the environment. */
  start(name, program, args, env = {}) {
    this.#started += 1;
    const log = path.join(this.folder, `${this.#started}-${name}.log`);
    const file = openSync(log, 'a');
    // Settings that a person has for another server must not reach this one.
    const own = Object.entries(process.env).filter(([key]) => !key.startsWith('CARDSEAL_'));
    const limited = ['-c', `ulimit -n ${FILES} 2>/dev/null; exec "$0" "$@"`, program, ...args];
    const child = spawn(LINUX ? 'sh' : program, LINUX ? limited : args, {
      cwd: this.folder,
      env: { ...Object.fromEntries(own), ...env },
      stdio: ['pipe', 'pipe', file],
    });
    closeSync(file);
    child.stdin.on('error', () => {});
    children.add(child);
    child.on('exit', () => children.delete(child));
    child.log = () => readFileSync(log, 'utf8').split('\n').slice(-LAST_WORDS).join('\n');
    child.called = name;
    return child;
  }

  async sandbox(...more) {
    const args = ['--listen', '127.0.0.1:0', '--exit-with-stdin', ...more];
    const child = this.start('sandbox', this.binary('cardseal-sandbox'), args);
    return { pid: child.pid, ...(await firstLine(child)), stop: () => stop(child) };
  }

  /**
   * A server on a database of its own, `database` or a new one, which `start` starts again. It takes every platform,
   * and its limits are on, but nowhere near.
   */
  async server({ name, settings, env, retention, database = this.databases.create(name) }) {
    const listen = `127.0.0.1:${await freePort()}`;
    const config = path.join(this.folder, `${name}.toml`);
    writeFileSync(
      config,
      toml({
        server: { listen, allowed_origins: [ORIGIN], api_key: KEY },
        database: this.databases.settings(database),
        retention,
        limits: {
          browser_requests_per_minute: MANY,
          browser_burst: 100_000,
          session_attempts: 1000,
          customer_attempts_per_minute: MANY,
          attempts_per_minute: MANY,
          customer_sessions_per_minute: MANY,
          sessions_per_minute: MANY,
        },
        connections: { max: MOST_CONNECTIONS, max_per_address: 0 },
        http: { calls_per_platform: 512, waiting_per_platform: 512 },
        compat: { gp_network_tokens: true },
        platforms: settings,
      }),
      { mode: 0o600 },
    );
    const server = new Server(this, name, `http://${listen}`, config, database, env);
    await server.start();
    return server;
  }

  loader(env) {
    return new Loader(this.start('load', this.binary('cardseal-load'), [], env));
  }
}

/** A server, with the calls of a merchant and of a page. */
class Server {
  #programs;
  #env;
  #child;

  constructor(programs, name, url, config, database, env) {
    Object.assign(this, { name, url, config, database });
    this.#programs = programs;
    this.#env = env;
  }

  /** Gives how many milliseconds it took until the server was ready. */
  async start() {
    const began = performance.now();
    const program = this.#programs.binary('cardseal-server');
    this.#child = this.#programs.start(this.name, program, ['--config', this.config], this.#env);
    await firstLine(this.#child);
    return performance.now() - began;
  }

  get pid() {
    return this.#child.pid;
  }

  stop() {
    return stop(this.#child);
  }

  async kill() {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async call(method, route, body, headers) {
    const response = await fetch(this.url + route, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Stop(`${method} ${route} answered ${response.status}: ${text}`);
    return text ? JSON.parse(text) : null;
  }

  merchant(method, route, body, headers) {
    return this.call(method, route, body, { authorization: `Bearer ${KEY}`, ...headers });
  }

  page(route, body, headers) {
    return this.call('POST', route, body, { origin: ORIGIN, ...headers });
  }

  /** A request that the package made for a page. */
  send({ url, body }) {
    return this.page(url, JSON.parse(body));
  }
}

/** The load generator, which takes one job after the other. */
class Loader {
  #child;
  #lines;

  constructor(child) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async job(job) {
    this.#child.stdin.write(`${JSON.stringify(job)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Stop(`The load generator ended:\n${this.#child.log()}`);
    const result = JSON.parse(value);
    if (result.error) throw new Stop(result.error);
    return result;
  }

  /** A run, with the processes that are measured where the system says what they use. */
  async run(job, processes) {
    const named = Object.entries(LINUX ? processes : {}).flatMap(([name, pids]) =>
      [pids].flat().map((pid, index) => [`${name} ${index}`, pid]),
    );
    const result = await this.job({ job: 'run', ...job, processes: Object.fromEntries(named) });
    return { ...result, cpu_us: summed(result.cpu_us), rss_bytes: summed(result.rss_bytes) };
  }
}

/** What several processes of one name used together. */
function summed(values) {
  const sums = {};
  for (const [process, value] of Object.entries(values)) {
    const name = process.slice(0, process.lastIndexOf(' '));
    sums[name] = (sums[name] ?? 0) + value;
  }
  return sums;
}

export async function firstLine(child) {
  const over = once(child, 'exit').then(() => {
    throw new Stop(`${child.called} ended before it was ready:\n${child.log()}`);
  });
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), over]);
  over.catch(() => {});
  return JSON.parse(line);
}

export function stop(child) {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    const last = setTimeout(() => child.kill('SIGKILL'), 20_000);
    child.on('exit', () => {
      clearTimeout(last);
      resolve();
    });
    return child.kill('SIGTERM');
  });
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a session of each platform needs beside its name. */
const SESSIONS = {
  ccbill: { customer_ip: CUSTOMER_IP },
  worldline_acquiring: {
    kind: 'payment',
    amount: '12.34',
    currency: 'USD',
    order_reference: 'session-{{run}}-{{n}}',
  },
};

const JSON_HEADERS = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` };

/** A step of the merchant at a server. */
export const merchant = (server, name, method, route, more = {}) => ({
  name,
  method,
  url: `${server.url}${route}`,
  headers: JSON_HEADERS,
  status: 200,
  ...more,
  ...(typeof more.body === 'object' ? { body: JSON.stringify(more.body) } : {}),
});

export const openSession = (server, platform, more = {}) =>
  merchant(server, 'session', 'POST', '/v1/sessions', {
    body: { platform, ...SESSIONS[platform], ...more },
    status: 201,
    has: ['/id', '/expires_at'],
    equals: { '/platform': platform },
  });

/** Charges `{{token}}`. */
export const charge = (server, more = {}) =>
  merchant(server, 'charge', 'POST', '/v1/payments', {
    headers: { ...JSON_HEADERS, 'idempotency-key': 'charge-{{run}}-{{n}}' },
    body: { token: '{{token}}', amount: '12.34', currency: 'USD', order_reference: 'order-{{run}}-{{n}}' },
    status: 201,
    has: ['/id', '/authorization'],
    equals: { '/status': 'approved', '/amount': '12.34', '/captured': '12.34' },
    ...more,
  });

/**
 * A session, the card to the platform as the page sends it, and the platform's answer to the server, which stores the
 * card as `{{token}}`. The requests are the package's, with the values of one session replaced.
 */
export async function tokenize(server) {
  const { GpApi } = await import('../pkg/node.js');
  const session = await server.merchant('POST', '/v1/sessions', { platform: 'gp_api' });
  const client = new GpApi({ environment: { base: session.base_url } });
  const card = { number: '4263970000005262', expiry: EXPIRY, cvc: '123' };
  const request = client.tokenizeRequest(session, card);
  const token = await client.tokenize(session, card);
  const confirm = client.confirmTokenRequest(session, token);
  const values = [
    // First, as it has the reference inside.
    [JSON.stringify(token.raw), '{{answer}}'],
    [session.access_token, '{{access}}'],
    [JSON.parse(request.body).reference, '{{reference}}'],
    [session.id, '{{session}}'],
  ];
  const named = (text) => values.reduce((all, [value, name]) => all.replaceAll(value, name), text);
  const headers = Object.entries(request.headers).map(([name, value]) => [name, named(value)]);
  const steps = [
    {
      ...openSession(server, 'gp_api'),
      save: { session: '/id', access: '/access_token', reference: '/reference' },
    },
    {
      name: 'platform',
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(headers),
      body: named(request.body),
      status: 200,
      equals: { '/status': 'ACTIVE' },
      save: { answer: '' },
    },
    {
      name: 'token',
      method: confirm.method,
      url: server.url + confirm.url,
      headers: { ...confirm.headers, origin: ORIGIN },
      body: named(confirm.body),
      status: 201,
      equals: { '/status': 'active', '/last4': '5262' },
      save: { token: '/id' },
    },
  ];
  const text = JSON.stringify(steps);
  for (const [, name] of values) {
    if (!text.includes(name)) throw new Stop(`The requests of the package have no place for ${name}.`);
  }
  return steps;
}

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Columns of texts, the first aligned to the left. */
export function table(head, rows) {
  const all = [head, ...rows.map((row) => row.map((cell) => (cell === null || cell === undefined ? '' : `${cell}`)))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** The options of a command: `{ rows: [/^\d+$/, Number], json: true }` are those with a value and those without. */
export function options(args, known, usage) {
  const found = {};
  const given = [...args];
  while (given.length > 0) {
    const option = given.shift();
    const name = option.startsWith('--') ? option.slice(2) : '';
    if (!Object.hasOwn(known, name)) throw new Stop(usage);
    if (known[name] === true) found[name] = true;
    else {
      const [pattern, read] = known[name];
      const value = given.shift() ?? '';
      if (!pattern.test(value)) throw new Stop(usage);
      found[name] = read(value);
    }
  }
  return found;
}
