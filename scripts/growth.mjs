// What the server's calls take as its database grows: all of them on small and large databases, in turns.
//
//   npm run growth                             10³, 10⁵, 10⁶ and 10⁷ tokens and payments; the last needs some 30 GB
//   npm run growth -- --database postgres      in a PostgreSQL of its own, and not in SQLite
//   npm run growth -- --rows 1000,100000       databases of other sizes
//   npm run growth -- --rounds 5               how often each call is measured (3), and with how many requests (400)
//   npm run growth -- --requests 1000
//   npm run growth -- --retention 1000000      removes what has expired from databases of up to so many rows (100000)
//   npm run growth -- --short                  unoptimised programs, small databases, few requests: whether it works
//   npm run growth -- --json                   [{ name, rows, clients, requests_per_second, cpu_us, p99_us, … }]
//
// A server stores a few cards and payments of several platforms, with all that belongs to them. The database is then
// filled with copies of these rows, each with ids, customer and time of its own. Whatever the server stores is copied,
// so nothing here knows the tables.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import process from 'node:process';
import { platformOf } from './fault-platforms.mjs';
import {
  charge,
  DATABASES,
  freeBytes,
  IDS,
  median,
  merchant,
  options,
  pause,
  table,
  tokenize,
  withPrograms,
} from './load-shared.mjs';
import { main, Stop, say, seconds } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';

const USAGE =
  'usage: npm run growth -- [--database sqlite|postgres] [--rows N[,N…]] [--rounds N] [--requests N] [--retention N] ' +
  '[--short] [--json]';
const ROWS = [1000, 100_000, 1_000_000, 10_000_000];
const SHORT_ROWS = [100, 10_000];
const ROUNDS = 3;
const REQUESTS = 400;
const WARM_UP_REQUESTS = 100;
const SHORT_REQUESTS = 12;
const CLIENTS = 4;
/** The platform whose payments the merchant pays back in part, one of two. */
const REFUNDING = 'gp_api';
const COPIES_PER_CUSTOMER = 10;
const SPREAD_MS = 400 * 24 * 3600 * 1000;
const SAMPLES = 500;
/** Times in days that no row has reached: nothing is removed while the calls are measured. */
const KEEP_EVERYTHING = { session_days: 3650, idempotency_key_days: 3650, notification_days: 3650, change_days: 3650 };
/** The server removes some thousand rows a second beside its work: a minute for so many, and hours for ten million. */
const RETENTION_ROWS = 100_000;
/** After so long without a change, it has done what there was to do. It rests for five seconds. */
const RETAINED_AFTER_MS = 8000;
const RETAINED_WITHIN_MS = 6 * 3600 * 1000;
/** Above so many rows, looking through the whole file takes too long. */
const CHECKED_ROWS = 100_000;
const BUSY_SESSIONS = 100;
/** Longer than it takes to see them and to kill the server. */
const HANGS_MS = 120_000;
/** A row of each table, with its indexes, before the first database tells. */
const BYTES_A_ROW = 2500;
/** The filled database, and what making its indexes needs meanwhile. */
const ROOM = 1.2;
const QUIET_MS = 500;
const NOTIFIED_WITHIN_MS = 120_000;
const GOAL_RATIO = 2;
const GOAL_START_MS = 1000;
/** Of rows that are not about requests. */
const NO_LOAD = { clients: 0, requests_per_second: null, cpu_us: null };
/** Of all platforms, those that send notifications. */
const NOTIFYING = ['greenpay', 'gp_api', 'online_payments'];
/** The platform whose simulation sends them only when told to. */
const ON_REQUEST = 'gp_api';

main(async () => {
  const wanted = options(
    process.argv.slice(2),
    {
      database: DATABASES,
      rows: [/^[1-9]\d{0,8}(,[1-9]\d{0,8})*$/, (text) => text.split(',').map(Number)],
      rounds: [/^[1-9]\d?$/, Number],
      requests: [/^[1-9]\d{0,5}$/, Number],
      retention: [/^\d{1,9}$/, Number],
      short: true,
      json: true,
    },
    USAGE,
  );
  await ensure(TO_BUILD);
  const chosen = { release: !wanted.short, database: wanted.database };
  const rows = await withPrograms('growth', chosen, (programs) => measured(programs, wanted));
  process.stdout.write(wanted.json ? `${JSON.stringify(rows)}\n` : text(rows));
  return 0;
});

async function measured(programs, { rows: sizes, rounds, requests, retention, short }) {
  const loader = programs.loader({ SQLITE_TMPDIR: programs.folder });
  const { database, customers, count } = await originals(programs);
  const all = [];
  for (const rows of (sizes ?? (short ? SHORT_ROWS : ROWS)).sort((a, b) => a - b)) {
    all.push(await filled({ programs, loader, database, customers, count, rows, before: all.at(-1) }));
  }
  const runs = new Map();
  // The first calls after a start read everything from the disk; they do not count.
  if (!short) await measureRound(loader, all, WARM_UP_REQUESTS, new Map());
  for (let round = 1; round <= (rounds ?? (short ? 1 : ROUNDS)); round += 1) {
    say(`Round ${round}.`);
    await measureRound(loader, all, requests ?? (short ? SHORT_REQUESTS : REQUESTS), runs);
  }
  const rows = [...runs.values()].map(summary);
  for (const shop of all) rows.push(await restarted(shop));
  const most = retention ?? (short ? SHORT_ROWS[0] : RETENTION_ROWS);
  rows.push(...(await Promise.all(all.map((shop) => files(programs, loader, shop, shop.rows <= most)))));
  return [...rows, ...goals(rows, all, !short)];
}

/** A server's database with the rows that are copied: every card with its session, payment, key and notifications. */
async function originals(programs) {
  const notices = await new Notices().listen();
  const sandbox = await programs.sandbox('--server-url', notices.url);
  const server = await programs.server({ name: 'originals', settings: sandbox.server_settings });
  notices.forward(server);
  const customers = [];
  for (const [index, id] of [...IDS, REFUNDING].entries()) {
    const customer = unique('customer');
    if (await storedCard(server, id, customer, index === IDS.length)) customers.push(customer);
  }
  await notify(sandbox, '');
  await notices.quiet();
  await server.stop();
  await sandbox.stop();
  notices.close();
  return { database: server.database, customers, count: customers.length };
}

/** Short enough for every platform's references, and long enough to be recognised as an id. */
const unique = (what) => `${what}-${randomBytes(8).toString('hex')}`;

/** Stores a card and charges it; gives false where the platform's cards are not stored. */
async function storedCard(server, id, customer, refund) {
  const platform = await platformOf(id);
  const shop = {
    merchant: (method, route, body) => {
      const own = route === '/v1/sessions' ? { ...body, customer } : body;
      return server.merchant(method, route, own);
    },
    send: (request) => server.send(request),
  };
  const make = await platform.prepare(shop, id);
  const { body, fromPage } = await make({
    amount: '12.10',
    currency: 'USD',
    order_reference: unique('order'),
  });
  if (fromPage) return false;
  const payment = await server.merchant('POST', '/v1/payments', body, { 'idempotency-key': unique('key') });
  if (payment.status !== 'approved') throw new Stop(`${id} did not approve the payment: ${payment.status}`);
  if (refund) {
    await server.merchant('POST', `/v1/payments/${payment.id}/refund`, {}, { 'idempotency-key': unique('key') });
  }
  return true;
}

/** A shop with a database of so many tokens and payments: its sandbox, its server and its notifications. */
async function filled({ programs, loader, database: original, customers, count, rows, before }) {
  const needed = rows * (before ? before.bytes / before.rows : BYTES_A_ROW) * ROOM;
  if (freeBytes() < needed) {
    const gb = (bytes) => (bytes / 1e9).toFixed(1);
    throw new Stop(`${rows} rows need ${gb(needed)} GB in ${programs.folder}, and ${gb(freeBytes())} GB are free.`);
  }
  const began = performance.now();
  const database = programs.databases.create(`rows-${rows}`, original);
  const copies = Math.max(1, Math.ceil((rows - count) / count));
  const seeded = await loader.job({
    job: 'seed',
    database,
    copies,
    spread_ms: SPREAD_MS,
    shared: Object.fromEntries(customers.map((customer) => [customer, COPIES_PER_CUSTOMER])),
    skip: ['health', 'instances'],
    samples: SAMPLES,
    columns: [
      ['tokens', 'id'],
      ['tokens', 'customer'],
      ['payments', 'id'],
    ],
    check: rows <= CHECKED_ROWS,
  });
  say(`${rows} rows: filled in ${seconds(began)}. ${JSON.stringify(seeded.rows)}`);
  const notices = await new Notices().listen();
  const sandbox = await programs.sandbox('--server-url', notices.url);
  // As the platform grants it on request; without it no card can be deleted.
  await control(sandbox, 'POST', '/gp_api/settings', { delete_permission: true });
  const settings = sandbox.server_settings;
  const bytes = programs.databases.bytes(database);
  const server = await programs.server({ name: `rows-${rows}`, settings, database, retention: KEEP_EVERYTHING });
  programs.databases.watchScans(database);
  return { rows, samples: seeded.samples, bytes, notices, sandbox, server };
}

/** Every call once at every shop. */
async function measureRound(loader, shops, requests, runs) {
  const note = (shop, name, result, step) => {
    const key = `${name} ${shop.rows}`;
    const found = runs.get(key) ?? { name, rows: shop.rows, runs: [] };
    found.runs.push({ ...result, ...(step && { ...step, whole: false }) });
    runs.set(key, found);
  };
  const run = (shop, job, count = requests) =>
    loader.run({ clients: CLIENTS, count, ...job }, { server: shop.server.pid });
  for (const [name, job] of Object.entries(READS)) {
    for (const shop of shops) note(shop, name, await run(shop, job(shop)));
  }
  for (const shop of shops) {
    const result = await run(shop, { steps: await life(shop.server) });
    for (const [name, step] of Object.entries(result.steps)) {
      if (name !== 'platform') note(shop, name, result, step);
    }
  }
  for (const platform of NOTIFYING) {
    for (const shop of shops) {
      const rows = await notifications(shop, platform, (job) => run(shop, job));
      note(shop, `webhook ${platform}`, await run(shop, replay(shop, rows), rows.length));
    }
  }
}

const shuffled = (values) => {
  const all = [...values];
  for (let last = all.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [all[last], all[other]] = [all[other], all[last]];
  }
  return all;
};

const of = (shop, column) => shuffled(shop.samples[column]).map((value) => ({ value: encodeURIComponent(value) }));

const read = (column, route, checks) => (shop) => ({
  rows: column ? of(shop, column) : [],
  steps: [merchant(shop.server, 'read', 'GET', route, checks)],
});

/** Calls that only read. */
const READS = {
  'list of tokens': read(null, '/v1/tokens', { has: ['/data/19/id', '/next'] }),
  'list of payments': read(null, '/v1/payments', { has: ['/data/19/id', '/next'] }),
  "list of a customer's tokens": read('tokens.customer', '/v1/tokens?customer={{value}}', { has: ['/data/0/id'] }),
  'list of tokens, deep': read('tokens.id', '/v1/tokens?after={{value}}', { has: ['/data'] }),
  'list of payments, deep': read('payments.id', '/v1/payments?after={{value}}', { has: ['/data'] }),
  'show token': read('tokens.id', '/v1/tokens/{{value}}', { has: ['/id', '/status'] }),
  'show payment': read('payments.id', '/v1/payments/{{value}}', { has: ['/id', '/status'] }),
};

/** A card from its session to its deletion. */
async function life(server) {
  const [session, platform, token] = await tokenize(server);
  const key = (name) => ({ ...session.headers, 'idempotency-key': `${name}-{{run}}-{{n}}` });
  return [
    session,
    platform,
    { ...token, name: 'tokenize' },
    { ...charge(server), save: { payment: '/id' } },
    merchant(server, 'change', 'POST', '/v1/payments/{{payment}}/refund', {
      headers: key('refund'),
      body: { amount: '2.34' },
      equals: { '/refunded': '2.34' },
    }),
    merchant(server, 'delete', 'DELETE', '/v1/tokens/{{token}}', { equals: { '/status': 'deleted' } }),
  ];
}

/** Has the sandbox send notifications about the payments whose references begin like this. */
async function notify(sandbox, prefix) {
  const { transactions } = (await control(sandbox, 'GET', '/state'))[ON_REQUEST];
  const ours = transactions.filter(({ reference }) => reference?.startsWith(prefix));
  const next = ours.values();
  const send = async () => {
    for (const { id } of next) await control(sandbox, 'POST', `/${ON_REQUEST}/notify`, { transaction: id });
  };
  await Promise.all(Array.from({ length: CLIENTS }, send));
}

/** Makes payments, and gives the notifications about them, which the server has not seen yet. */
async function notifications(shop, platform, run) {
  const { server, notices } = shop;
  shop.makers ??= {};
  shop.makers[platform] ??= await (await platformOf(platform)).prepare(server, platform);
  await notices.quiet();
  notices.record(platform);
  const prefix = unique('w');
  const order = { amount: '12.10', currency: 'USD', order_reference: `${prefix}-{{n}}` };
  const { body } = await shop.makers[platform](order);
  const { requests } = await run({ steps: [charge(server, { body: JSON.stringify(body), equals: {} })] });
  if (platform === ON_REQUEST) await notify(shop.sandbox, prefix);
  await notices.recorded(requests);
  return shuffled(notices.take());
}

/** The same notifications, as the platform sends them. */
function replay({ server }, rows) {
  const headers = Object.keys(rows[0]).filter((name) => !['path', 'body'].includes(name));
  const step = {
    name: 'webhook',
    method: 'POST',
    url: `${server.url}/{{path}}`,
    headers: Object.fromEntries(headers.map((name) => [name, `{{${name}}}`])),
    body: '{{body}}',
    status: 200,
  };
  return { rows, steps: [step] };
}

/** Takes the sandbox's notifications: drops them, records them, or passes them on to a server. */
class Notices {
  #server;
  #forwarded;
  #platform;
  #taken = [];
  #last = performance.now();
  #open = 0;

  async listen() {
    this.#server = http.createServer((request, response) => this.#take(request, response));
    // A run that fails ends all the same.
    this.#server.listen(0, '127.0.0.1').unref();
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  forward(server) {
    this.#forwarded = server;
  }

  record(platform) {
    this.#platform = platform;
    this.#taken = [];
  }

  take() {
    this.#platform = undefined;
    return this.#taken;
  }

  async recorded(count) {
    await this.#until(() => this.#taken.length >= count, `${this.#platform} sent too few notifications`);
    await this.quiet();
  }

  /** Until nothing has come for a while. */
  async quiet() {
    const silent = () => this.#open === 0 && performance.now() - this.#last > QUIET_MS;
    await this.#until(silent, 'the notifications do not end');
  }

  async #until(check, what) {
    const began = performance.now();
    while (!check()) {
      if (performance.now() - began > NOTIFIED_WITHIN_MS) throw new Stop(`After two minutes, ${what}.`);
      await pause(50);
    }
  }

  #take(request, response) {
    this.#open += 1;
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const { host, connection, 'content-length': length, ...headers } = request.headers;
      if (request.url.startsWith(`/v1/notifications/${this.#platform}/`)) {
        this.#taken.push({ path: request.url.slice(1), body, ...headers });
      }
      const passed = this.#forwarded ? this.#pass(request, headers, body) : Promise.resolve(200);
      passed.then(
        (status) => {
          this.#open -= 1;
          this.#last = performance.now();
          response.writeHead(status).end();
        },
        () => response.destroy(),
      );
    });
  }

  async #pass({ method, url }, headers, body) {
    const answer = await fetch(this.#forwarded.url + url, { method, headers, body });
    await answer.arrayBuffer();
    return answer.status;
  }
}

async function control(sandbox, method, route, body) {
  const answer = await fetch(sandbox.control_url + route, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Stop(`The sandbox answered ${method} ${route} with ${answer.status}.`);
  const text = await answer.text();
  return text && JSON.parse(text);
}

/** How long the server takes to start after it was killed with sessions under way. */
async function restarted({ rows, server, sandbox }) {
  const steps = await tokenize(server);
  const sessions = await pages(server, steps.at(-1), BUSY_SESSIONS);
  await control(sandbox, 'POST', '/faults', {
    platform: 'gp_api',
    route: '*',
    kind: 'delay',
    times: 0,
    every: 1,
    ms: HANGS_MS,
  });
  for (const { send } of sessions) send();
  const busy = async () => {
    const all = sessions.map(({ id }) => server.merchant('GET', `/v1/sessions/${id}`));
    return (await Promise.all(all)).filter(({ status }) => status === 'busy').length;
  };
  for (let tries = 0; (await busy()) < BUSY_SESSIONS; tries += 1) {
    if (tries > 100) throw new Stop(`Only ${await busy()} sessions are busy.`);
    await pause(50);
  }
  await server.kill();
  await control(sandbox, 'DELETE', '/faults');
  const ready = await server.start();
  await server.stop();
  return { name: `start, ${BUSY_SESSIONS} busy sessions`, rows, ...NO_LOAD, ms: Math.round(ready) };
}

/** What the file holds, and what is left of it after a server with the usual settings has removed what has expired. */
async function files(programs, loader, { rows, server, sandbox }, retained) {
  const { database } = server;
  // Processes come and go, which is not what changes here.
  const count = async () => {
    const counted = await loader.job({ job: 'tables', database });
    delete counted.rows.instances;
    return counted;
  };
  const size = () => programs.databases.bytes(database);
  const scanned = programs.databases.scans(database);
  const before = await count();
  const row = { name: 'file', rows, ...NO_LOAD, bytes: size(), tables: before.rows, scanned };
  if (!retained) return { ...row, bytes_after_retention: null, tables_after_retention: null };
  const settings = sandbox.server_settings;
  const usual = await programs.server({ name: `retention-${rows}`, settings, database });
  const began = performance.now();
  let last = before;
  let since = began;
  let changed = false;
  while (!changed || performance.now() - since < RETAINED_AFTER_MS) {
    if (performance.now() - began > RETAINED_WITHIN_MS) throw new Stop(`${rows} rows: the retention does not end.`);
    await pause(500);
    const now = await count();
    if (JSON.stringify(now) === JSON.stringify(last)) continue;
    [last, since, changed] = [now, performance.now(), true];
  }
  await usual.stop();
  programs.databases.tidy(database);
  return { ...row, bytes_after_retention: size(), tables_after_retention: last.rows };
}

/** Sessions whose cards are at the platform, and what submits each to the server. */
async function pages(server, confirm, count) {
  const { GpApi } = await import('../pkg/node.js');
  const made = Array.from({ length: count }, async () => {
    const session = await server.merchant('POST', '/v1/sessions', { platform: 'gp_api' });
    const client = new GpApi({ environment: { base: session.base_url } });
    const card = { number: '4263970000005262', expiry: '12/2035', cvc: '123' };
    const request = client.confirmTokenRequest(session, await client.tokenize(session, card));
    const { method, headers, url } = confirm;
    // Nobody waits for the answer: the server is killed before it comes.
    const send = () => void fetch(url, { method, headers, body: request.body }).catch(() => {});
    return { id: session.id, send };
  });
  return Promise.all(made);
}

function summary({ name, rows, runs }) {
  const all = (field) => runs.map((one) => one[field]);
  const cpu = runs.map((one) => one.cpu_us.server).filter((one) => one !== undefined);
  const whole = runs[0].whole !== false;
  return {
    name,
    rows,
    clients: CLIENTS,
    // Of a flow of several calls nobody knows what each took of these.
    requests_per_second: whole ? Math.round(median(all('requests_per_second'))) : null,
    cpu_us: whole && cpu.length > 0 ? Math.round(median(cpu)) : null,
    p50_us: Math.round(median(all('p50_us'))),
    p99_us: Math.round(median(all('p99_us'))),
    p99_us_min: Math.min(...all('p99_us')),
    max_us: Math.max(...all('max_us')),
    requests: all('requests').reduce((sum, one) => sum + one, 0),
  };
}

/** Each call on the largest database, compared with the smallest. */
function goals(rows, shops, judged) {
  const [first, last] = [shops[0].rows, shops.at(-1).rows];
  const verdict = (name, value, goal) => ({
    name: `goal: ${name}`,
    rows: last,
    clients: CLIENTS,
    requests_per_second: null,
    cpu_us: null,
    value: Number(value.toFixed(2)),
    goal: `at most ${goal}`,
    met: judged ? value <= goal : null,
  });
  const small = rows.filter((row) => row.rows === first && row.p99_us !== undefined);
  const compared =
    first === last
      ? []
      : small.map((row) => {
          const large = rows.find(({ name, rows: size }) => name === row.name && size === last);
          return verdict(`${row.name}, p99 of that at ${first}`, large.p99_us / row.p99_us, GOAL_RATIO);
        });
  // What reads a whole table is quick on a small database, and in PostgreSQL it gets in the way of every write.
  const { scanned } = rows.find(({ name, rows: size }) => name === 'file' && size === last);
  const sum = Object.values(scanned ?? {}).reduce((all, one) => all + one, 0);
  const scans = scanned ? [verdict('rows read without an index', sum, 0)] : [];
  const start = rows.find(({ ms, rows: size }) => ms !== undefined && size === last);
  return [...compared, ...scans, verdict(`${start.name}, ms`, start.ms, GOAL_START_MS)];
}

function text(rows) {
  const sizes = [...new Set(rows.map((row) => row.rows))];
  const names = (has) => [...new Set(rows.filter(has).map(({ name }) => name))];
  const at = (name, size) => rows.find((row) => row.name === name && row.rows === size);
  const block = (title, has, show) =>
    table(
      [title, ...sizes.map(String)],
      names(has).map((name) => [name, ...sizes.map((size) => show(at(name, size)))]),
    );
  const ms = (us) => (us / 1000).toFixed(2);
  const mb = (bytes) => (bytes === null ? 'not tried' : `${(bytes / 1e6).toFixed(1)} MB`);
  return [
    block(
      'p99 ms',
      (row) => row.p99_us !== undefined,
      (row) => ms(row.p99_us),
    ),
    block(
      'p50 ms',
      (row) => row.p99_us !== undefined,
      (row) => ms(row.p50_us),
    ),
    block(
      '',
      (row) => row.ms !== undefined,
      (row) => `${row.ms} ms`,
    ),
    block(
      '',
      (row) => row.bytes !== undefined,
      (row) => mb(row.bytes),
    ),
    block(
      'after retention',
      (row) => row.bytes !== undefined,
      (row) => mb(row.bytes_after_retention),
    ),
    table(
      ['', 'measured', 'goal', ''],
      rows
        .filter(({ goal }) => goal)
        .map(({ name, value, goal, met }) => [
          name.replace('goal: ', ''),
          value,
          goal,
          met === null ? 'not judged' : met ? 'met' : 'MISSED',
        ]),
    ),
  ].join('\n');
}
