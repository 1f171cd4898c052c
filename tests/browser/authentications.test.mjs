// 3-D Secure in a browser: the page's function of docs/gp-api.md, the bank's pages in frames, and the way back.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { freePort } from '../../scripts/project.mjs';
import { launch, root, startSandbox, startServer } from './harness.mjs';

/** What docs/gp-api.md shows: the page's function, and a page and a back end with the card form. */
const GUIDE = readFileSync(path.join(root, 'docs/gp-api.md'), 'utf8');
const [, SCRIPT] = /```js\n(export async function authenticate[\s\S]*?)```/.exec(GUIDE);
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
    const script = request.url === '/authenticate.js';
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html; charset=utf-8');
    if (script) response.end(SCRIPT);
    else
      response.end(
        request.url === '/form' ? formPage() : '<!DOCTYPE html><html lang="en"><title>Shop</title><main></main></html>',
      );
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

/** The guide's page: the element, the button, and its script with the function that it takes as given. */
const formPage = () => `<!DOCTYPE html><html lang="en"><title>Shop</title>
<script type="importmap">{ "imports": { "cardseal/card-form": "/pkg/card-form.js" } }</script>
<cardseal-card-form platform="gp_api" server="${url}"></cardseal-card-form><button id="pay">Pay</button><output></output>
<script type="module">
import { authenticate } from "/authenticate.js";
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

/** Authenticates a customer in a page, who answers the bank's question if there is one. */
async function authenticated(number, answer) {
  const money = { token: await stored(number), amount: '12.34', currency: 'USD' };
  const begun = await merchant('POST', '/v1/authentications', money);
  const page = await browser.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  try {
    await page.goto(shop);
    const done = page.evaluate(
      async ({ server, id, step }) => {
        const { authenticate } = await import('/authenticate.js');
        return authenticate(server, { id, step }, document.querySelector('main'));
      },
      { server: url, id: begun.id, step: begun.step },
    );
    if (answer)
      await page.frameLocator('iframe:not([hidden])').getByRole('button', { name: answer, exact: true }).click();
    const status = await done;
    assert.equal(await page.locator('iframe, form').count(), 0, 'nothing is left in the page');
    assert.deepEqual(problems, []);
    const paid = await merchant('POST', '/v1/payments', { ...money, authentication: begun.id });
    return { status, paid, known: await merchant('GET', `/v1/authentications/${begun.id}`) };
  } finally {
    await page.close();
  }
}

test('a customer whom the bank knows notices nothing', async () => {
  for (const number of [CARDS.frictionless, CARDS.without_method]) {
    const { status, paid, known } = await authenticated(number);
    assert.deepEqual([status, paid.status, known.liability_shift], ['authenticated', 'approved', true]);
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
  const no = await authenticated(CARDS.challenged, 'It is not');
  assert.deepEqual([no.status, no.paid.status, no.paid.code], ['failed', 409, 'authentication_unusable']);
  const refused = await authenticated(CARDS.refused);
  assert.deepEqual([refused.status, refused.paid.code], ['failed', 'authentication_unusable']);
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
      if (answer)
        await page.frameLocator('iframe:not([hidden])').getByRole('button', { name: answer, exact: true }).click();
      await page.waitForFunction(() => document.querySelector('output').value);
      assert.deepEqual(problems, []);
      return await page.locator('output').textContent();
    } finally {
      await page.close();
    }
  };
  assert.equal(await pay('order-frictionless', CARDS.frictionless), 'approved');
  assert.equal(await pay('order-challenged', CARDS.challenged, 'It is me'), 'approved');
  assert.equal(await pay('order-refused', CARDS.challenged, 'It is not'), 'declined');
  assert.equal(await pay('order-not-enrolled', '4242424242424242'), 'declined');
  const { data } = await merchant('GET', '/v1/payments');
  const charged = data.map(({ order_reference }) => order_reference).filter((each) => each?.startsWith('order-'));
  assert.deepEqual(charged, ['order-challenged', 'order-frictionless']);
});
