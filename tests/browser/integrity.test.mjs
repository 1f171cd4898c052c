// What the hashes promise, in a real browser: a changed module is refused by the loader, a changed script by the page's
// import map, and a script without a hash by the page's Integrity-Policy. The lines are those that the package writes.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { importMap, readManifest, sri } from '../../scripts/verify.mjs';
import { serve } from '../bundlers/serve.mjs';
import { OPENERS, unwrap, vectors } from '../interop/libraries.mjs';
import { launch, root, until } from './harness.mjs';

const KEY = vectors.rsa_keys.t1024;
const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '739', holder: 'Ana Núñez', nickname: 'My Visa' };
const SOURCE = process.env.CARDSEAL_PKG ?? path.join(root, 'pkg');
const manifest = readManifest(path.join(SOURCE, 'manifest.json'));
const module = readFileSync(path.join(SOURCE, 'cardseal_bg.wasm'));
const WASM = { 'content-type': 'application/wasm' };
const SCRIPT = { 'content-type': 'text/javascript' };

let folder;
let browser;
let context;

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-integrity-'));
  cpSync(SOURCE, path.join(folder, 'pkg'), { recursive: true });
  browser = await launch();
  context = await browser.newContext();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The module with one bit of a message changed that packing does not show, so that it still works. */
function flipped() {
  const bytes = Buffer.from(module);
  const at = bytes.indexOf('the RSA modulus is');
  assert.ok(at > 0, 'the module has the message');
  bytes[at] ^= 1;
  return bytes;
}

async function open(t, { html = '', headers = {}, answers = {} } = {}) {
  const site = await serve(folder, {
    answers: {
      '/': {
        headers: { 'content-type': 'text/html', ...headers },
        body: `<!doctype html><link rel="icon" href="data:,">${html}`,
      },
      ...answers,
    },
  });
  const page = await context.newPage();
  const messages = [];
  page.on('console', (message) => messages.push(message.text()));
  t.after(async () => {
    await page.close();
    await site.stop();
  });
  await page.goto(`${site.url}/`);
  return { page, site, messages };
}

/** Loads and packs: `packed`, or what came instead. */
async function use(page, { entry = '/pkg/index.js', source } = {}) {
  const result = await page.evaluate(
    async ({ entry, source, key, card }) => {
      try {
        const { load, GreenPay } = await import(entry);
        const given = {
          undefined: undefined,
          request: () => new Request(source[1]),
          response: () => fetch(source[1]),
          bytes: async () => (await fetch(source[1])).arrayBuffer(),
        }[source?.[0]];
        await load(given ? await given() : source);
        return await new GreenPay({ publicKey: key }).pack({ card });
      } catch ({ name, code, message }) {
        return { name, code, message };
      }
    },
    { entry, source, key: KEY.public_spki_pem, card: CARD },
  );
  if (!result.lk) return result;
  const { k, s } = JSON.parse(unwrap(KEY.private_pkcs1_pem, result.lk));
  assert.equal(JSON.parse(OPENERS['node:crypto'](k, s, result.ld)).card.cardNumber, CARD.number);
  return 'packed';
}

const REFUSED = {
  name: 'CardsealError',
  code: 'load_failed',
  message: 'could not load: this is not the cardseal_bg.wasm of this version',
};

// ---------------------------------------------------------------------------------------------- the loader

test('a module with one flipped bit is refused, and only because of its hash', async (t) => {
  const answers = {
    '/pkg/cardseal_bg.wasm': { headers: WASM, body: flipped() },
    '/elsewhere/x.wasm': { headers: WASM, body: flipped() },
  };
  const { page, messages } = await open(t, { answers });
  assert.deepEqual(await use(page), REFUSED);
  assert.ok(
    messages.some((text) => /digest/.test(text)),
    messages.join('\n'),
  );
  // An address of the page's own is no way around it, in no entry.
  assert.deepEqual(await use(page, { source: '/elsewhere/x.wasm' }), REFUSED);
  assert.deepEqual(await use(page, { source: ['request', '/elsewhere/x.wasm'] }), REFUSED);
  assert.deepEqual(await use(page, { source: '/elsewhere/x.wasm', entry: '/pkg/inline.js' }), REFUSED);
  // What the page fetched by itself is the page's own business.
  assert.equal(await use(page, { source: ['response', '/elsewhere/x.wasm'] }), 'packed');
});

test('the module itself is taken, however it is named and handed over', async (t) => {
  const answers = { '/elsewhere/x.wasm': { headers: WASM, body: module } };
  for (const source of [
    undefined,
    '/elsewhere/x.wasm',
    ['request', '/elsewhere/x.wasm'],
    ['response', '/elsewhere/x.wasm'],
    ['bytes', '/elsewhere/x.wasm'],
  ]) {
    const { page, site } = await open(t, { answers });
    assert.equal(await use(page, { source }), 'packed', JSON.stringify(source));
    assert.equal(site.seen.filter((name) => name.endsWith('.wasm')).length, 1, 'fetched once');
  }
});

test('a stale module in the cache of the browser is replaced', async (t) => {
  const body = flipped();
  const answers = { '/pkg/cardseal_bg.wasm': { headers: { ...WASM, 'cache-control': 'max-age=3600' }, body } };
  const { page, site } = await open(t, { answers });
  await page.evaluate(async () => (await fetch('/pkg/cardseal_bg.wasm')).arrayBuffer());
  // A new version is deployed under the same address.
  answers['/pkg/cardseal_bg.wasm'].body = module;
  assert.equal(site.seen.filter((name) => name.endsWith('.wasm')).length, 1);
  assert.equal(await use(page), 'packed');
  assert.equal(site.seen.filter((name) => name.endsWith('.wasm')).length, 2);
});

test('after a refusal the next call tries again', async (t) => {
  const answers = { '/pkg/cardseal_bg.wasm': { headers: WASM, body: flipped() } };
  const { page } = await open(t, { answers });
  assert.deepEqual(await use(page), REFUSED);
  answers['/pkg/cardseal_bg.wasm'].body = module;
  assert.equal(await use(page), 'packed');
});

// ------------------------------------------------------------------------------------------ the import map

/** The map that the package writes, and a module script that uses it; `change` may spoil it. */
function mapped(change = () => {}) {
  const map = importMap('/pkg/', { manifest });
  change(map);
  return `<script type="importmap">${JSON.stringify(map)}</script>`;
}

test('the import map of the package covers every module that the entry fetches', async (t) => {
  const { page, site } = await open(t, { html: mapped() });
  assert.equal(await use(page, { entry: 'cardseal' }), 'packed');
  const fetched = site.seen.filter((name) => name.endsWith('.js')).sort();
  // What is fetched where there is no WebAssembly is covered, too: it is the only hash that it has.
  const fallback = '/pkg/cardseal_fallback.js';
  assert.deepEqual(Object.keys(importMap('/pkg/', { manifest }).integrity).sort(), [...fetched, fallback].sort());
  assert.deepEqual(
    manifest.entries['index.js'].map((name) => `/pkg/${name}`).sort(),
    [...fetched, fallback, '/pkg/cardseal_bg.wasm'].sort(),
  );
});

test('a fallback that was changed is refused by the import map', async (t) => {
  const body = `${readFileSync(path.join(SOURCE, 'cardseal_fallback.js'), 'utf8')}\n`;
  const answers = { '/pkg/cardseal_fallback.js': { headers: SCRIPT, body } };
  for (const [html, expected] of [
    [mapped(), /there is no WebAssembly here, and cardseal_fallback\.js cannot be loaded$/],
    ['', /^packed$/],
  ]) {
    const { page } = await open(t, { html, answers });
    await page.evaluate(() => {
      delete globalThis.WebAssembly;
    });
    const used = await use(page, { entry: html ? 'cardseal' : undefined });
    assert.match(used.message ?? used, expected);
  }
});

test('a script that was changed is refused by the import map, at any depth', async (t) => {
  for (const name of ['index.js', 'integrity.js', 'send.js']) {
    const body = `${readFileSync(path.join(SOURCE, name), 'utf8')}\n`;
    const answers = { [`/pkg/${name}`]: { headers: SCRIPT, body } };
    const { page } = await open(t, { html: mapped(), answers });
    const { name: kind, message } = await use(page, { entry: 'cardseal' });
    assert.equal(kind, 'TypeError', name);
    assert.match(message, /dynamically imported/);
    // It is the map that refuses.
    assert.equal(await use((await open(t, { answers })).page), 'packed', name);
  }
});

test('a wrong hash in the import map is refused', async (t) => {
  const { page } = await open(t, {
    html: mapped((map) => {
      map.integrity['/pkg/load.js'] = map.integrity['/pkg/send.js'];
    }),
  });
  assert.equal((await use(page, { entry: 'cardseal' })).name, 'TypeError');
});

// ------------------------------------------------------------------------------------ the page's own policy

const POLICY = { 'integrity-policy': 'blocked-destinations=(script)' };

test('under Integrity-Policy the import map is what lets the scripts in', async (t) => {
  const shop = {
    '/shop.js': { headers: SCRIPT, body: `import { load } from 'cardseal'; await load(); document.title = 'loaded';` },
  };
  const hash = sri(shop['/shop.js'].body);
  const start = `<script type="module" src="/shop.js" integrity="${hash}" crossorigin></script>`;
  const good = await open(t, { html: mapped() + start, headers: POLICY, answers: shop });
  await until('the shop', async () => (await good.page.title()) === 'loaded');

  const bare = mapped((map) => {
    delete map.integrity['/pkg/send.js'];
  });
  const { page, site } = await open(t, { html: bare, headers: POLICY });
  const reported = page.evaluate(
    () =>
      new Promise((done) => {
        new ReportingObserver(([{ type, body }]) => done([type, body.blockedURL]), {
          types: ['integrity-violation'],
        }).observe();
      }),
  );
  const { name } = await use(page, { entry: 'cardseal' });
  assert.equal(name, 'TypeError');
  assert.ok(site.seen.includes('/pkg/index.js') && !site.seen.includes('/pkg/send.js'));
  assert.deepEqual(await reported, ['integrity-violation', `${site.url}/pkg/send.js`]);
});

test('under Integrity-Policy the single file needs the attribute with the hash of the list', async (t) => {
  const tag = (more) => `<script src="/pkg/cardseal.global.js" ${more}></script>`;
  const { integrity } = manifest.files['pkg/cardseal.global.js'];
  const kind = async (html, answers) =>
    (await open(t, { html, headers: POLICY, answers })).page.evaluate(() => typeof globalThis.Cardseal);
  assert.equal(await kind(tag(`integrity="${integrity}" crossorigin`)), 'object');
  assert.equal(await kind(tag('')), 'undefined');
  const body = `${readFileSync(path.join(SOURCE, 'cardseal.global.js'), 'utf8')} `;
  assert.equal(
    await kind(tag(`integrity="${integrity}" crossorigin`), { '/pkg/cardseal.global.js': { headers: SCRIPT, body } }),
    'undefined',
  );
});

test('the worker entry has a map of its own, and the worker is outside of Integrity-Policy', async (t) => {
  const map = importMap('/pkg/', { manifest, entry: 'worker.js' });
  const { page, site } = await open(t, {
    html: `<script type="importmap">${JSON.stringify(map)}</script>`,
    headers: POLICY,
  });
  assert.equal(await use(page, { entry: 'cardseal/worker' }), 'packed');
  assert.deepEqual(
    site.seen.filter((name) => name.endsWith('.js') && name !== '/pkg/worker-host.js').sort(),
    Object.keys(map.integrity).sort(),
  );
});

test('everything at once: a strict policy, Trusted Types, Integrity-Policy and the import map', async (t) => {
  const map = JSON.stringify(importMap('/pkg/', { manifest }));
  const csp = `default-src 'none'; img-src data:; script-src 'self' 'wasm-unsafe-eval' '${sri(map)}'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'`;
  const { page, messages } = await open(t, {
    html: `<script type="importmap">${map}</script>`,
    headers: { ...POLICY, 'content-security-policy': csp },
  });
  assert.equal(await use(page, { entry: 'cardseal' }), 'packed');
  assert.deepEqual(
    messages.filter((text) => /polic|integrity|trusted/i.test(text)),
    [],
  );
});
