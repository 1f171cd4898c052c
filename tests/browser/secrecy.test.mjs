// Where the card must not be: on the wire, in memory after use, in the server, its log and its database, in the page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  AMEX,
  failure,
  found,
  leaks,
  NO_MONEY,
  passesLuhn,
  payWith,
  processMemory,
  startAll,
  typeCard,
  until,
  VISA,
} from './harness.mjs';

let all;
before(async () => {
  all = await startAll();
});
after(() => all?.stop());

const wire = () => [...all.front.requests, ...all.checkout.requests];

test('the search finds a card in every disguise', () => {
  const { number } = VISA;
  for (const text of [
    number,
    '4242 4242 4242 4242',
    Buffer.from(number).toString('hex'),
    Buffer.from(`{"a":"${number}"}`).toString('base64'),
    `x${Buffer.from(` ${number}`).toString('base64')}`,
  ]) {
    assert.notDeepEqual(found(text, number), [], text);
  }
  const request = (body) => [{ method: 'POST', url: '/v1/tokens', headers: '', body }];
  assert.notDeepEqual(leaks(request('{"card":{"cvc":"739"}}'), VISA), []);
  assert.notDeepEqual(leaks(request('{"note":"5555-5555-5555-4444"}'), VISA), []);
  assert.deepEqual(
    leaks(request('{"session":"ses_00112233445566778899aabbccddeeff","ld":"4242424242424200","lk":"QQ=="}'), VISA),
    [],
  );
});

// Everything that a person can do on the page, once each way, with nothing but the wire looked at.
test('no number, security code or run of digits like a card leaves in clear, in any flow', async () => {
  for (const way of ['relay', 'direct']) {
    for (const card of [VISA, AMEX, NO_MONEY]) {
      for (const save of [true, false]) {
        const { page, sent, close } = await all.open();
        const from = wire().length;
        await page.check(`#way-${way}`);
        if (!save) await page.uncheck('#save-card');
        await typeCard(page, card);
        await page.click('#pay');
        if (card === NO_MONEY) await failure(page);
        else await page.waitForSelector('#result:not([hidden])');
        if (save && card !== NO_MONEY) {
          const first = page.locator('#saved > li').first();
          await until('the list', () => first.isVisible());
          await first.getByRole('button', { name: /^Update/ }).click();
          await typeCard(page, card);
          await page.click('#pay');
          await page.waitForSelector('#result:not([hidden])');
          await first.getByRole('button', { name: /^Delete/ }).click();
          await page.locator('#ask-yes').click();
          await until('the delete', () => sent.some((request) => request.method === 'DELETE'));
        }
        assert.ok(
          sent.some((request) => request.body.includes('"ld"')),
          'a sealed card went out',
        );
        assert.deepEqual(leaks(sent, card), [], `what the page sent, ${way}`);
        assert.deepEqual(leaks(wire().slice(from), card), [], `what was on the wire, ${way}`);
        await close();
      }
    }
  }
});

test('the page asks nobody but the shop, and in the direct way the platform', async () => {
  const { page, sent, close } = await all.open();
  await payWith(page, VISA);
  await page.click('#result-next');
  await page.check('#way-direct');
  await payWith(page, VISA);
  assert.deepEqual(
    [...new Set(sent.map((request) => new URL(request.url).origin))].sort(),
    [all.url, all.checkout.origin].sort(),
  );
  await close();
});

test('the card is not in the address, in storage, in cookies, in history or in a field name', async () => {
  const { page, context, close } = await all.open();
  await typeCard(page, VISA);
  const kept = async () =>
    JSON.stringify(
      await page.evaluate(async () => ({
        address: location.href,
        state: history.state,
        local: { ...localStorage },
        session: { ...sessionStorage },
        databases: await indexedDB.databases(),
        caches: await caches.keys(),
        title: document.title,
        cookie: document.cookie,
        name: window.name,
      })),
    ) + JSON.stringify(await context.cookies());
  assert.deepEqual(found(await kept(), VISA.number), []);
  // The fields of the card are no part of the page's form.
  assert.deepEqual(
    await page
      .locator('#pay-form')
      .evaluate((form) => [
        [...form.elements].map(({ name }) => name).filter((name) => name && name !== 'card_token'),
        [...new FormData(form).keys()],
      ]),
    [[], []],
  );
  assert.equal(await page.locator('#pay-form').getAttribute('method'), 'post');
  assert.equal(await page.locator('#pay-form').getAttribute('action'), null);
  await page.click('#pay');
  await page.waitForSelector('#result:not([hidden])');
  const now = await kept();
  assert.deepEqual(found(now, VISA.number), []);
  assert.match(now, /"local":\{\},"session":\{\},"databases":\[\],"caches":\[\]/);
  assert.equal(new URL(page.url()).search, '');
  await close();
});

test('the panel shows the request and the answer, and nothing of the card', async () => {
  const { page, sent, close } = await all.open();
  await payWith(page, AMEX);
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
  const shown = await page.locator('#wire').innerText();
  const { body } = sent.find((request) => request.url.endsWith('/v1/tokens') && request.method === 'POST');
  const { ld, lk } = JSON.parse(body);
  assert.ok(shown.includes(ld) && shown.includes(lk), 'the very ld and lk that went out');
  assert.match(shown, /POST \/v1\/sessions[\s\S]*POST \/v1\/tokens[\s\S]*POST \/v1\/payments/);
  assert.match(shown, /Answer, status 201/);
  assert.match(shown, /idempotency-key: /);
  assert.match(shown, /Checked address, headers and body for your card number[\s\S]*not found/);
  assert.deepEqual(found(shown, AMEX.number), []);
  assert.equal(/"(cvc|cardNumber)"/.test(shown), false);
  const everything = await page.content();
  assert.deepEqual(found(everything, AMEX.number), [], 'nor is it anywhere else in the document');
  await close();
});

test('the panel would say so if a card number left', async () => {
  const { page, close } = await all.open();
  await typeCard(page, VISA);
  await page.route('**/v1/tokens', (route) => route.abort()); // it must not reach the server even here
  await page.evaluate(
    (number) =>
      fetch('/v1/tokens', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ oops: number }),
      }).catch(() => {}),
    VISA.number,
  );
  await page.waitForSelector('.proof-bad', { state: 'attached' });
  await close();
});

test('without the script nothing can be typed or sent', async () => {
  const { page, sent, close } = await all.open({ javaScriptEnabled: false, ready: false });
  assert.match(await page.locator('noscript').innerText(), /JavaScript is switched off/);
  assert.equal(await page.locator('#pay-form input[type="text"]').count(), 0);
  assert.equal(await page.isDisabled('#pay'), true);
  assert.equal(await page.isVisible('#boot'), false);
  assert.ok(sent.every((request) => request.method === 'GET'));
  await close();
});

test('a script that fails leaves a form that sends nothing', async () => {
  const context = await all.browser.newContext();
  const page = await context.newPage();
  const sent = [];
  page.on('request', (request) => sent.push(request));
  await page.route('**/main.js', (route) => route.abort());
  await page.goto(all.url);
  // Even somebody who opens the fields by hand and submits sends an empty body and no query.
  await page.evaluate((number) => {
    document.getElementById('pay-fields').disabled = false;
    document.getElementById('amount').value = number;
    document.getElementById('pay-form').requestSubmit();
  }, VISA.number);
  await page.waitForTimeout(400);
  for (const request of sent)
    assert.deepEqual(found([request.url(), request.postData() ?? ''].join('\n'), VISA.number), []);
  await context.close();
});

test('the policy is strict and is kept', async () => {
  const response = await fetch(all.url);
  const policy = Object.fromEntries(
    response.headers
      .get('content-security-policy')
      .split(';')
      .map((directive) => {
        const [name, ...sources] = directive.trim().split(/\s+/);
        return [name, sources];
      }),
  );
  assert.deepEqual(policy['default-src'], ["'none'"]);
  assert.deepEqual([...policy['script-src']].sort(), ["'self'", "'wasm-unsafe-eval'"]);
  assert.deepEqual(policy['style-src'], ["'self'"]);
  assert.deepEqual(
    policy['connect-src'].filter((source) => source !== "'self'").map((source) => new URL(source).origin),
    [all.checkout.origin],
  );
  for (const name of ['base-uri', 'frame-ancestors', 'form-action'])
    assert.deepEqual(
      policy[name]?.filter((source) => source !== "'self'"),
      ["'none'"].filter(() => policy[name]?.includes("'none'")),
      name,
    );
  for (const sources of Object.values(policy))
    assert.ok(
      !sources.some((source) => /unsafe-inline|unsafe-eval'$|\*/.test(source.replace("'wasm-unsafe-eval'", ''))),
      JSON.stringify(policy),
    );
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
  const page = await response.text();
  assert.doesNotMatch(page, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|https?:\/\//);
  const { page: open, problems, close } = await all.open();
  await payWith(open, VISA);
  assert.deepEqual(await open.evaluate(() => globalThis.__violations), []);
  assert.deepEqual(problems, []);
  await close();
});

/** Every wasm memory of the page, as one buffer. */
const wasmMemory = async (page) => {
  const parts = await page.evaluate(() =>
    globalThis.__memories.map((memory) => {
      const bytes = new Uint8Array(memory.buffer);
      let text = '';
      for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
      return btoa(text);
    }),
  );
  assert.ok(parts.length > 0, 'the memory was caught');
  return Buffer.concat(parts.map((part) => Buffer.from(part, 'base64')));
};

const AFTERWARDS = {
  'a stored and charged card': async () => {},
  'a declined card': async (_page, card) => {
    card.number = NO_MONEY.number;
    card.cvc = '7391';
  },
  'a session that is too old': async (page) => {
    await page.evaluate(() => {
      globalThis.__skew = 31 * 60_000;
    });
  },
  'a card with a wrong expiry': async (_page, card) => {
    card.expiry = '0120';
  },
  'a platform that fails': async () => {
    await all.sandbox.fault({ route: 'checkout/tokenize', kind: 'server_error', times: 1 });
  },
  'a payment without saving': async (page) => {
    await page.uncheck('#save-card');
  },
};

for (const [what, prepare] of Object.entries(AFTERWARDS)) {
  test(`the memory of the wasm module holds nothing of the card after ${what}`, async () => {
    // Four digits may be anywhere by chance, most of all in ciphertext; what is left behind is there every time.
    let codeFound = 0;
    for (const cvc of ['7391', '8264', '5917']) {
      const { page, close } = await all.open();
      try {
        const card = { ...AMEX, cvc };
        await prepare(page, card);
        card.cvc = card.number === NO_MONEY.number ? cvc.slice(0, 3) : cvc;
        await typeCard(page, card);
        await page.click('#pay');
        await page.waitForSelector('#result:not([hidden]), #notice.notice-bad, [aria-invalid="true"]');
        const memory = await wasmMemory(page);
        assert.ok(memory.length > 65_536);
        for (const text of [card.number, card.number.slice(0, 12), card.number.slice(-12)])
          assert.deepEqual(found(memory, text), []);
        assert.equal(memory.includes(Buffer.from(`"${card.cvc}"`)), false, 'the code as JSON');
        if (memory.includes(Buffer.from(card.cvc))) codeFound += 1;
      } finally {
        await all.sandbox.clearFaults();
        await close();
      }
    }
    assert.ok(codeFound < 3, 'the security code was left behind every time');
  });
}

test('the scan of the wasm memory sees a number that is there', async () => {
  const { page, close } = await all.open();
  await page.evaluate((number) => {
    const [memory] = globalThis.__memories;
    new TextEncoder().encodeInto(number, new Uint8Array(memory.buffer, memory.buffer.byteLength - 64));
  }, VISA.number);
  assert.deepEqual(found(await wasmMemory(page), VISA.number), ['plain']);
  await close();
});

test('the server has the card neither in memory nor in its log nor in its database', async () => {
  // Not the numbers of the test cards: the server has those in its hands when it serves the page's own files.
  const cards = [
    { ...VISA, number: '4716108999716531' },
    { ...AMEX, number: '371449635398431' },
  ];
  for (const card of cards) assert.ok(passesLuhn(card.number));
  const { page, close } = await all.open();
  for (const card of cards) {
    for (const [way, save] of [
      ['relay', true],
      ['relay', false],
      ['direct', true],
      ['direct', false],
    ]) {
      await page.check(`#way-${way}`);
      await page.setChecked('#save-card', save);
      await payWith(page, card);
      await page.click('#result-next');
    }
  }
  await close();
  const log = all.server.log();
  const database = all.server.database();
  assert.ok(log.length > 0);
  assert.ok(database.length > 4096 && database.includes('471610'), 'the database is the right file');
  let seen = 0;
  let knows = false;
  const regions = [...processMemory(all.server.pid)];
  for (const { bytes } of regions) {
    seen += bytes.length;
    knows ||= bytes.includes('471610');
  }
  assert.ok(seen > 4 << 20, 'the memory was read');
  assert.ok(knows, 'and the search sees what the server does hold');
  for (const card of cards) {
    assert.deepEqual(found(log, card.number), [], 'the log');
    assert.deepEqual(found(database, card.number), [], 'the database');
    for (const { bytes, name } of regions) assert.deepEqual(found(bytes, card.number), [], `memory, in ${name}`);
  }
});
