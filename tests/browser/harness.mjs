// The whole of Cardseal for one test file: the sandbox, the server and a browser, each stopped when the file ends.
//
// Between the browser and the server, and before each host of the sandbox that the browser calls, stands a recorder:
// what it writes down are the bytes on the wire, not what a program says that it sent.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { freePort } from '../../scripts/project.mjs';
import { toml } from '../../scripts/toml.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const binary = (name) => {
  const file = path.join(process.env.CARDSEAL_TARGET ?? path.join(root, 'target'), 'debug', name);
  if (!existsSync(file)) throw new Error(`${file} is missing: cargo build -p cardseal-server -p cardseal-sandbox`);
  return file;
};

// ------------------------------------------------------------------------------------------------ processes

async function stopped(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.stdin?.end();
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 8000);
  await exit;
  clearTimeout(late);
}

function keepOutput(child) {
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      text += chunk;
    });
  return () => text;
}

/** `of(id)` are the controls of one platform; those of GreenPay stand at the top as well, those of GP API as `gp`. */
export async function startSandbox({ serverUrl, keyBits } = {}) {
  const args = ['--listen', '127.0.0.1:0', '--exit-with-stdin'];
  if (serverUrl) args.push('--server-url', serverUrl);
  if (keyBits) args.push('--key-bits', String(keyBits));
  const child = spawn(binary('cardseal-sandbox'), args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const log = keepOutput(child);
  const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) => JSON.parse(text));
  const info = await Promise.race([
    line,
    once(child, 'exit').then(() => {
      throw new Error(`the sandbox ended:\n${log()}`);
    }),
  ]);
  const control = async (method, route, body) => {
    const response = await fetch(info.control_url + route, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${route}: ${response.status} ${await response.text()}`);
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  };
  const of = (id) => ({
    ...info.platforms[id],
    state: async () => (await control('GET', '/state'))[id],
    fault: (fault) => control('POST', '/faults', { platform: id, ...fault }),
    settings: (body) => control('POST', `/${id}/settings`, body),
    command: (name, body = {}) => control('POST', `/${id}/${name}`, body),
  });
  const { state, fault, settings, ...greenpay } = of('greenpay');
  return {
    info,
    log,
    of,
    greenpay,
    state,
    fault,
    settings,
    gp: of('gp_api'),
    clearFaults: () => control('DELETE', '/faults'),
    clock: (body) => control('POST', '/clock', body),
    stop: () => stopped(child),
  };
}

/** `platforms` are the tables below `[platforms]`, such as the sandbox tells. */
export async function startServer({
  port,
  origins,
  platforms,
  events,
  fields,
  demo = true,
  www = path.join(root, 'www'),
  pkg = path.join(root, 'pkg'),
}) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-browser-'));
  const config = path.join(folder, 'cardseal.toml');
  const apiKey = randomBytes(24).toString('hex');
  writeFileSync(
    config,
    toml({
      // Tests read the server's memory.
      server: { listen: `127.0.0.1:${port}`, allowed_origins: origins, api_key: apiKey, core_dumps: true },
      database: { path: path.join(folder, 'cardseal.sqlite') },
      // Tests try more cards in a minute than any customer does.
      limits: {
        browser_requests_per_minute: 6000,
        session_attempts: 100,
        customer_attempts_per_minute: 6000,
        attempts_per_minute: 6000,
        customer_sessions_per_minute: 6000,
        sessions_per_minute: 6000,
      },
      platforms,
      events,
      fields,
      demo: demo ? { enabled: true, www, pkg } : undefined,
      compat: demo || !platforms.gp_api ? undefined : { gp_network_tokens: true },
    }),
    { mode: 0o600 },
  );

  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CARDSEAL_')));
  const child = spawn(binary('cardseal-server'), ['--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: folder,
    env,
  });
  const log = keepOutput(child);
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries > PATIENCE / 50) throw new Error(`the server did not start:\n${log()}`);
    const answer = await fetch(`${url}/healthz`).catch(() => null);
    if (answer?.ok) break;
    await pause(50);
  }
  return {
    url,
    pid: child.pid,
    log,
    apiKey,
    /** Every byte of the database and of what lies beside it. */
    database: () =>
      Buffer.concat(
        readdirSync(folder)
          .filter((name) => name.startsWith('cardseal.sqlite'))
          .map((name) => readFileSync(path.join(folder, name))),
      ),
    stop: async () => {
      await stopped(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** How long anything may take before a test gives up: far more than it takes, so that a busy machine fails nothing. */
const PATIENCE = 60_000;

/** Waits until `check` gives something; tells what was waited for if it never does. */
export async function until(what, check, ms = PATIENCE) {
  for (const end = Date.now() + ms; ; ) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for: ${what}`);
    await pause(50);
  }
}

// ------------------------------------------------------------------------------------------------- recorder

/**
 * Passes everything on to `target` and keeps it; addresses are those below it. `cut(request)` may say that an answer is
 * lost `before` it begins or `half-way`; after `hold()` nothing passes until the function that it gives is called; `pages`
 * are a test's own pages by their path, as a shop would serve them beside the server's routes. Paths stay as they are:
 * some platforms sign them.
 */
export async function startRecorder(target, port = 0) {
  const requests = [];
  const prefix = new URL(target).pathname.replace(/\/$/, '');
  let gate = Promise.resolve();
  const recorder = { requests, cut: () => false, pages: {}, target };
  recorder.hold = () => {
    let open;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  };
  const server = http.createServer((request, response) => {
    if (recorder.pages[request.url]) {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(recorder.pages[request.url]);
      return;
    }
    const url = request.url.startsWith(prefix) ? request.url.slice(prefix.length) : request.url;
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', async () => {
      const body = Buffer.concat(chunks);
      const record = {
        method: request.method,
        url,
        headers: request.rawHeaders.join('\n'),
        body: body.toString('utf8'),
        status: null,
      };
      requests.push(record);
      await gate;
      const to = new URL(recorder.target);
      const onward = http.request(
        { host: to.hostname, port: to.port, method: request.method, path: request.url, headers: request.headers },
        (answer) => {
          record.status = answer.statusCode;
          const cut = recorder.cut(record);
          if (cut) {
            if (cut === 'half-way') {
              response.writeHead(answer.statusCode, { ...answer.headers, 'content-length': '100000' });
              response.write('{');
            }
            answer.resume();
            answer.on('end', () => setTimeout(() => response.destroy(), 50));
            return;
          }
          response.writeHead(answer.statusCode, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      onward.end(body);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  recorder.origin = `http://127.0.0.1:${server.address().port}`;
  recorder.url = recorder.origin + prefix;
  recorder.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return recorder;
}

// -------------------------------------------------------------------------------------------------- browser

export async function launch(more = []) {
  const args = [
    ...more,
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-quic',
    '--no-first-run',
    '--disable-gpu',
  ];
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  return chromium.launch({
    executablePath: process.env.CHROME_BIN ?? process.env.CHROMIUM ?? '/usr/bin/chromium',
    args,
  });
}

/**
 * Everything, wired: `url` is what the browser opens, `platforms` what the shop offers. Before each host of a platform
 * stands a recorder, `wire[platform][setting]`, of which `checkout` and `gp` are short names; `hooks` is the one before the
 * server for what the platforms tell it. `settings`, by platform,
 * may override what the sandbox tells the server, and may be a function of `{ page }`, the address that the browser opens;
 * `events` is the server's table of that name; `browser` starts another one than Chromium.
 */
export async function startAll({
  platforms: ids = ['greenpay'],
  settings = {},
  events,
  www,
  pkg,
  browser: begin = launch,
} = {}) {
  const things = [];
  try {
    const port = await freePort();
    const hooks = await startRecorder(`http://127.0.0.1:${port}`);
    things.push(hooks);
    const sandbox = await startSandbox({ serverUrl: hooks.origin });
    things.push(sandbox);
    const front = await startRecorder(`http://127.0.0.1:${port}`);
    things.push(front);
    const given = typeof settings === 'function' ? settings({ page: `${front.url}/` }) : settings;
    const platforms = {};
    const wire = {};
    for (const id of ids) {
      platforms[id] = { ...sandbox.info.server_settings[id], ...given[id] };
      wire[id] = {};
      for (const [key, value] of Object.entries(platforms[id])) {
        if (typeof value !== 'string' || !value.startsWith(`http://${sandbox.info.listen}/`)) continue;
        wire[id][key] = await startRecorder(value);
        things.push(wire[id][key]);
        platforms[id][key] = wire[id][key].url;
      }
    }
    const server = await startServer({ port, origins: [front.url], platforms, events, www, pkg });
    things.push(server);
    const browser = await begin();
    things.push({ stop: () => browser.close() });
    return {
      url: front.url,
      sandbox,
      wire,
      hooks,
      checkout: wire.greenpay?.checkout_url,
      gp: wire.gp_api?.base_url,
      front,
      server,
      browser,
      open: ({ url = front.url, ...options } = {}) => openPage(browser, url, options),
      stop: async () => {
        for (const thing of things.reverse()) await thing.stop();
      },
    };
  } catch (error) {
    for (const thing of things.reverse()) await thing.stop();
    throw error;
  }
}

// Runs in the page before anything of it: sees policy violations, catches the memory of every wasm instance,
// and lets a test move the page's clock.
function watchPage() {
  globalThis.__violations = [];
  document.addEventListener('securitypolicyviolation', (event) =>
    globalThis.__violations.push(`${event.violatedDirective} ${event.blockedURI}`),
  );
  globalThis.__memories = [];
  const keep = (instance) => {
    for (const value of Object.values(instance.exports))
      if (value instanceof WebAssembly.Memory) globalThis.__memories.push(value);
  };
  // However it is made: by the constructor, or by a function that gives the instance alone or with its module.
  WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
    construct(target, args) {
      const instance = Reflect.construct(target, args);
      keep(instance);
      return instance;
    },
  });
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...args) => {
      const result = await original.apply(WebAssembly, args);
      keep(result.instance ?? result);
      return result;
    };
  }
  const now = Date.now;
  globalThis.__skew = 0;
  Date.now = () => now() + globalThis.__skew;
}

/**
 * A checkout in a context of its own. The box that saves the card is unticked at the start; most tests are about a shopper who
 * ticks it, so `save` does that first. `sent`, `problems` and `violations()` are of every page of the context, the desk too.
 */
export async function openPage(browser, url, { ready = true, save = true, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  const sent = [];
  const problems = [];
  const finished = [];
  context.on('requestfinished', (request) => finished.push(request.url()));
  context.on('request', (request) =>
    sent.push({
      method: request.method(),
      url: request.url(),
      headers: JSON.stringify(request.headers()),
      body: request.postData() ?? '',
    }),
  );
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  context.on('weberror', (error) => problems.push(String(error.error())));
  await context.addInitScript(watchPage);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(url);
  if (ready) await page.waitForSelector('#pay-form[data-ready]');
  if (ready && save) await page.check('#save-card');
  /** The page has its session, and there was time to read it. */
  const sessionOpened = async () => {
    await until('the session', () => finished.some((address) => new URL(address).pathname === '/v1/sessions'));
    await pause(500);
  };
  const violations = async () =>
    (await Promise.all(context.pages().map((each) => each.evaluate(() => globalThis.__violations)))).flat();
  return { page, sent, problems, violations, context, sessionOpened, close: () => context.close() };
}

/** The merchant's desk beside a checkout, in the same browser, with its lists as the server has them now. */
export async function deskOf(page) {
  const context = page.context();
  let desk = context.pages().find((each) => new URL(each.url()).pathname === '/desk.html');
  if (!desk) {
    desk = await context.newPage();
    desk.setDefaultTimeout(PATIENCE);
    await desk.goto(new URL('/desk.html', page.url()).href);
    await desk.waitForSelector('#desk[data-ready]');
  }
  return desk;
}

/** How many cards of the shopper the server has. */
export const savedCards = (page) =>
  page.evaluate(async () => {
    const answer = await fetch('/v1/tokens?customer=demo-shopper&limit=100');
    return (await answer.json()).data.filter(({ status }) => status !== 'deleted').length;
  });

/** Waits until the newest payment at the desk has a status, and gives the desk. */
export async function becomes(page, status, ms) {
  const desk = await deskOf(page);
  await until(
    `a payment that is ${status}`,
    async () =>
      (await newestPayment(desk)
        .getAttribute('data-status')
        .catch(() => null)) === status,
    ms,
  );
  return desk;
}

/** On the desk. */
export const newestPayment = (desk) => desk.locator('#payments > li').first();

/** On the desk: presses what can be done with the newest payment, and says yes. */
export async function followUp(desk, verb, amount) {
  await newestPayment(desk)
    .getByRole('button', { name: new RegExp(`^${verb}`) })
    .click();
  if (amount) await desk.fill('#ask-amount', amount);
  await desk.click('#ask-yes');
}

// --------------------------------------------------------------------------------------------------- a card

export const VISA = { number: '4242424242424242', expiry: '1230', cvc: '739', holder: 'Ana Núñez' };
export const AMEX = { number: '378282246310005', expiry: '1230', cvc: '7391', holder: 'Ana Núñez' };
/** Of GP API. */
export const GP_VISA = { number: '4263970000005262', expiry: '1230', cvc: '739', holder: '' };
export const GP_AMEX = { number: '374101000000608', expiry: '1230', cvc: '7391', holder: 'Ana Núñez' };
export const GP_DECLINED = { ...GP_VISA, number: '4000120000001154' };
/** Of CCBill, which wants to know the customer, too. */
export const CC_VISA = { number: '4473707989493598', expiry: '1230', cvc: '739', holder: 'Ana Mora' };
export const CC_JCB = { number: '3530111333300000', expiry: '1230', cvc: '739', holder: 'Ana Mora' };
export const CUSTOMER = {
  firstName: 'Ana',
  lastName: 'Mora',
  email: 'ana@shop.example',
  postalCode: '85281',
  country: 'US',
};
export const NO_MONEY = { ...VISA, number: '4094394314664828' };

/** A field of the card form, and what it says below it. */
export const field = (name) => `#card [data-field="${name}"] .cardseal-input`;
export const note = (name) => `#card [data-field="${name}"] .cardseal-note`;
/** The brands that the form shows for a number. */
export const MARKS = '#card .cardseal-marks [role="img"]';
/** Which field has the focus. */
export const focusedField = (page) =>
  page.evaluate(() => document.activeElement.closest('[data-field]')?.dataset.field ?? null);

/** Types like a person: key by key. A card that the form took before makes room first. */
export async function typeCard(page, card) {
  const change = page.locator('#card .cardseal-done button');
  if (await change.isVisible()) await change.click();
  for (const name of ['number', 'expiry', 'cvc', 'holder']) {
    if (card[name] === undefined) continue;
    // What was typed before gives way.
    if ((await page.inputValue(field(name))) !== '') await page.fill(field(name), '');
    await page.locator(field(name)).pressSequentially(card[name]);
  }
}

/** Fills in who the customer is, where that is asked. */
export async function typeCustomer(page, customer = CUSTOMER) {
  for (const [name, text] of Object.entries(customer)) {
    if (name === 'country') await page.selectOption(field(name), text);
    else await page.fill(field(name), text);
  }
}

/** The lists show what the server says now: whoever sees a result sees that they are being read, too. */
export const listsRead = (page) => page.locator('#saved[aria-busy="true"]').first().waitFor({ state: 'detached' });

export async function resultHeading(page) {
  await page.waitForSelector('#result:not([hidden])');
  await listsRead(page);
  return page.locator('#result-heading').textContent();
}

/** Types, pays, and gives the heading of what the page then says. */
export async function payWith(page, card) {
  await typeCard(page, card);
  await page.click('#pay');
  return resultHeading(page);
}

export async function failure(page) {
  await page.waitForSelector('#notice.notice-bad');
  await listsRead(page);
  return page.locator('#notice').innerText();
}

// ----------------------------------------------------------------------------------------------- looking for it

export const passesLuhn = (digits) => {
  let sum = 0;
  [...digits].reverse().forEach((digit, at) => {
    const value = Number(digit) * (at % 2 ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  });
  return sum % 10 === 0;
};

/** The ways in which a text may hide in bytes. */
function disguises(text) {
  const bytes = Buffer.from(text);
  const forms = {
    plain: bytes,
    wide: Buffer.from(text, 'utf16le'),
    hex: Buffer.from(bytes.toString('hex')),
    reversed: Buffer.from([...text].reverse().join('')),
  };
  for (const shift of [0, 1, 2]) {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    // Without the characters that depend on what stands before and after.
    forms[`base64 at ${shift}`] = Buffer.from(
      whole.slice(shift ? shift + 1 : 0, Math.floor(((shift + bytes.length) * 8) / 6)),
    );
  }
  if (/^\d{12,19}$/.test(text)) {
    const grouped = text.length === 15 ? text.replace(/^(.{4})(.{6})/, '$1 $2 ') : text.replace(/(.{4})(?=.)/g, '$1 ');
    forms.grouped = Buffer.from(grouped);
    forms['grouped, wide'] = Buffer.from(grouped, 'utf16le');
    forms['percent-encoded'] = Buffer.from(encodeURIComponent(grouped));
    forms.values = Buffer.from([...text].map(Number));
    if (text.length % 2 === 0) forms.packed = Buffer.from(text, 'hex');
  }
  return forms;
}

/** Names of the disguises in which `text` is in `bytes`. */
export function found(bytes, text) {
  const haystack = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
  return Object.entries(disguises(text))
    .filter(([, form]) => haystack.includes(form))
    .map(([name]) => name);
}

/**
 * Ciphertext, random ids, versions of files and fractions of a second may hold any digits by chance, so they are taken
 * out before looking for runs of digits, and so is what stands inside a longer word. The number itself is looked for
 * everywhere, in every disguise.
 */
const withoutChance = (text) =>
  text
    .replace(/"(ld|lk|encrypted_customer_input|sealed|public_key|_signature|khash|paymentTokenId)":"[^"]*"/g, '"$1":""')
    .replace(/\bW\/\\?"[\w-]+\\?"/g, 'etag')
    .replace(/\bBearer [\w.~+/=-]+/g, 'Bearer')
    .replace(/\b(ses|tok|pay|ord|req)[_-][0-9a-f]{32}\b/g, '$1')
    .replace(/T\d\d:\d\d:\d\d\.\d+/g, 'time')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, 'uuid');

/** What of a card is in these requests, as sentences; empty if nothing is. */
export function leaks(requests, card) {
  const said = [];
  for (const request of requests) {
    const where = `${request.method} ${request.url}`;
    const text = [request.url, request.headers, request.body].join('\n');
    for (const form of found(text, card.number)) said.push(`${where}: the number, ${form}`);
    const clear = withoutChance(text);
    for (const [run] of clear.matchAll(/(?<![\w+/])\d(?:[ -]?\d){12,18}(?![\w+/])/g)) {
      const digits = run.replace(/\D/g, '');
      if (passesLuhn(digits)) said.push(`${where}: a run of digits that may be a card number: ${run.slice(0, 4)}…`);
    }
    const body = withoutChance(request.body);
    if (new RegExp(`(?<![\\w+/])${card.cvc}(?![\\w+/])`).test(body)) said.push(`${where}: the security code`);
    if (/"(cvc|cvv|cardNumber|card_number|pan|expiry|expirationDate)"/i.test(body))
      said.push(`${where}: a field for card data`);
  }
  return said;
}

/** The bytes of another process that can be read. */
export function* processMemory(pid) {
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) (r\S+) \S+ \S+ \d+\s*(.*)$/.exec(line);
      if (!match || /^\[v/.test(match[4])) continue; // vdso and its kin cannot be read this way
      const [start, end] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)];
      const size = Number(end - start);
      const bytes = Buffer.alloc(size);
      try {
        const read = readSync(fd, bytes, 0, size, start);
        yield { bytes: bytes.subarray(0, read), name: match[4] || 'anonymous' };
      } catch {
        // Guard pages and regions that went away meanwhile.
      }
    }
  } finally {
    closeSync(fd);
  }
}

// ------------------------------------------------------------------------------------------------ accessibility

/** axe-core as a script, or null where it is not installed. */
export const axe = (() => {
  try {
    return readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  } catch {
    return null;
  }
})();

/** Whether anything of a page is wider than its window. */
export const sticksOut = (page) =>
  page.evaluate(
    () =>
      document.documentElement.scrollWidth > innerWidth ||
      [...document.querySelectorAll('main *')].some(
        (element) =>
          element.checkVisibility() &&
          !element.matches('.visually-hidden, .visually-hidden *') &&
          element.getBoundingClientRect().right > innerWidth + 0.5,
      ),
  );

/** What asserts that axe finds nothing wrong with a state of the page. */
export async function accessibility(page, context) {
  const cdp = await context.newCDPSession(page);
  await cdp.send('Runtime.evaluate', { expression: axe });
  return async (state) => {
    const violations = await page.evaluate(() =>
      globalThis.axe
        .run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        .then((result) =>
          result.violations.map(
            ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`,
          ),
        ),
    );
    assert.deepEqual(violations, [], state);
  };
}

/** Of the pages that a payment was made with elsewhere, nothing stays in this one. */
export async function leavesNothing(page, url) {
  assert.equal(page.url(), `${url}/`, 'nothing stays in the address');
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
}

/** The customer is back from a page of the platform's, where this card has paid once, and the shop got nothing of it. */
export async function paidElsewhere({ page, sent, grown }, url, card) {
  assert.equal(await resultHeading(page), 'Paid $24.50');
  await becomes(page, 'approved');
  await leavesNothing(page, url);
  assert.equal((await grown()).length, 1);
  const shop = sent.filter(({ url: to, method }) => to.startsWith(url) && method === 'POST');
  assert.deepEqual(leaks(shop, card), []);
  await page.reload();
  await page.waitForSelector('#pay-form[data-ready]');
  assert.equal(await page.isVisible('#result'), false);
}
