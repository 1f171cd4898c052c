// What other people's code packs, the sandbox opens; and what Cardseal packs, over the same HTTP.

import assert from 'node:assert/strict';
import { createVerify, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { GreenPay, load } from 'cardseal';
import { generator, plaintext, randomCard, seed } from './cards.mjs';
import { AES, JSENCRYPT, packLikeTheSample } from './libraries.mjs';
import { openOrder, openPayment, post, startSandbox } from './sandbox.mjs';

const CARDS = 400;

let small;
let large;
before(async () => {
  await load();
  [small, large] = await Promise.all([startSandbox(), startSandbox(['--key-bits', '2048'])]);
});
after(() => Promise.all([small?.stop(), large?.stop()]));

/** The answer tells what was found inside. */
function assertToken(answer, card, requestId, greenpay) {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { body } = answer;
  assert.equal(body.status, 201, JSON.stringify(body));
  assert.equal(body.requestId, requestId);
  assert.deepEqual(body.errors, []);
  assert.match(body.result.token, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.equal(body.result.bin, card.number.slice(0, 6));
  assert.equal(body.result.last_digits, card.number.slice(-4));
  assert.equal(body.nickname, card.nickname);
  assert.equal(
    body.expiration_date,
    `${String(card.expiry.year % 100).padStart(2, '0')}${String(card.expiry.month).padStart(2, '0')}`,
  );
  const key = `-----BEGIN PUBLIC KEY-----\n${greenpay.public_key}\n-----END PUBLIC KEY-----\n`;
  assert.ok(createVerify('RSA-SHA256').update(`status:201,requestId:${requestId}`).verify(key, body._signature, 'hex'));
}

for (const [rsaName, Rsa] of Object.entries(JSENCRYPT)) {
  for (const [aesName, aes] of Object.entries(AES)) {
    test(`the sandbox opens what ${aesName} with ${rsaName} packs: ${CARDS} random cards (seed ${seed})`, async () => {
      const random = generator(seed + 11);
      for (let index = 0; index < CARDS; index += 1) {
        const { greenpay } = index % 5 === 0 ? large : small;
        const card = randomCard(random);
        const requestId = randomUUID();
        const order = await openOrder(greenpay, requestId);
        const { ld, lk } = packLikeTheSample(aes, Rsa, greenpay.public_key, plaintext(card));
        assert.equal(typeof lk, 'string');
        const answer = await post(
          `${greenpay.checkout_url}/tokenize`,
          { session: order.session, ld, lk },
          { 'liszt-token': order.token },
        );
        assertToken(answer, card, requestId, greenpay);
      }
    });
  }
}

test(`the sandbox opens what Cardseal packs: ${CARDS} random cards (seed ${seed})`, async () => {
  const random = generator(seed + 13);
  for (let index = 0; index < CARDS; index += 1) {
    const { greenpay } = index % 5 === 0 ? large : small;
    const seal = new GreenPay({ publicKey: greenpay.public_key, environment: { checkout: greenpay.checkout_url } });
    const card = randomCard(random);
    const requestId = randomUUID();
    const order = await openOrder(greenpay, requestId);
    const request = seal.tokenizeRequest(order, card, { counter: ['byte', 'integer'][index % 2] });
    assert.equal(request.url, `${greenpay.checkout_url}/tokenize`);
    assert.ok(!JSON.stringify(request).includes(card.number));
    const response = await fetch(request.url, request);
    assertToken({ status: response.status, body: await response.json() }, card, requestId, greenpay);
  }
});

test('the verbs that send: a token, its update, and a refusal of what was used', async () => {
  const { greenpay } = small;
  const random = generator(seed + 17);
  const seal = new GreenPay({ publicKey: greenpay.public_key, environment: { checkout: greenpay.checkout_url } });
  const order = await openOrder(greenpay, randomUUID());
  const card = randomCard(random);
  const token = await seal.tokenize(order, card);
  assert.equal(token.last4, card.number.slice(-4));
  assert.equal(token.status, 'unconfirmed');
  assert.equal(token.signature.verified, true);

  const update = await openOrder(greenpay, randomUUID());
  const next = randomCard(random);
  const updated = await seal.updateToken(update, next, { token: token.id });
  assert.equal(updated.last4, next.number.slice(-4));

  await assert.rejects(seal.tokenize(order, card), { name: 'CardsealError', code: 'platform_rejected' });
});

test('a payment, a decline and a second attempt with the same order', async () => {
  const { greenpay } = small;
  const seal = new GreenPay({ publicKey: greenpay.public_key, environment: { checkout: greenpay.checkout_url } });
  const card = randomCard(generator(seed + 19));
  const reference = randomUUID();
  const order = await openPayment(greenpay, reference);
  const paid = await seal.pay(order, card);
  assert.equal(paid.status, 'approved');
  assert.equal(paid.orderReference, reference);
  assert.equal(paid.last4, card.number.slice(-4));
  await assert.rejects(seal.pay(order, card), { name: 'CardsealError', code: 'platform_rejected' });

  // The platform's own test card for insufficient funds.
  const declined = await seal.pay(
    await openPayment(greenpay, randomUUID()),
    { ...card, number: '4094394314664828' },
    { kountSession: randomUUID() },
  );
  assert.equal(declined.status, 'declined');
  assert.equal(declined.decline.code, '51');
});
