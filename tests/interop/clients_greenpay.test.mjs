// GreenPay's API, called by the client for servers that npm has (`@walmon/greenpay-sdk-backend`, as published):
// it makes orders, packs cards with the libraries that GreenPay's guide names, tokenizes, and charges tokens.
// The package that it takes its types from is on no registry; an empty one stands in for it. Its configuration
// takes both hosts.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { plaintext } from './cards.mjs';
import { npmClients } from './clients/install.mjs';
import { startSandbox } from './sandbox.mjs';

// Counters and keys are random, and each way of packing them has to be opened.
const CARDS = 60;

let sandbox;
let sdk;

before(async () => {
  const require = await npmClients();
  sandbox = await startSandbox();
  const { GreenPaySDK } = require('@walmon/greenpay-sdk-backend');
  const { checkout_url: checkoutEndpoint, merchant_url: merchantEndpoint, public_key: publicKey } = sandbox.greenpay;
  sdk = new GreenPaySDK({ publicKey, checkoutEndpoint, merchantEndpoint });
});
after(() => sandbox?.stop());

function credentials(more) {
  const { secret, merchant_id: merchantId } = sandbox.greenpay.credentials;
  return { secret, merchantId, ...more };
}

function card(number = '4242424242424242') {
  return plaintext({
    number,
    expiry: { month: 9, year: 2035 },
    cvc: '123',
    holder: 'Jhon Doe',
    nickname: 'visa2449',
  });
}

function order(token, more = {}) {
  const { terminal, currency } = sandbox.greenpay.credentials.terminals[1];
  return credentials({
    terminal,
    currency,
    amount: 12.34,
    description: 'Two books',
    orderReference: randomUUID(),
    token,
    ...more,
  });
}

async function transactions() {
  const { greenpay } = await (await fetch(`${sandbox.info.control_url}/state`)).json();
  return greenpay.transactions;
}

/** The client rejects with the whole response. */
async function refused(promise, text) {
  const response = await promise.then(
    () => assert.fail('it went through'),
    (thrown) => thrown,
  );
  assert.deepEqual(response.body.errors, [text], JSON.stringify(response.body));
}

test(`an order for a token, a packed card, a token: ${CARDS} times`, async () => {
  for (let index = 0; index < CARDS; index += 1) {
    const requestId = randomUUID();
    const { security, token } = await sdk.tokenizeCard(credentials({ requestId }), card());
    assert.ok(security.session && security.token);
    assert.equal(token.status, 201);
    assert.equal(token.requestId, requestId);
    assert.match(token.result.token, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.deepEqual([token.result.bin, token.result.last_digits, token.nickname], ['424242', '4242', 'visa2449']);
  }
});

test('a card that was packed elsewhere', async () => {
  const security = await sdk.requestSessionToTokenizeCard(credentials({ requestId: randomUUID() }));
  const { session, ld, lk } = sdk._pack(card(), security.session);
  assert.equal(session, security.session);
  const { token } = await sdk.tokenizeCardEncryptedCreditCardData(security, { session, ld, lk });
  assert.equal(token.status, 201);
  // The session is used up.
  await refused(sdk.tokenizeCardEncryptedCreditCardData(security, { session, ld, lk }), 'Session not found');
});

test('a token is charged', async () => {
  const { token } = await sdk.tokenizeCard(credentials({ requestId: randomUUID() }), card());
  const paid = order(token.result.token);
  const before = (await transactions()).length;
  await sdk.makeTransactionWithCardToken(paid);
  const made = (await transactions()).slice(before);
  assert.equal(made.length, 1);
  assert.ok(JSON.stringify(made[0]).includes(paid.orderReference), JSON.stringify(made[0]));
});

test('refusals arrive as the platform gives them', async () => {
  await refused(
    sdk.requestSessionToTokenizeCard(credentials({ requestId: randomUUID(), secret: 'wrong' })),
    "Merchant doesn't exist",
  );
  await refused(sdk.makeTransactionWithCardToken(order(randomUUID())), 'Error: Invalid card token');
  const { token } = await sdk.tokenizeCard(credentials({ requestId: randomUUID() }), card('4094394314664828'));
  // The platform's own card for insufficient funds.
  const declined = await sdk.makeTransactionWithCardToken(order(token.result.token)).then(
    () => assert.fail('it went through'),
    (thrown) => thrown,
  );
  assert.equal(declined.body.result.resp_code, '51', JSON.stringify(declined.body));
});
