// 3-D Secure in a browser: the function and the card form, as docs/gp-api.md shows them; the bank's pages in frames, and the way back.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { freePort } from '../../scripts/project.mjs';
import { accessibility, launch, root, startSandbox, startServer } from './harness.mjs';

/** What docs/gp-api.md shows: a page and a back end with the card form. */
const GUIDE = readFileSync(path.join(root, 'docs/gp-api.md'), 'utf8');
const [, WITH_FORM] = /```js\n(import "cardseal\/card-form";[\s\S]*?)```/.exec(GUIDE);
const [, BACK_END] = /```js\n([^`]*?export const orders[\s\S]*?)\n```\n/.exec(GUIDE);
const CARDS = {
  frictionless: '4222000006285344',
  without_method: '4222000009719489',
  challenged: '4222000001227408',
  refused: '4222000002144131',
};

const stop = [];
let sandbox;
let server;
let url;
let shop;
let browser;
let backEnd;

before(async () => {
  sandbox = await startSandbox();
  stop.push(() => sandbox.stop());
  // The shop's page, and the server that it calls, are of two origins.
  const pages = http.createServer(async (request, response) => {
    if (request.method === 'POST') {
      let body = '';
      for await (const part of request) body += part;
      const answer = await backEnd[path.basename(request.url)](JSON.parse(body));
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
      return;
    }
    const file = /^\/pkg\/((?:[\w-]+\/)*[\w.-]+\.(js|wasm))$/.exec(request.url);
    if (file) {
      response.setHeader('content-type', file[2] === 'js' ? 'text/javascript' : 'application/wasm');
      response.end(readFileSync(path.join(root, 'pkg', file[1])));
      return;
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    const { pathname, searchParams } = new URL(request.url, 'http://shop.example');
    // As docs/csp.md has it, with what 3-D Secure needs; the test's own scripts stand in the pages.
    const bank = searchParams.has('strict') ? '' : ' http://127.0.0.1:*';
    response.setHeader(
      'content-security-policy',
      `default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'self'; img-src data:; ` +
        `connect-src 'self' http://127.0.0.1:*; frame-src 'self'${bank}; form-action 'self'${bank}; base-uri 'none'`,
    );
    response.end(pathname === '/form' ? formPage() : PLAIN);
  });
  await new Promise((ready) => pages.listen(0, '127.0.0.1', ready));
  stop.push(() => pages.close());
  shop = `http://127.0.0.1:${pages.address().port}`;
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  server = await startServer({
    port,
    origins: [shop],
    demo: false,
    platforms: { gp_api: { ...sandbox.info.server_settings.gp_api, public_url: url } },
  });
  stop.push(() => server.stop());
  process.env.CARDSEAL_API_KEY = server.apiKey;
  backEnd = await import(`data:text/javascript,${encodeURIComponent(served(BACK_END))}`);
  browser = await launch();
  stop.push(() => browser.close());
});
after(async () => {
  for (const end of stop.reverse()) await end();
});

/** A page for a card that is stored already. */
const PLAIN = `<!DOCTYPE html><html lang="en"><meta name="viewport" content="width=device-width"><title>Shop</title>
<link rel="icon" href="data:,"><main><h1>Shop</h1><button id="pay">Pay</button></main></html>`;

/** The guide's page: the element, the button, and its script. */
const formPage = () => `<!DOCTYPE html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
<script type="importmap">{ "imports": { "cardseal/card-form": "/pkg/card-form.js" } }</script>
<cardseal-card-form platform="gp_api" server="${url}"></cardseal-card-form><button id="pay">Pay</button><output></output>
<script type="module">
globalThis.heard = [];
for (const name of ["authentication", "failure"]) {
  document.querySelector("cardseal-card-form").addEventListener(name, ({ detail }) => heard.push([name, detail]));
}
const order = location.hash.slice(1);
const show = (status) => { document.querySelector("output").value = status; };
${served(WITH_FORM)}</script></html>`;

/** What the guide shows, for the server of this test. */
const served = (text) => text.replaceAll('https://pay.shop.example', url);

/** As the shop's own server calls. */
async function merchant(method, where, body, headers = {}) {
  const answer = await fetch(url + where, {
    method,
    headers: { authorization: `Bearer ${server.apiKey}`, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  return answer.json();
}

async function stored(number) {
  const session = await merchant('POST', '/v1/sessions', { platform: 'gp_api' });
  const single = await fetch(`${session.base_url}/payment-methods`, {
    method: 'POST',
    headers: { authorization: `Bearer ${session.access_token}`, 'x-gp-version': '2021-03-22' },
    body: JSON.stringify({
      reference: session.reference,
      usage_mode: 'SINGLE',
      card: { number, cvv: '123', expiry_month: '05', expiry_year: '30' },
    }),
  });
  const token = await merchant('POST', '/v1/tokens', { session: session.id, answer: await single.json() });
  return token.id;
}

/** The bank's page, in its frame. */
const bankIn = (page) => page.frameLocator('dialog iframe');
const answered = (page, answer) => bankIn(page).getByRole('button', { name: answer, exact: true }).click();

/** Begins an authentication, as the shop's server does, and opens the shop's page with `authenticate` ready. */
async function begin(number, { at = '/', ...options } = {}) {
  const money = { token: await stored(number), amount: '12.34', currency: 'USD' };
  const begun = await merchant('POST', '/v1/authentications', money);
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.goto(shop + at);
  /** Calls it again, or for the first time: what came of it, and what it told. */
  const authenticate = () =>
    page.evaluate(
      async ([server, { id, status, step }]) => {
        const { authenticate } = await import('/pkg/card-form.js');
        const told = [];
        const onchange = (facts) => told.push(`${facts.state} ${facts.status}`);
        try {
          const done = await authenticate({ id, status, step }, { platform: 'gp_api', server, onchange });
          return { status: done.status, told };
        } catch ({ code, message }) {
          return { code, message, told };
        }
      },
      [url, begun],
    );
  const charge = () => merchant('POST', '/v1/payments', { ...money, authentication: begun.id });
  return { page, context, problems, begun, authenticate, charge, close: () => context.close() };
}

/** Authenticates a customer, who answers the bank's question if there is one, and charges. */
async function authenticated(number, answer) {
  const { page, problems, begun, authenticate, charge, close } = await begin(number);
  try {
    const done = authenticate();
    if (answer) await answered(page, answer);
    const { status, told } = await done;
    assert.equal(await page.locator('iframe, form, dialog').count(), 0, 'nothing is left in the page');
    assert.deepEqual(problems, []);
    return { status, told, paid: await charge(), known: await merchant('GET', `/v1/authentications/${begun.id}`) };
  } finally {
    await close();
  }
}

test('a customer whom the bank knows notices nothing', async () => {
  for (const number of [CARDS.frictionless, CARDS.without_method]) {
    const { status, told, paid, known } = await authenticated(number);
    assert.deepEqual([status, paid.status, known.liability_shift], ['authenticated', 'approved', true]);
    assert.deepEqual(told, ['checking available', 'done authenticated']);
  }
  const { authentications } = await sandbox.gp.state();
  assert.deepEqual(
    authentications.map(({ method_done, method_told }) => [method_done, method_told]),
    [
      [true, 'YES'],
      [false, 'UNAVAILABLE'],
    ],
  );
});

test('a customer answers the bank in a frame, and only a good answer is charged', async () => {
  const yes = await authenticated(CARDS.challenged, 'It is me');
  assert.deepEqual([yes.status, yes.paid.status, yes.known.eci], ['authenticated', 'approved', '05']);
  assert.deepEqual(yes.told, ['checking available', 'challenge challenge', 'checking challenge', 'done authenticated']);
  const no = await authenticated(CARDS.challenged, 'It is not');
  assert.deepEqual([no.status, no.paid.status, no.paid.code], ['failed', 409, 'authentication_unusable']);
  const refused = await authenticated(CARDS.refused);
  assert.deepEqual([refused.status, refused.paid.code], ['failed', 'authentication_unusable']);
});

test('the dialog has a name and the focus, fits a phone, and Escape closes it for now', async () => {
  const viewport = { width: 320, height: 568 };
  const { page, context, problems, authenticate, charge, close } = await begin(CARDS.challenged, { viewport });
  try {
    await page.focus('#pay');
    const initiating = page.waitForRequest(/\/initiate$/);
    const first = authenticate();
    await bankIn(page).getByRole('button', { name: 'It is me', exact: true }).waitFor();
    const dialog = page.getByRole('dialog', { name: 'Confirmation by your bank' });
    await dialog.waitFor();
    const box = await dialog.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 320 && box.y >= 0 && box.y + box.height <= 568, JSON.stringify(box));
    const frame = dialog.locator('iframe');
    const { width, height } = await frame.boundingBox();
    assert.deepEqual([width, height], [250, 400]);
    assert.equal((await initiating).postDataJSON().window, '250x400', 'as the bank was told');
    assert.equal(await frame.getAttribute('title'), 'Confirmation by your bank');
    assert.doesNotMatch(await frame.getAttribute('sandbox'), /top-navigation/);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H2');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
    await (await accessibility(page, context))('the dialog');
    await page.keyboard.press('Escape');
    const cancelled = await first;
    assert.equal(cancelled.code, 'authentication_cancelled');
    assert.equal(await page.locator('iframe, form, dialog').count(), 0);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'pay');
    assert.equal((await charge()).code, 'authentication_unusable');
    // The bank still waits for the answer. The button does what Escape does.
    const second = authenticate();
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    assert.equal((await second).code, 'authentication_cancelled');
    const third = authenticate();
    await answered(page, 'It is me');
    assert.equal((await third).status, 'authenticated');
    assert.equal((await charge()).status, 'approved');
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
});

test('a page whose policy forbids the frames learns what it lacks', async () => {
  const { authenticate, page, close } = await begin(CARDS.challenged, { at: '/?strict' });
  try {
    const { code, message, told } = await authenticate();
    assert.equal(code, 'network_failed');
    assert.match(message, /lacks frame-src https: and form-action https:/);
    assert.deepEqual(told, ['checking available', 'challenge challenge']);
    assert.equal(await page.locator('iframe, form, dialog').count(), 0);
  } finally {
    await close();
  }
});

test('what is no answer of the server is refused before anything is shown', async () => {
  const { page, close } = await begin(CARDS.frictionless);
  try {
    const refusal = (begun, options = {}) =>
      page.evaluate(
        async ([server, begun, options]) => {
          const { authenticate } = await import('/pkg/card-form.js');
          return authenticate(begun, { platform: 'gp_api', server, ...options }).then(
            () => null,
            ({ code, field }) => [code, field ?? null],
          );
        },
        [url, begun, options],
      );
    const step = { kind: 'challenge', url: 'javascript:document.title="mine"', field: 'creq', value: 'x' };
    assert.deepEqual(await refusal({ id: 'aut_1', status: 'challenge', step }), ['answer_malformed', 'url']);
    assert.deepEqual(await refusal({ id: 'aut_1', status: 'approved', step: null }), ['answer_malformed', 'status']);
    assert.deepEqual(await refusal({}), ['answer_malformed', 'id']);
    assert.deepEqual(await refusal({ id: 'aut_1', status: 'started', step: null }), ['option_invalid', 'status']);
    const other = await refusal({ id: 'aut_1', status: 'available', step: null }, { platform: 'greenpay' });
    assert.deepEqual(other, ['option_invalid', 'kind']);
    // None that the server knows.
    assert.deepEqual(await refusal({ id: 'aut_1', status: 'available', step: null }), ['server_rejected', null]);
    assert.equal(await page.title(), 'Shop');
  } finally {
    await close();
  }
});

test('the page and the back end of the guide charge what the form stored, once the bank has said yes', async () => {
  const pay = async (order, number, answer) => {
    backEnd.orders.set(order, { amount: '12.34', currency: 'USD' });
    const page = await browser.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    try {
      await page.goto(`${shop}/form#${order}`);
      const form = page.locator('cardseal-card-form');
      await form.locator('[name=cardnumber]').pressSequentially(number);
      await form.locator('[name=cc-exp]').pressSequentially('1235');
      await form.locator('[name=cvc]').pressSequentially('123');
      await page.locator('#pay').click();
      if (answer) await answered(page, answer);
      await page.waitForFunction(() => document.querySelector('output').value);
      assert.deepEqual(problems, []);
      const heard = await page.evaluate(() => globalThis.heard.map(([name, { state }]) => `${name} ${state}`));
      return [await page.locator('output').textContent(), heard.at(-1), await form.locator('[role=alert]').innerText()];
    } finally {
      await page.close();
    }
  };
  const unconfirmed = 'The payment was not confirmed with your bank.';
  assert.deepEqual(await pay('order-frictionless', CARDS.frictionless), ['approved', 'authentication done', '']);
  assert.deepEqual(await pay('order-challenged', CARDS.challenged, 'It is me'), [
    'approved',
    'authentication done',
    '',
  ]);
  assert.deepEqual(await pay('order-refused', CARDS.challenged, 'It is not'), [
    'declined',
    'authentication done',
    unconfirmed,
  ]);
  assert.equal((await pay('order-not-enrolled', '4242424242424242'))[0], 'declined');
  const { data } = await merchant('GET', '/v1/payments');
  const charged = data.map(({ order_reference }) => order_reference).filter((each) => each?.startsWith('order-'));
  assert.deepEqual(charged, ['order-challenged', 'order-frictionless']);
});

test('a form that is emptied ends what was under way, and says nothing', async () => {
  const { begun, close } = await begin(CARDS.challenged);
  const page = await browser.newPage();
  try {
    await page.goto(`${shop}/form#none`);
    await page.waitForSelector('[data-state="empty"]');
    const done = page.evaluate(
      ({ id, status, step }) =>
        document
          .querySelector('cardseal-card-form')
          .authenticate({ id, status, step })
          .catch(({ code }) => code),
      begun,
    );
    await bankIn(page).getByRole('button', { name: 'It is me', exact: true }).waitFor();
    await page.evaluate(() => document.querySelector('cardseal-card-form').clear());
    assert.equal(await done, 'request_aborted');
    assert.equal(await page.locator('dialog').count(), 0);
    assert.deepEqual(await page.evaluate(() => globalThis.heard.map(([name]) => name)), [
      'authentication',
      'authentication',
    ]);
  } finally {
    await page.close();
    await close();
  }
});
