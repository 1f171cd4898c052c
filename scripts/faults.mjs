// Makes charges at simulated platforms that spoil every fifth call, and then compares the records.
//
//   npm run faults                              1000 charges at GP API
//   npm run faults -- --platform all            at every platform at the same time; or ids, separated by commas
//   npm run faults -- --kills 30                kills the server (SIGKILL) and restarts it, this many times
//   npm run faults -- --disk-full               fills the disk of the database for a while, five times
//   npm run faults -- --instances 3 --database postgres
//                                               that many servers on one PostgreSQL database, behind a balancer that repeats
//                                               what breaks; besides the kills all are replaced one by one, one is stopped
//                                               beyond its lease, and the database is killed, and events are counted
//   npm run faults -- --settle-after 20         this many seconds after the last charge, settles by hand what is unknown
//   npm run faults -- --charges 10000 --json    one object: charges, platforms (by id), kills, disk_full, lost_answers,
//                                               missing, doubled, disagreeing; of several servers also instances,
//                                               fleet (what happened to them) and events
//
// If a merchant's call breaks, or the server cannot store anything, the merchant repeats the call with the same
// Idempotency-Key until it gets an answer.
//
// These take turns: the connection is cut before or after the charge, a 502 after the charge, the answer after the
// timeout, and the charge itself after the timeout. Then unknown payments become known as the documentation says: the
// server asks the platform, the platform sends a notification, or the merchant checks the platform's records and says so.
// Where a platform has subscriptions, each charge there is followed by a subscription that is made and paid, under the same
// faults. Then two months pass at the platform, which charges all of them by itself.
// At the end every charge must be at the platform once and for the same amount, or at neither of the two; otherwise the
// exit code is 1. Of several servers, every event has to have arrived, and those of one payment in order.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { build } from './build.mjs';
import { smallDisk } from './fault-disk.mjs';
import { Fleet, Receiver } from './fault-instances.mjs';
import { compare as compareSubscriptions, refreshAll, subscribe, twoMonths } from './fault-subscriptions.mjs';
import { freePort, main, must, PLATFORMS, pkg, Stop, say, seconds, targetFolder } from './project.mjs';
import { toml } from './toml.mjs';

const IDS = PLATFORMS.map((name) => name.replaceAll('-', '_'));
const KEY = randomBytes(24).toString('hex');
const ORIGIN = 'https://shop.example';
const LOSE_EVERY = 5;
const TIMEOUT_MS = 1000;
const LATE_MS = 1500;
const KINDS = ['drop_after_commit', 'bad_gateway_after_commit', 'delay_after_commit', 'delay', 'drop_before'];
/** From so many charges on, every kind has two turns. */
const LONG_RUN = 2000;
/** In a short run fewer, so that charges begin all through a turn. */
const AT_ONCE = 96;
const AT_ONCE_PART = 5;
/**
 * Of this platform a server believes that a payment was never received two minutes after it has begun to ask. A restart
 * begins them anew, so the kills come in the first part of the run, and the merchant has the last server ask at once:
 * much of that time has then passed when the last charge is made.
 */
const SLOW = 'worldline_acquiring';
const KILLS_PART = 0.75;
/** How long a merchant goes on trying, and how long it waits in between. */
const RETRY_WITHIN_MS = 60_000;
const RETRY_AFTER_MS = 100;
const PREPARE_TRIES = 5;
/** What the documentation says may be repeated with the same key. */
const AGAIN = ['idempotency_in_progress', 'storage_unavailable', 'platform_busy'];
/** Refusals of a platform, or of the way to it: the charge is answered, and the books have to say the same. */
const ANSWERED = /^platform_/;
const DISK_FULL = 5;
/** A full disk lasts at least so long, and until a merchant was refused. */
const FULL_MS = 1500;
const FULL_AT_MOST_MS = 20_000;
const MEGABYTES = 16;
const BYTES_A_CHARGE = 8192;
const SETTLE_WITHIN_MS = 240_000;
/** A platform that notifies has so long for it. */
const NOTIFIES_WITHIN_MS = 5000;
/** The merchant does not wait for the growing pauses of the server. */
const REFRESH_EVERY_MS = 5000;
/** What happens to several servers besides kills; in a short run each of it once. */
const FLEET = { roll: 3, freeze: 3, stopDatabase: 3 };
const EVENTS_WITHIN_MS = 120_000;

const USAGE =
  'usage: npm run faults -- [--charges N] [--platform all|<id>[,<id>…]] [--kills N] [--disk-full]' +
  ' [--settle-after SECONDS] [--instances N --database postgres] [--json]';

const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE * 2 });
const children = [];
const sums = ['lost_answers', 'missing', 'doubled', 'disagreeing'];
let disk;
let fleet;
let receiver;
let platforms;

main(async () => {
  const wanted = options(process.argv.slice(2));
  if (!existsSync(path.join(pkg, 'node.js'))) await build();
  const { load } = await import('../pkg/node.js');
  const { platformOf } = await import('./fault-platforms.mjs');
  platforms = Object.fromEntries(await Promise.all(IDS.map(async (id) => [id, await platformOf(id)])));
  // Not every Node has one; what is encrypted for Online Payments describes the customer's device.
  globalThis.navigator ??= { language: 'en', userAgent: `Node.js/${process.versions.node}` };
  await load();
  say('Compiling the server and the sandbox.');
  await must('cargo', ['build', '-p', 'cardseal-server', '-p', 'cardseal-sandbox']);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-faults-'));
  let result;
  try {
    if (wanted.diskFull) disk = await smallDisk(folder, MEGABYTES + Math.ceil((wanted.charges * BYTES_A_CHARGE) / 1e6));
    result = await books(folder, wanted);
  } finally {
    await fleet?.close();
    receiver?.close();
    await Promise.all(children.map(stop));
    disk?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(wanted.json ? `${JSON.stringify(result)}\n` : table(result));
  const { missing = 0, disordered = 0 } = result.events ?? {};
  return result.missing + result.doubled + result.disagreeing + missing + disordered === 0 ? 0 : 1;
});

function options(args) {
  const found = { charges: 1000, kills: 0, ids: ['gp_api'], diskFull: 0, settleAfter: null, instances: 0, json: false };
  let database = 'sqlite';
  const usage = () => new Stop(`${USAGE}\nplatforms: ${IDS.join(', ')}`);
  const given = [...args];
  const value = (pattern) => {
    const text = given.shift() ?? '';
    if (!pattern.test(text)) throw usage();
    return text;
  };
  while (given.length > 0) {
    switch (given.shift()) {
      case '--json':
        found.json = true;
        break;
      case '--charges':
        found.charges = Number(value(/^[1-9]\d{0,6}$/));
        break;
      case '--kills':
        found.kills = Number(value(/^\d{1,4}$/));
        break;
      case '--settle-after':
        found.settleAfter = 1000 * Number(value(/^\d{1,4}$/));
        break;
      case '--instances':
        found.instances = Number(value(/^[1-9]$/));
        break;
      case '--database':
        database = value(/^(sqlite|postgres)$/);
        break;
      case '--disk-full':
        found.diskFull = DISK_FULL;
        break;
      case '--platform': {
        const named = value(/^[a-z_,]+$/).split(',');
        found.ids = named.includes('all') ? IDS : IDS.filter((id) => named.includes(id));
        if (named.some((id) => id !== 'all' && !IDS.includes(id))) throw usage();
        break;
      }
      default:
        throw usage();
    }
  }
  const { charges, kills, diskFull } = found;
  if (found.instances > 0 !== (database === 'postgres'))
    throw new Stop('--instances and --database postgres belong together: a SQLite file has one server.');
  if (found.instances > 0 && diskFull > 0) throw new Stop('--disk-full is for SQLite.');
  if (kills + diskFull > charges) throw new Stop('--charges must be at least the number of kills and full disks.');
  return found;
}

async function books(folder, { charges, kills, ids, diskFull, settleAfter, instances }) {
  const listen = `127.0.0.1:${await freePort()}`;
  const base = `http://${listen}`;
  const args = ['--listen', '127.0.0.1:0', '--exit-with-stdin', '--log-calls', '--server-url', base];
  const sandbox = start('cardseal-sandbox', args, ['pipe', 'pipe', 'pipe']);
  const calls = Object.fromEntries(ids.map((id) => [id, 0]));
  createInterface({ input: sandbox.stderr }).on('line', (line) => {
    const [, id, route] = /platform="?(\w+)"? route="?([\w/-]+)/.exec(stripVTControlCharacters(line)) ?? [];
    if (platforms[id]?.route === route && id in calls) calls[id] += 1;
  });
  const { control_url: control, server_settings: settings } = await firstLine(sandbox);
  const common = {
    server: { allowed_origins: [ORIGIN], api_key: KEY },
    // One merchant has more customers here than a minute has room for.
    limits: {
      browser_requests_per_minute: 1_000_000,
      browser_burst: 100_000,
      attempts_per_minute: 1_000_000,
      sessions_per_minute: 1_000_000,
    },
    http: { request_timeout_ms: TIMEOUT_MS },
    log: { level: 'error' },
    platforms: Object.fromEntries(ids.map((id) => [id, { ...settings[id], ...platforms[id].settings?.(base) }])),
  };
  let shop;
  if (instances > 0) {
    receiver = await Receiver.start();
    const events = { url: receiver.url, secret: receiver.secret, timeout_ms: 2000, first_pause_ms: 100 };
    const program = (args, stdio, cwd) => start('cardseal-server', args, stdio, cwd);
    const port = Number(listen.split(':')[1]);
    fleet = await Fleet.start({ count: instances, program, folder, port, settings: { ...common, events } });
    shop = new Shop(base, fleet);
  } else {
    const config = path.join(folder, 'cardseal.toml');
    const database = { path: path.join(disk?.folder ?? folder, 'cardseal.sqlite') };
    writeFileSync(config, toml({ ...common, server: { ...common.server, listen }, database }), { mode: 0o600 });
    const server = new Server(folder, config);
    await server.open();
    shop = new Shop(base, server);
  }

  const made = await Promise.all(ids.map((id) => prepared(shop, id)));
  const began = performance.now();
  const lost = Object.fromEntries(ids.map((id) => [id, 0]));
  const turn = Math.ceil(charges / (KINDS.length * (charges >= LONG_RUN ? 2 : 1)));
  const disturbances = schedule(charges, ids.includes(SLOW) ? KILLS_PART : 1, kills, diskFull, instances > 0);
  let disturbing = Promise.resolve();
  let answered = 0;
  for (let from = 0; from < charges; from += turn) {
    const kind = KINDS[(from / turn) % KINDS.length];
    const before = { ...calls };
    await Promise.all(
      ids.flatMap((id) =>
        [platforms[id].route, ...(platforms[id].also ?? []), ...(platforms[id].subscriptions ?? [])].map((route) =>
          request('POST', `${control}/faults`, {
            platform: id,
            route,
            kind,
            times: 0,
            every: LOSE_EVERY,
            ms: LATE_MS,
          }),
        ),
      ),
    );
    await pool(Math.min(AT_ONCE, Math.ceil(turn / AT_ONCE_PART)), Math.min(turn, charges - from), async (index) => {
      const number = from + index;
      const which = number % ids.length;
      await shop.charge(made[which], number);
      if (platforms[ids[which]].subscriptions) await shop.subscribe(made[which], number);
      answered += 1;
      // While others are under way, and one after the other.
      const what = disturbances.get(answered);
      if (what) {
        disturbing = disturbing.then(async () => {
          await (what === 'fillDisk' ? shop.fillDisk() : shop.servers[what]());
          if (what === 'kill' && shop.servers.done.kills === kills) await shop.refresh(await shop.unknown());
        });
        // Whoever waits for it below is told.
        disturbing.catch(() => {});
      }
    });
    await disturbing;
    await request('DELETE', `${control}/faults`);
    // What is late is booked late.
    await pause(LATE_MS);
    // A call that was cut off before it began is not noted.
    const noted = kind === 'drop_before' ? LOSE_EVERY - 1 : LOSE_EVERY;
    for (const id of ids) lost[id] += Math.floor((calls[id] - before[id]) / noted);
    say(`${Math.min(from + turn, charges)} charges, ${seconds(began)} (${kind})`);
  }
  const byHand = await shop.settle(control, settleAfter);
  const subscribing = ids.filter((id) => platforms[id].subscriptions);
  let subscriptions = [];
  if (subscribing.length > 0) {
    await refreshAll(shop, pool);
    for (const id of subscribing) {
      const charged = await twoMonths(request, control, id);
      say(`${charged} payments of subscriptions at ${id}, two months later`);
    }
    subscriptions = await refreshAll(shop, pool);
  }
  say(`${charges} charges, settled after ${seconds(began)}`);
  const payments = await shop.list();
  const events = receiver?.compare(await shop.events());
  shop.servers.closing = true;
  const state = await request('GET', `${control}/state`);
  const rows = Object.fromEntries(
    ids.map((id, which) => {
      const count = Math.ceil((charges - which) / ids.length);
      const numbers = Array.from({ length: count }, (_, index) => which + index * ids.length);
      const own = payments.filter(({ platform, subscription }) => platform === id && !subscription);
      const counted = compare(numbers, own, platforms[id].book(state[id]));
      if (platforms[id].subscriptions) {
        const here = subscriptions.filter(({ platform }) => platform === id);
        const { missing, doubled, disagreeing, ...more } = compareSubscriptions(state[id], here, payments, say);
        counted.missing += missing;
        counted.doubled += doubled;
        counted.disagreeing += disagreeing;
        Object.assign(counted, more);
      }
      return [
        id,
        {
          charges: count,
          lost_answers: lost[id],
          settled_by_hand: byHand[id] ?? 0,
          ...counted,
        },
      ];
    }),
  );
  const sum = (name) => Object.values(rows).reduce((total, row) => total + row[name], 0);
  const { full, refused } = shop.disturbed;
  const { kills: killed, ...happened } = shop.servers.done;
  return {
    charges,
    platforms: rows,
    kills: killed,
    ...(instances > 0 ? { instances, fleet: happened, events } : {}),
    ...(diskFull ? { disk_full: full, refused_by_full_disk: refused } : {}),
    ...Object.fromEntries(sums.map((name) => [name, sum(name)])),
  };
}

/**
 * Gives what makes the request for one order, with all that comes before it. On a busy machine a platform may be late
 * before anything begins: a shopper would try again.
 */
async function prepared(shop, id) {
  for (let tries = 1; ; tries += 1) {
    try {
      const make = await platforms[id].prepare(shop, id);
      const { before } = platforms[id];
      if (!before) return make;
      return async (order) => {
        const request = await make(order);
        return { ...request, body: { ...request.body, ...(await before(shop, request.body)) } };
      };
    } catch (error) {
      if (tries === PREPARE_TRIES) throw error;
      await pause(LATE_MS);
    }
  }
}

/** By how many charges are answered, what happens to the servers then: spread evenly. */
function schedule(charges, part, kills, fulls, several) {
  const found = new Map();
  const add = (count, what, charged, shift) => {
    for (let index = 0; index < count; index += 1) {
      let number = Math.ceil(((index + shift) * charged) / count);
      while (found.has(number)) number = (number % charges) + 1;
      found.set(number, what);
    }
  };
  add(kills, 'kill', charges * part, 0.5);
  add(fulls, 'fillDisk', charges, 0.4);
  if (several)
    for (const [index, [what, times]] of Object.entries(FLEET).entries())
      add(charges < LONG_RUN ? 1 : times, what, charges * part, 0.2 + 0.3 * index);
  return found;
}

const reference = (index) => `order-${String(index).padStart(7, '0')}`;
/** Cents by which no simulated bank decides. Prices that floating-point arithmetic gets wrong are among the amounts. */
const CENTS = [10, 13, 14, 19, 20, 28, 30, 35, 40, 48, 53, 57, 60, 70, 74, 79, 80, 81, 90, 95, 99];
const cents = (index) => (1 + (index % 89)) * 100 + CENTS[index % CENTS.length];
const amount = (index) => `${Math.floor(cents(index) / 100)}.${String(cents(index) % 100).padStart(2, '0')}`;

/** Statuses that say that no money was taken. */
const NOTHING = ['failed', 'declined', 'voided'];

function compare(numbers, payments, booked) {
  const at = new Map();
  for (const one of booked) at.set(one.reference, [...(at.get(one.reference) ?? []), one]);
  // A charge that was certainly not sent has failed, and the same request again makes another payment of its reference.
  const failed = (payment) => payment.status === 'failed';
  const last = [...payments.filter(failed), ...payments.filter((payment) => !failed(payment))];
  const known = new Map(last.map((payment) => [payment.order_reference, payment]));
  const counts = { not_charged: 0, missing: 0, doubled: 0, disagreeing: 0 };
  for (const index of numbers) {
    const name = reference(index);
    const [first, ...more] = at.get(name) ?? [];
    const payment = known.get(name);
    at.delete(name);
    known.delete(name);
    if (more.length > 0) counts.doubled += 1;
    if (!payment) counts.missing += 1;
    else if (NOTHING.includes(payment.status) && !first) counts.not_charged += 1;
    else if (payment.status === 'approved' && !first) counts.missing += 1;
    else if (!agrees(payment, first, index)) {
      counts.disagreeing += 1;
      const there = first ? `${first.cents} cents` : 'nothing';
      say(`${name}: ${payment.platform} has ${there}, the server ${JSON.stringify(payment)}`);
    }
  }
  // Whatever only one of the two knows.
  counts.disagreeing += at.size + known.size;
  return counts;
}

function agrees({ status, amount: charged, captured }, booked, index) {
  const whole = amount(index);
  return status === 'approved' && charged === whole && captured === whole && booked.cents === cents(index);
}

/** One server, which may be killed at any time. */
class Server {
  done = { kills: 0 };
  broken;
  /** Whether it may end. */
  closing = false;
  #folder;
  #config;
  #child;

  constructor(folder, config) {
    this.#folder = folder;
    this.#config = config;
  }

  get pid() {
    return this.#child.pid;
  }

  async open() {
    // A full disk is an error with every try to store something; it would bury everything else.
    const log = disk ? openSync(path.join(this.#folder, 'server.log'), 'a') : 'inherit';
    const args = ['--config', this.#config];
    const child = start('cardseal-server', args, ['ignore', 'pipe', log], this.#folder, disk?.command);
    this.#child = child;
    child.on('exit', () => {
      if (this.#child !== child || this.closing) return;
      if (disk) say(readFileSync(path.join(this.#folder, 'server.log'), 'utf8').split('\n').slice(-20).join('\n'));
      this.broken = new Stop('The server stopped unexpectedly; its log is above.');
    });
    await firstLine(child);
  }

  async kill() {
    const child = this.#child;
    const gone = once(child, 'exit');
    this.#child = null;
    child.kill('SIGKILL');
    await gone;
    this.done.kills += 1;
    await this.open();
  }
}

/** The merchant, with servers that may be away at any time. */
class Shop {
  disturbed = { full: 0, refused: 0 };
  #base;

  constructor(base, servers) {
    this.#base = base;
    this.servers = servers;
  }

  async fillDisk() {
    const { refused } = this.disturbed;
    const { pid } = this.servers;
    const began = performance.now();
    try {
      while (performance.now() - began < FULL_MS || this.disturbed.refused === refused) {
        if (performance.now() - began > FULL_AT_MOST_MS)
          throw new Stop('The disk was full, but no request was refused.');
        disk.fill(pid);
        await (performance.now() - began < FULL_MS ? pause(5) : this.#store());
      }
    } finally {
      disk.free(pid);
    }
    this.disturbed.full += 1;
  }

  /** Asks for something that has to be stored, if the charges are all under way already. */
  async #store() {
    try {
      await request('POST', `${this.#base}/v1/sessions`, {}, { authorization: `Bearer ${KEY}` });
    } catch (error) {
      if (error.problem?.code !== 'storage_unavailable') throw error;
      this.disturbed.refused += 1;
    }
  }

  /** Until it is answered, and by whatever server is there then. */
  async #sent(method, url, body, headers) {
    const until = performance.now() + RETRY_WITHIN_MS;
    for (;;) {
      try {
        return await request(method, this.#base + url, body, headers);
      } catch (error) {
        const { code } = error.problem ?? {};
        if (code === 'storage_unavailable') this.disturbed.refused += 1;
        // Broken by a kill, or told to try again. Anything else is a finding.
        const again = !(error instanceof Stop) || AGAIN.includes(code);
        if (this.servers.broken) throw this.servers.broken;
        if (!again || performance.now() > until) throw error;
        await pause(RETRY_AFTER_MS);
      }
    }
  }

  merchant(method, url, body, headers) {
    return this.#sent(method, url, body, { authorization: `Bearer ${KEY}`, ...headers });
  }

  page(url, body, headers) {
    return this.#sent('POST', url, body, { origin: ORIGIN, ...headers });
  }

  /** A request that the package made for a page. */
  send({ url, body }) {
    return this.page(url, JSON.parse(body));
  }

  async charge(make, index) {
    const order = { amount: amount(index), currency: 'USD', order_reference: reference(index) };
    const { body, fromPage } = await make(order);
    const key = { 'idempotency-key': `charge-${index}` };
    try {
      await (fromPage ? this.page('/v1/payments', body, key) : this.merchant('POST', '/v1/payments', body, key));
    } catch (error) {
      if (!ANSWERED.test(error.problem?.code)) throw error;
    }
  }

  /** Makes a subscription of the card that a charge used, and pays it. */
  async subscribe(make, index) {
    const { token } = (await make({})).body;
    try {
      await subscribe(this, token, { amount: amount(index), currency: 'USD' }, index);
    } catch (error) {
      if (!ANSWERED.test(error.problem?.code)) throw error;
    }
  }

  list() {
    return this.pages('/v1/payments');
  }

  /** Those that were written, oldest first, when all of them have been taken. */
  async events() {
    const until = performance.now() + EVENTS_WITHIN_MS;
    const pending = async () => (await this.merchant('GET', '/v1/events?state=pending&limit=1')).data.length > 0;
    while ((await pending()) && performance.now() < until) await pause(500);
    return (await this.pages('/v1/events')).reverse();
  }

  async pages(path) {
    const all = [];
    for (let after = ''; ; ) {
      const page = await this.merchant('GET', `${path}?limit=100${after && `&after=${after}`}`);
      all.push(...page.data);
      if (!page.next) return all;
      after = page.next;
    }
  }

  async unknown() {
    return (await this.list()).filter(({ status }) => status === 'unknown');
  }

  /** What the server has learnt by asking the platform now; null if the platform did not answer. */
  async refreshed(path) {
    try {
      return await this.merchant('POST', `${path}/refresh`);
    } catch (error) {
      if (!ANSWERED.test(error.problem?.code)) throw error;
      return null;
    }
  }

  /** Has the server ask the platform now. */
  async refresh(payments) {
    const slow = payments.filter(({ platform }) => platform === SLOW);
    await pool(AT_ONCE, slow.length, (index) => this.merchant('POST', `/v1/payments/${slow[index].id}/refresh`));
  }

  /** Waits until nothing is unknown any more. Gives how many the merchant had to settle by hand, by platform. */
  async settle(control, settleAfter) {
    const began = performance.now();
    const passed = () => performance.now() - began;
    const byHand = {};
    let open = await this.unknown();
    let refreshed = 0;
    while (open.length > 0 && passed() < SETTLE_WITHIN_MS) {
      await pause(500);
      const left = [];
      await pool(AT_ONCE, open.length, async (index) => {
        const payment = await this.merchant('GET', `/v1/payments/${open[index].id}`);
        if (payment.status === 'unknown') left.push(payment);
      });
      open = left;
      const patience = { server: settleAfter ?? Infinity, notification: NOTIFIES_WITHIN_MS, merchant: 0 };
      const due = open.filter(({ platform }) => passed() >= patience[platforms[platform].settles]);
      if (due.length > 0) {
        const state = await request('GET', `${control}/state`);
        await pool(AT_ONCE, due.length, async (index) => {
          const { id, platform, subscription, order_reference: name } = due[index];
          // The server has just read the platform's list, and what is not in it by now did not arrive.
          if (subscription) {
            const known = await this.refreshed(`/v1/payments/${id}`);
            if (known?.status !== 'unknown') return;
          }
          const booked = platforms[platform].book(state[platform]).find((one) => one.reference === name);
          if (await this.#resolve(id, booked)) byHand[platform] = (byHand[platform] ?? 0) + 1;
        });
      }
      if (passed() - refreshed > REFRESH_EVERY_MS) {
        refreshed = passed();
        await this.refresh(open);
      }
    }
    return byHand;
  }

  /** The merchant's word, by what stands in the platform's book. */
  async #resolve(id, booked) {
    const word = booked ? { status: 'approved', authorization: booked.authorization } : { status: 'failed' };
    try {
      await this.merchant('POST', `/v1/payments/${id}/resolve`, word);
      return true;
    } catch (error) {
      // It has become known in the meantime, or the platform is being asked.
      if (error.problem?.code !== 'payment_state') throw error;
      return false;
    }
  }
}

async function pool(atOnce, count, work) {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(atOnce, count) }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function request(method, url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const sent = http.request(
      url,
      {
        method,
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), ...headers },
      },
      (response) => {
        let answer = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          answer += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode < 300) return resolve(answer && JSON.parse(answer));
          const failure = new Stop(`${method} ${new URL(url).pathname} answered ${response.statusCode}: ${answer}`);
          if (response.headers['content-type'] === 'application/problem+json') failure.problem = JSON.parse(answer);
          return reject(failure);
        });
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

function start(binary, args, stdio, cwd, before = []) {
  const file = path.join(targetFolder(), 'debug', process.platform === 'win32' ? `${binary}.exe` : binary);
  // Settings that a person has for another server must not reach this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CARDSEAL_')));
  const [program, ...rest] = [...before, file, ...args];
  const child = spawn(program, rest, { cwd, env, stdio });
  children.push(child);
  return child;
}

async function firstLine(child) {
  const over = once(child, 'exit').then(() => {
    throw new Stop('The server or the sandbox stopped unexpectedly; its log is above.');
  });
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), over]);
  over.catch(() => {});
  return JSON.parse(line);
}

function stop(child) {
  return new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve();
    const last = setTimeout(() => child.kill('SIGKILL'), 10_000);
    child.on('exit', () => {
      clearTimeout(last);
      resolve();
    });
    return child.kill('SIGTERM');
  });
}

function table({ platforms: rows, ...whole }) {
  const names = ['charges', 'lost_answers', 'settled_by_hand', 'not_charged', 'missing', 'doubled', 'disagreeing'];
  const line = (id, row) => [id.padEnd(20), ...names.map((name) => String(row[name]).padStart(name.length))].join('  ');
  const head = ['platform'.padEnd(20), ...names].join('  ');
  const text = (count) => (typeof count === 'object' ? JSON.stringify(count) : count);
  const totals = Object.entries(whole).map(([name, count]) => `${name.padEnd(20)}  ${text(count)}`);
  return `${[head, ...Object.entries(rows).map(([id, row]) => line(id, row)), '', ...totals].join('\n')}\n`;
}
