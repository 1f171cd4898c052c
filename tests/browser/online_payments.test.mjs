// Worldline Online Payments, from the page's half over the server to the simulated platform and back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OnlinePayments, load, openSession } from 'cardseal';
import { startAll } from './harness.mjs';

const CARD = { number: '4012 0000 3333 0026', expiry: '12/30', cvc: '123', holder: 'Zoë Müller' };
const CONTEXT = { countryCode: 'DE', currencyCode: 'EUR', amount: 1000 };

let all;
before(async () => {
  await load();
  all = await startAll({ platforms: ['online_payments'], settings: { online_payments: { return_url: 'https://shop.example/back' } }, browser: async () => ({ close() {} }) });
});
after(() => all?.stop());

/** As a page of the allowed origin calls. */
const fromPage = (url, options) => fetch(url, { ...options, headers: { ...options.headers, origin: all.front.url } });

test('a card becomes a token', async () => {
  const session = await openSession({ server: all.url, platform: 'online_payments', fetch: fromPage });
  const client = new OnlinePayments({ server: all.url, fetch: fromPage });
  const product = await client.product(session, 1, CONTEXT);
  const token = await client.tokenize(session, CARD, { product });
  assert.deepEqual([token.platform, token.brand, token.last4, token.status], ['online_payments', 'visa', '0026', 'active']);
  assert.deepEqual(token.expiry, { month: 12, year: 2030 });
  await assert.rejects(client.tokenize(session, CARD, { product }), { code: 'server_rejected', platformCode: 'session_used' });
});

test('the platform says itself which product a card is of', async () => {
  const session = await openSession({ server: all.url, platform: 'online_payments', fetch: fromPage });
  const token = await new OnlinePayments({ server: all.url, fetch: fromPage }).tokenize(session, CARD, { context: CONTEXT });
  assert.equal(token.brand, 'visa');
});

test('a card is charged once, and one that needs 3-D Secure says where to go', async () => {
  const merchant = (url, options) => fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${all.server.apiKey}` } });
  const client = new OnlinePayments({ server: all.url, fetch: fromPage });
  const pay = async (card) => {
    const session = await openSession({ server: all.url, platform: 'online_payments', kind: 'payment', amount: '10.00', currency: 'EUR', fetch: merchant });
    return client.pay(session, card, { context: CONTEXT, idempotencyKey: session.id });
  };
  const paid = await pay(CARD);
  assert.deepEqual([paid.status, paid.redirect, paid.last4], ['approved', null, '0026']);
  const waiting = await pay({ ...CARD, number: '4000000000003220' });
  assert.equal(waiting.status, 'unknown');
  assert.ok(URL.canParse(waiting.redirect.url));
});
