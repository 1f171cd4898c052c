// What the tests of the pages about moving have in common: the sandbox and a Cardseal server that is no demo, and a shop
// whose pages are those of the documentation.

import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { freePort, root } from '../../scripts/project.mjs';
import { launch, startSandbox, startServer } from '../browser/harness.mjs';
import { blocks } from './blocks.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};
/** Where the pages of the documentation say that the server is. */
const SERVER = 'https://pay.shop.example';
const FIELDS = 'https://fields.shop.example';

/** What stands in a page below `<!-- run: NAME -->`. */
export function documented(page, name) {
  const found = blocks(page);
  const at = found.findIndex((block) => block.lang === 'comment' && block.name === 'run' && block.value === name);
  if (at < 0) throw new Error(`${page} runs no ${name}`);
  return found[at + 1].text;
}

/** Imports a program of a page. */
export async function program(page, name) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-moving-'));
  try {
    writeFileSync(path.join(folder, name), documented(page, name));
    return await import(pathToFileURL(path.join(folder, name)).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The calls to GP API that a shop's own back end makes: any, and the one for an access token. */
export function gpBackEnd({ base_url: base, credentials }) {
  const call = async (route, body, token) => {
    const answer = await fetch(base + route, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-gp-version': '2021-03-22',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    const made = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(made));
    return made;
  };
  const access = async (permissions) => {
    const nonce = randomUUID();
    const secret = createHash('sha512')
      .update(nonce + credentials.app_key)
      .digest('hex');
    const { token } = await call('/accesstoken', {
      app_id: credentials.app_id,
      nonce,
      secret,
      grant_type: 'client_credentials',
      seconds_to_expire: 600,
      permissions,
    });
    return token;
  };
  return { call, access };
}

/** Serves `page`, `answers` as JSON by their path, and the package below /pkg; keeps the forms that are `posted`. */
async function startShop() {
  const shop = { page: '', answers: {}, posted: [] };
  const listener = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (request.method === 'POST') {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        shop.posted.push(Object.fromEntries(new URLSearchParams(body)));
        response.writeHead(200, { 'content-type': TYPES['.html'] }).end('<title>Thank you</title>');
      });
      return;
    }
    if (Object.hasOwn(shop.answers, pathname))
      return response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(shop.answers[pathname]));
    const file = pathname.startsWith('/pkg/') && path.join(root, path.normalize(pathname));
    if (file && !existsSync(file)) return response.writeHead(404).end();
    const type = file ? TYPES[path.extname(file)] : TYPES['.html'];
    return response.writeHead(200, { 'content-type': type ?? 'text/plain' }).end(file ? readFileSync(file) : shop.page);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  shop.origin = `http://127.0.0.1:${listener.address().port}`;
  shop.stop = async () => {
    listener.closeAllConnections();
    listener.close();
    await once(listener, 'close');
  };
  return shop;
}

/**
 * `visit(html, options)` opens a page of the shop: `scripts` are others' scripts by their address, `pass` addresses by where
 * their requests go instead.
 */
export async function startMove(platforms, { browser: begin = launch } = {}) {
  const things = [];
  try {
    const sandbox = await startSandbox();
    things.push(sandbox);
    const shop = await startShop();
    things.push(shop);
    const port = await freePort();
    // The fields are at the server's other name.
    const fields = `http://localhost:${port}`;
    const server = await startServer({
      port,
      fields: { enabled: true, origin: fields, parents: [shop.origin], pkg: path.join(root, 'pkg') },
      origins: [shop.origin],
      platforms: Object.fromEntries(platforms.map((id) => [id, sandbox.info.server_settings[id]])),
      demo: false,
    });
    things.push(server);
    const browser = await begin();
    things.push({ stop: () => browser.close() });
    // For the programs of the pages.
    Object.assign(process.env, { CARDSEAL_URL: server.url, CARDSEAL_API_KEY: server.apiKey });
    const api = async (method, route, body, headers) => {
      const answer = await fetch(server.url + route, {
        method,
        headers: { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/json', ...headers },
        body: body && JSON.stringify(body),
      });
      return { status: answer.status, body: await answer.json() };
    };
    return {
      sandbox,
      server,
      shop,
      api,
      async visit(html, { scripts = {}, pass = {} } = {}) {
        const context = await browser.newContext();
        const problems = [];
        const sent = [];
        const imports = JSON.stringify({
          imports: {
            cardseal: '/pkg/index.js',
            'cardseal/card-form': '/pkg/card-form.js',
            'cardseal/online-payments': '/pkg/online-payments.js',
            'cardseal/gp-api': '/pkg/gp-api.js',
          },
        });
        const text = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">
<script type="importmap">${imports}</script></head><body>${html.replaceAll(SERVER, server.url).replaceAll(FIELDS, fields)}</body></html>`;
        shop.page = text;
        for (const [address, body] of Object.entries(scripts))
          await context.route(address, (route) => route.fulfill({ contentType: TYPES['.js'], body }));
        for (const [from, to] of Object.entries(pass))
          await context.route(`${from}/**`, async (route) => {
            const response = await route.fetch({ url: to + route.request().url().slice(from.length) });
            await route.fulfill({ response });
          });
        context.on('request', (request) => sent.push(request));
        context.on('weberror', (error) => problems.push(String(error.error())));
        const page = await context.newPage();
        page.setDefaultTimeout(30_000);
        await page.goto(shop.origin);
        return { page, sent, problems, close: () => context.close() };
      },
      async stop() {
        for (const thing of things.reverse()) await thing.stop();
      },
    };
  } catch (error) {
    for (const thing of things.reverse()) await thing.stop();
    throw error;
  }
}

/** Others' script for the pages that move from Global Payments' fields, and where its requests go. */
export const officialFields = (sandbox) => ({
  scripts: {
    'https://js.globalpay.com/4.1.26/globalpayments.js': readFileSync(
      path.join(root, 'tests/docs/globalpayments-stand-in.js'),
      'utf8',
    ),
  },
  pass: { 'https://apis.sandbox.globalpay.com/ucp': sandbox.gp.base_url },
});
