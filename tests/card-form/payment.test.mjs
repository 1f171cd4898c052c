// What a shop that pays and stores in one page asks of the card form: a payment straight at the platform that may have
// been made, the customer's bank, a card that is needed twice, and a form in a fieldset.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CC_VISA, startAll, VISA } from '../browser/harness.mjs';
import { failures, field, openShop, stateOf, typeCard } from './shop.mjs';

let all;
before(async () => {
  all = await startAll({ platforms: ['greenpay', 'ccbill', 'worldline_acquiring'] });
});
after(() => all?.stop());

/** A session that a back end opens with its API key. */
async function session(body) {
  const response = await fetch(`${all.server.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${all.server.apiKey}` },
    body: JSON.stringify({ kind: 'payment', amount: '10.00', currency: 'USD', ...body }),
  });
  assert.equal(response.status, 201, await response.clone().text());
  return response.json();
}
const script = (one) => `card.session = ${JSON.stringify(one)};`;
const call = (page, name, options) =>
  page.evaluate(
    ([method, how]) =>
      document
        .getElementById('card')
        [method](how)
        .catch(({ code }) => ({ code })),
    [name, options],
  );

test('a payment straight at the platform that the browser sent twice is not made a third time', async () => {
  const opened = await session({ platform: 'greenpay', mode: 'direct' });
  const more = await session({ platform: 'greenpay', mode: 'direct' });
  const { page, close } = await openShop(all, {
    attributes: '',
    script: `${script(opened)} card.openSession = () => Promise.resolve(${JSON.stringify(more)});`,
  });
  const before = (await all.sandbox.state()).transactions.length;
  let lost = 0;
  // The preflight has just used the connection, so the browser sends the payment again when it breaks.
  all.checkout.cut = ({ method }) => method === 'POST' && lost++ === 0 && 'before';
  try {
    await typeCard(page, VISA);
    assert.equal((await call(page, 'pay')).code, 'platform_rejected');
    assert.equal(await stateOf(page), 'failed');
    assert.match(await page.locator('.cardseal-notice').innerText(), /may have gone through/);
    assert.equal((await call(page, 'pay')).code, 'platform_rejected', 'the same is said again');
    assert.match(await page.locator('.cardseal-notice').innerText(), /may have gone through/);
    for (const { outcomeUnknown, retryable } of await failures(page)) {
      assert.deepEqual({ outcomeUnknown, retryable }, { outcomeUnknown: true, retryable: false });
    }
    assert.equal((await all.sandbox.state()).transactions.length, before + 1);
  } finally {
    all.checkout.cut = () => false;
    await close();
  }
});

test('a token that was not made leaves nothing in doubt, although it goes straight to the platform', async () => {
  const opened = await session({ platform: 'ccbill', customer_ip: '127.0.0.1' });
  const person = { firstName: 'Ana', lastName: 'Mora', email: 'ana@shop.example', postalCode: '85281', country: 'US' };
  const { page, close } = await openShop(all, {
    attributes: '',
    script: `${script(opened)} card.customerDetails = ${JSON.stringify(person)};`,
  });
  try {
    await typeCard(page, CC_VISA);
    await page.route('**/payment-tokens/**', (route) => route.abort());
    assert.equal((await call(page, 'pay')).code, 'network_failed');
    await page.unroute('**/payment-tokens/**');
    assert.equal((await call(page, 'pay')).status, 'approved');
  } finally {
    await close();
  }
});

test('where the bank wants it, the shop authenticates the customer of CCBill', async () => {
  const opened = await session({ platform: 'ccbill', currency: 'EUR', customer_ip: '127.0.0.1' });
  const { page, sent, close } = await openShop(all, {
    attributes: '',
    script: `${script(opened)}
      globalThis.asked = [];
      card.customerDetails = ${JSON.stringify({ firstName: 'Ana', lastName: 'Mora', email: 'ana@shop.example', postalCode: '85281', country: 'US' })};
      globalThis.authenticate = (session) => { asked.push(session.id); return Promise.resolve({ status: 'N', success: false }); };`,
  });
  try {
    await typeCard(page, CC_VISA);
    const outcome = await page.evaluate(() =>
      document.getElementById('card').pay({ authenticate: globalThis.authenticate }),
    );
    assert.equal(outcome.status, 'declined', 'the customer did not agree');
    assert.deepEqual(await page.evaluate(() => globalThis.asked), [opened.id]);
    const { answer } = JSON.parse(
      sent.find(({ method, url }) => method === 'POST' && url.endsWith('/v1/payments')).body,
    );
    assert.deepEqual(answer.threedsInformation, { status: 'N', success: false });
  } finally {
    await close();
  }
});

test('a card that is kept in the form is stored, and then charged', async () => {
  const store = await session({
    platform: 'worldline_acquiring',
    kind: 'tokenize',
    amount: undefined,
    currency: undefined,
  });
  const card = { ...VISA, number: '4176669999000104' };
  const { page, close } = await openShop(all, { attributes: '', script: script(store) });
  try {
    await typeCard(page, card);
    const token = await call(page, 'tokenize', { keep: true });
    assert.equal(token.last4, '0104');
    assert.equal(await stateOf(page), 'valid');
    assert.equal(await field(page, 'cvc').inputValue(), card.cvc);
    const pay = await session({ platform: 'worldline_acquiring', token: token.id });
    await page.evaluate((one) => {
      document.getElementById('card').session = one;
    }, pay);
    assert.equal((await call(page, 'pay')).status, 'approved');
    assert.equal(await stateOf(page), 'done');
    assert.equal(await field(page, 'number').inputValue(), '');
  } finally {
    await close();
  }
});

test('a session that the page takes back says no longer what the form is for', async () => {
  const pay = await session({ platform: 'greenpay' });
  const { page, close } = await openShop(all, { attributes: 'nickname', script: script(pay) });
  try {
    assert.equal(await field(page, 'nickname').isVisible(), false, 'a payment keeps no card');
    await page.evaluate(() => {
      document.getElementById('card').session = null;
    });
    await field(page, 'nickname').waitFor();
  } finally {
    await close();
  }
});

test('in a fieldset of the page the form stays where it is when a call fails', async () => {
  const opened = await session({ platform: 'greenpay' });
  const { page, close } = await openShop(all, {
    attributes: '',
    script: script(opened),
    around: (form) => `<fieldset><legend>Card</legend>${form}</fieldset>`,
  });
  try {
    await typeCard(page, { ...VISA, number: '4094394314664828' });
    assert.equal((await call(page, 'pay')).status, 'declined');
    assert.ok((await field(page, 'number').boundingBox()).height > 24);
  } finally {
    await close();
  }
});
