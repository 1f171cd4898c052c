// A page in a browser without WebAssembly and without a compiler for JavaScript, as in iOS's Lockdown Mode: it gets the
// module as JavaScript, by itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { unpack } from '../../scripts/bench-shared.mjs';
import { serve } from '../bundlers/serve.mjs';
import { vectors } from '../interop/libraries.mjs';
import { launch, root } from './harness.mjs';

const KEY = vectors.rsa_keys.t2048;
const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '739', holder: 'Ana Núñez', nickname: 'My Visa' };
/** No `wasm-unsafe-eval`, and nothing but its own files. */
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'";

let browser;
let site;
before(async () => {
  browser = await launch(['--js-flags=--jitless']);
  site = await serve(root, {
    answers: {
      '/': {
        headers: { 'content-type': 'text/html', 'content-security-policy': POLICY },
        body: '<!doctype html><link rel="icon" href="data:,"><input id="number">',
      },
    },
  });
});
after(async () => {
  await browser?.close();
  await site?.stop();
});

async function open(t) {
  const page = await browser.newPage();
  t.after(() => page.close());
  await page.goto(`${site.url}/`);
  site.seen.length = 0;
  return page;
}

for (const entry of ['index', 'greenpay']) {
  test(`${entry}.js formats, validates and packs without WebAssembly`, async (t) => {
    const page = await open(t);
    const found = await page.evaluate(
      async ({ entry, card, publicKey }) => {
        const cardseal = await import(`/pkg/${entry}.js`);
        await Promise.all([cardseal.load(), cardseal.load()]);
        const input = document.querySelector('input');
        input.value = '42424242';
        const brands = cardseal.formatCardNumberInput(input);
        let thrown;
        try {
          new cardseal.GreenPay({ publicKey: 'no key' });
        } catch (error) {
          thrown = { typed: error instanceof cardseal.CardsealError, code: error.code };
        }
        return {
          engine: typeof WebAssembly,
          formatted: input.value,
          brands,
          valid: cardseal.validateCard(card).valid,
          thrown,
          packed: new cardseal.GreenPay({ publicKey }).pack({ card }),
        };
      },
      { entry, card: CARD, publicKey: KEY.public_spki_pem },
    );
    const { packed, thrown, ...others } = found;
    assert.deepEqual(others, { engine: 'undefined', formatted: '4242 4242', brands: ['visa'], valid: true });
    assert.equal(thrown.typed, true);
    assert.match(thrown.code, /^key_/);
    assert.match(unpack(packed, KEY.private_pkcs8_pem), /"cardNumber":"4242424242424242"/);
    assert.ok(site.seen.includes('/pkg/cardseal_fallback.js'));
    assert.ok(!site.seen.some((name) => name.endsWith('.wasm')));
  });
}

test('told not to, it says what is missing; and where the file is not there, that', async (t) => {
  const page = await open(t);
  const messages = await page.evaluate(async () => {
    const { load } = await import('/pkg/index.js');
    const said = async (options) => load(options).then(String, ({ code, message }) => `${code}: ${message}`);
    return [await said({ fallback: false }), await said({ fallback: () => import('/pkg/no_such_file.js') })];
  });
  assert.deepEqual(messages, [
    'load_failed: could not load: there is no WebAssembly here',
    'load_failed: could not load: there is no WebAssembly here, and cardseal_fallback.js cannot be loaded',
  ]);
  assert.ok(!site.seen.includes('/pkg/cardseal_fallback.js'));
});

test('with WebAssembly nothing of it is fetched', async (t) => {
  const usual = await launch();
  t.after(() => usual.close());
  const page = await usual.newPage();
  site.seen.length = 0;
  await page.goto(`${site.url}/package.json`);
  const text = await page.evaluate(async () => {
    const cardseal = await import('/pkg/index.js');
    await cardseal.load();
    return cardseal.formatExpiry('1230').text;
  });
  assert.equal(text, '12 / 30');
  assert.ok(site.seen.includes('/pkg/cardseal_bg.wasm'));
  assert.ok(!site.seen.includes('/pkg/cardseal_fallback.js'));
});
