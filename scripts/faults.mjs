// Charges against a simulated platform that loses one answer in five, and then compares the books.
//
//   npm run faults                              1000 charges
//   npm run faults -- --charges 10000 --json    {"charges","kills","lost_answers","missing","doubled","disagreeing"}
//   npm run faults -- --kills 30                the server is killed (SIGKILL) so often, and started anew, on the way
//
// A merchant whose call breaks sends it again with the same Idempotency-Key until it is answered.
//
// GP API: the connection cut after the charge, a 502 after the charge, the answer later than the time-out, and the
// charge itself later than the time-out take turns. Every charge has to exist exactly once at the platform, and the
// server's record has to say the same; else the exit code is 1.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { main, must, say, seconds, Stop, targetFolder } from './project.mjs';
import { toml } from './toml.mjs';

const KEY = randomBytes(24).toString('hex');
const ORIGIN = 'https://shop.example';
const LOSE_EVERY = 5;
const TIMEOUT_MS = 1000;
const LATE_MS = 1500;
const KINDS = ['drop_after_commit', 'bad_gateway_after_commit', 'delay_after_commit', 'delay'];
const TURN = 250;
const AT_ONCE = 48;
const SETTLE_WITHIN_MS = 120_000;
/** How long a merchant goes on trying, and how long it waits in between. */
const RETRY_WITHIN_MS = 60_000;
const RETRY_AFTER_MS = 100;

const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE * 2 });
const children = [];

main(async () => {
  const { charges, kills, json } = options(process.argv.slice(2));
  say('Compiling the server and the sandbox.');
  await must('cargo', ['build', '-p', 'cardseal-server', '-p', 'cardseal-sandbox']);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-faults-'));
  let result;
  try {
    result = await books(folder, charges, kills);
  } finally {
    await Promise.all(children.map(stop));
    rmSync(folder, { recursive: true, force: true });
  }
  process.stdout.write(
    json ? `${JSON.stringify(result)}\n` : `${Object.entries(result).map(([name, count]) => `${name.padEnd(13)} ${count}`).join('\n')}\n`,
  );
  return result.missing + result.doubled + result.disagreeing === 0 ? 0 : 1;
});

function options(args) {
  const found = { charges: 1000, kills: 0, json: false };
  for (let index = 0; index < args.length; index += 1) {
    if (args[index] === '--json') found.json = true;
    else if (args[index] === '--charges' && /^[1-9]\d{0,6}$/.test(args[index + 1] ?? '')) found.charges = Number(args[++index]);
    else if (args[index] === '--kills' && /^\d{1,4}$/.test(args[index + 1] ?? '')) found.kills = Number(args[++index]);
    else throw new Stop('usage: npm run faults -- [--charges N] [--kills N] [--json]');
  }
  if (found.kills > found.charges) throw new Stop('There are more kills than charges.');
  return found;
}

async function books(folder, charges, kills) {
  let calls = 0;
  const sandbox = start('cardseal-sandbox', ['--listen', '127.0.0.1:0', '--exit-with-stdin', '--log-calls'], ['pipe', 'pipe', 'pipe']);
  // It notes every call, also those whose answer it then loses.
  createInterface({ input: sandbox.stderr }).on('line', (line) => {
    if (/route="?transactions"?(?![/\w])/.test(strip(line))) calls += 1;
  });
  const { control_url: control, server_settings: { gp_api: platform } } = await firstLine(sandbox);
  const config = path.join(folder, 'cardseal.toml');
  const configure = (listen) => writeFileSync(config, toml({
    server: { listen, allowed_origins: [ORIGIN], api_key: KEY },
    database: { path: path.join(folder, 'cardseal.sqlite') },
    http: { request_timeout_ms: TIMEOUT_MS },
    log: { level: 'error' },
    platforms: { gp_api: platform },
  }), { mode: 0o600 });
  const open = () => start('cardseal-server', ['--config', config], ['ignore', 'pipe', 'inherit'], folder);
  configure('127.0.0.1:0');
  let server = open();
  const { listen } = await firstLine(server);
  const base = `http://${listen}`;
  // The next ones listen at the same address, where the merchant goes on trying.
  configure(listen);
  let killed = 0;
  let restarting = Promise.resolve();
  const restart = async () => {
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
    killed += 1;
    server = open();
    await firstLine(server);
  };

  const token = await storedCard(base);
  const faults = `${control}/faults`;
  const began = performance.now();
  let lost = 0;
  for (let from = 0, turn = 0; from < charges; from += TURN, turn += 1) {
    const kind = KINDS[turn % KINDS.length];
    const before = calls;
    await call('POST', faults, { platform: 'gp_api', route: 'transactions', kind, times: 0, every: LOSE_EVERY, ms: LATE_MS });
    await pool(Math.min(TURN, charges - from), async (index) => {
      const number = from + index;
      // Spread evenly, and while others are under way.
      if (Math.floor(number * (kills + 1) / charges) > Math.floor((number - 1) * (kills + 1) / charges) && number > 0) {
        restarting = restarting.then(restart);
      }
      await charge(base, token, number);
    });
    await restarting;
    await call('DELETE', faults);
    // What is late is noted late.
    await pause(LATE_MS);
    lost += Math.floor((calls - before) / LOSE_EVERY);
    if (turn % 8 === 7) say(`${Math.min(from + TURN, charges)} charges, ${seconds(began)}`);
  }
  await settled(base);
  say(`${charges} charges, settled after ${seconds(began)}`);
  const payments = await list(base);
  const { gp_api: { transactions } } = await call('GET', `${control}/state`);
  return { charges, kills: killed, lost_answers: lost, ...compare(charges, payments, transactions) };
}

const reference = (index) => `order-${String(index).padStart(7, '0')}`;
/** Prices that floating-point arithmetic gets wrong are among them. */
const cents = (index) => 29 + index % 9000;
const amount = (index) => `${Math.floor(cents(index) / 100)}.${String(cents(index) % 100).padStart(2, '0')}`;

function compare(charges, payments, transactions) {
  const booked = new Map();
  for (const transaction of transactions) {
    booked.set(transaction.reference, [...(booked.get(transaction.reference) ?? []), transaction]);
  }
  const known = new Map(payments.map((payment) => [payment.order_reference, payment]));
  const counts = { missing: 0, doubled: 0, disagreeing: 0 };
  for (let index = 0; index < charges; index += 1) {
    const [first, ...more] = booked.get(reference(index)) ?? [];
    const payment = known.get(reference(index));
    if (!first) counts.missing += 1;
    if (more.length) counts.doubled += 1;
    const agree = first && payment?.status === 'approved' && first.status === 'CAPTURED'
      && payment.amount === amount(index) && payment.captured === amount(index) && String(first.amount) === String(cents(index));
    if (!agree) counts.disagreeing += 1;
  }
  // Whatever only one of the two knows.
  for (const name of booked.keys()) if (!known.has(name)) counts.disagreeing += 1;
  if (payments.length !== charges) counts.disagreeing += Math.abs(payments.length - charges);
  return counts;
}

/** A card as a page would make one: a session of the server, then the platform itself. */
async function storedCard(base) {
  const session = await call('POST', `${base}/v1/sessions`, { platform: 'gp_api' }, { origin: ORIGIN });
  const answer = await call('POST', `${session.base_url}/payment-methods`, {
    reference: session.reference, usage_mode: 'SINGLE', card: {
      number: '4263970000005262', cvv: '123', expiry_month: '12', expiry_year: '35',
    },
  }, { authorization: `Bearer ${session.access_token}`, 'x-gp-version': '2021-03-22' });
  const token = await call('POST', `${base}/v1/tokens`, { session: session.id, answer }, { origin: ORIGIN });
  return token.id;
}

async function charge(base, token, index) {
  const body = { token, amount: amount(index), currency: 'USD', order_reference: reference(index) };
  const until = performance.now() + RETRY_WITHIN_MS;
  for (;;) {
    try {
      await call('POST', `${base}/v1/payments`, body, { 'idempotency-key': `charge-${index}` });
      return;
    } catch (error) {
      // Broken by a kill, or the first request is still under way. Anything else is a finding.
      const again = !(error instanceof Stop) || /idempotency_in_progress/.test(error.message);
      if (!again || performance.now() > until) throw error;
      await pause(RETRY_AFTER_MS);
    }
  }
}

/** Waits until nothing is unknown any more. */
async function settled(base) {
  const until = performance.now() + SETTLE_WITHIN_MS;
  for (;;) {
    const open = (await list(base)).filter((payment) => payment.status === 'unknown');
    if (open.length === 0 || performance.now() > until) return;
    await pause(500);
  }
}

async function list(base) {
  const all = [];
  for (let after = ''; ;) {
    const page = await call('GET', `${base}/v1/payments?limit=100${after && `&after=${after}`}`);
    all.push(...page.data);
    if (!page.next) return all;
    after = page.next;
  }
}

async function pool(count, work) {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, async () => {
    while (next < count) await work(next++);
  }));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const strip = (line) => line.replace(/\u001b\[[0-9;]*m/g, '');

function call(method, url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const request = http.request(url, {
      method, agent, headers: {
        authorization: `Bearer ${KEY}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text),
        ...headers,
      },
    }, (response) => {
      let answer = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        answer += chunk;
      });
      response.on('end', () => {
        if (response.statusCode >= 300) return reject(new Stop(
          `${method} ${new URL(url).pathname} answered ${response.statusCode}: ${answer}`,
        ));
        return resolve(answer && JSON.parse(answer));
      });
    });
    request.on('error', reject);
    request.end(text);
  });
}

function start(binary, args, stdio, cwd) {
  const file = path.join(targetFolder(), 'debug', process.platform === 'win32' ? `${binary}.exe` : binary);
  // Settings that a person has for another server must not reach this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CARDSEAL_')));
  const child = spawn(file, args, { cwd, env, stdio });
  children.push(child);
  return child;
}

async function firstLine(child) {
  const over = once(child, 'exit').then(() => {
    throw new Stop('The server or the sandbox stopped by itself; what it said is above.');
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
