// A shop's page and its card fields on two origins of two sites: the page on 127.0.0.1, the fields on localhost, from a
// host that serves files and passes /v1 on, with the headers of docs/isolated-fields.md. The recorders write down what
// leaves the browser.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../../scripts/project.mjs';
import { launch, pause, root, startSandbox, startServer, until, VISA } from '../browser/harness.mjs';
import { launchPages } from './firefox-page.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
};

/** What docs/isolated-fields.md tells a static host to send. */
export const headersFor = (parents, platforms) => ({
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    `connect-src 'self' ${platforms.join(' ')}`,
    `frame-ancestors ${parents.join(' ')}`,
    "form-action 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'origin-agent-cluster': '?1',
  'cache-control': 'no-cache',
});

/**
 * Serves the package's folder below `folder` and `files` by their path, and passes /v1 on to the Cardseal server. Keeps what
 * is asked of it.
 */
async function startHost(name, folder, server, headers = () => ({})) {
  const host = { requests: [], files: {} };
  const listener = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const record = { method: request.method, url: request.url, headers: request.rawHeaders.join('\n'), body: '' };
    host.requests.push(record);
    request.on('data', (chunk) => {
      record.body += chunk;
    });
    const own = Object.hasOwn(host.files, pathname) ? host.files[pathname] : undefined;
    if (server && own === undefined && pathname.startsWith('/v1/')) {
      const { hostname, port } = new URL(server);
      const onward = http.request(
        { host: hostname, port, method: request.method, path: request.url, headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      request.pipe(onward);
      return;
    }
    request.on('end', () => {
      try {
        const text =
          typeof own === 'function'
            ? own(record)
            : (own ?? readFileSync(path.join(root, 'pkg', path.relative(folder, path.normalize(pathname)))));
        const type = TYPES[path.extname(pathname)] ?? TYPES['.html'];
        response.writeHead(200, { ...headers(), 'content-type': type }).end(text);
      } catch {
        response.writeHead(404, headers()).end();
      }
    });
  });
  listener.listen(0, name);
  await once(listener, 'listening');
  host.origin = `http://${name}:${listener.address().port}`;
  host.stop = async () => {
    listener.closeAllConnections();
    listener.close();
    await once(listener, 'close');
  };
  return host;
}

/** Whoever asks is let in, with whatever headers. */
const OPEN = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'accept, authorization, content-type, x-gp-library, x-gp-version, x-gp-idempotency',
};

/** The shop's page. `attributes` are those of the element, `more` is markup around it, and `first` before all. */
export const shopPage = (attributes, more = '', first = '') => `<!doctype html>
<html lang="en"><head>${first}<meta charset="utf-8"><link rel="icon" href="data:,"><title>Shop</title></head><body>
<form id="shop" action="/paid" method="post">
<label>Email <input id="email" name="email" value="ana@shop.example"></label>
<cardseal-card-form id="card" required ${attributes}></cardseal-card-form>
<button id="pay">Pay</button>
</form>${more}
<script type="module" src="/pkg/card-form.js"></script>
</body></html>`;

/** A page of Chromium, with its fields in it or in a frame. */
async function pageIn(browser, isolated, options = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const problems = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  const where = isolated ? page.frameLocator('iframe.cardseal-frame') : page;
  return {
    page,
    context,
    where,
    field: (name) => where.locator(`[data-field="${name}"] :is(input, select)`),
    labelled: (name) => where.getByRole('textbox', { name, exact: true }).waitFor(),
    /** Runs `body` in the frame that the selectors lead to, one inside the other. */
    within: async (selectors, body) => {
      let frame = page;
      for (const selector of selectors)
        frame = await (await frame.waitForSelector(selector, { state: 'attached' })).contentFrame();
      return frame.evaluate(body);
    },
    newPage: () => context.newPage(),
    /** The window that opens next. */
    opening: async (work) => {
      const opened = context.waitForEvent('page');
      await work();
      return opened;
    },
    problems,
    close: () => context.close(),
  };
}

/**
 * Everything, wired. `open(isolated, { init, more })` opens the page with its fields in the page or in the frame. `evil` is a
 * host of somebody else's, which takes part in nothing. Without an `engine`, the test has a browser of its own.
 */
export async function startIsolation({ platforms: ids = ['greenpay', 'gp_api'], engine = 'Chromium' } = {}) {
  const things = [];
  const started = async (thing) => {
    const one = await thing;
    things.push(one);
    return one;
  };
  try {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const sandbox = await started(startSandbox({ serverUrl: address }));
    const shop = await started(startHost('127.0.0.1', '/pkg', address));
    const evil = await started(startHost('127.0.0.1', '/pkg', null, () => OPEN));
    const platformHost = `http://${sandbox.info.listen}`;
    const fields = await started(startHost('localhost', '/', address, () => headersFor([shop.origin], [platformHost])));
    fields.url = `${fields.origin}/card-fields.html`;
    fields.files['/card-fields.json'] = JSON.stringify({ parents: [shop.origin] });
    const platforms = Object.fromEntries(ids.map((id) => [id, sandbox.info.server_settings[id]]));
    // Where the pages of banks send their frames back to.
    if (platforms.gp_api) platforms.gp_api = { ...platforms.gp_api, public_url: address };
    // The server has a shop's page of its own, and the fields at its other name.
    const www = mkdtempSync(path.join(os.tmpdir(), 'cardseal-shop-'));
    things.push({ stop: () => rmSync(www, { recursive: true, force: true }) });
    const served = `http://localhost:${port}/fields/card-fields.html`;
    writeFileSync(path.join(www, 'shop.html'), shopPage(`platform="greenpay" fields-url="${served}"`));
    const server = await started(startServer({ port, origins: [shop.origin, fields.origin], platforms, www }));
    const browser = engine && (await (engine === 'Firefox' ? launchPages() : launch()));
    things.push({ stop: () => browser?.close() });
    let pages = 0;
    const open = async (isolated, given = {}) => {
      const { init, args = {}, platform = 'greenpay', attributes = '', more = '', ready = true, ...options } = given;
      const at = `/shop-${++pages}.html`;
      const own = isolated ? `fields-url="${fields.url}"` : '';
      // In the page alone, and before its own scripts.
      const first = init
        ? `<script>(${init})(${JSON.stringify({ ...args, isolated, evil: evil.origin })});</script>`
        : '';
      shop.files[at] = shopPage(`platform="${platform}" ${own} ${attributes}`, more, first);
      const it = await (engine === 'Firefox' ? browser.open(isolated) : pageIn(browser, isolated, options));
      const { page, field } = it;
      await page.goto(shop.origin + at);
      if (ready) {
        await field('number').waitFor();
        await page.waitForFunction(() => document.querySelector('#card').state === 'empty');
      }
      return { ...it, at, isolated };
    };
    /** A page without the shop's. */
    const elsewhere = () => (engine === 'Firefox' ? browser.open(false) : pageIn(browser, false));
    /** A call of the shop's back end. */
    const merchant = async (method, route, body) => {
      const headers = { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/json' };
      const answer = await fetch(address + route, { method, headers, body: body && JSON.stringify(body) });
      return answer.json();
    };
    return {
      sandbox,
      server,
      merchant,
      shop,
      fields,
      evil,
      browser,
      open,
      elsewhere,
      stop: async () => {
        for (const thing of things.reverse()) await thing.stop();
      },
    };
  } catch (error) {
    for (const thing of things.reverse()) await thing.stop();
    throw error;
  }
}

/** Types a card key by key, as a person does who clicks into the first field and goes on with Tab. */
export async function typeCard({ page, field }, card = VISA, { delay = 5 } = {}) {
  await field('number').click();
  await page.keyboard.type(card.number, { delay });
  await page.keyboard.press('Tab');
  await page.keyboard.type(card.expiry, { delay });
  await page.keyboard.press('Tab');
  await page.keyboard.type(card.cvc, { delay });
  await page.keyboard.press('Tab');
  await page.keyboard.type(card.holder, { delay });
}

export { pause, until, VISA };
