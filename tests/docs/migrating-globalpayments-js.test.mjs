// docs/migrating-globalpayments-js.md: the page before, and the two pages now, against the simulated platform.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { until } from '../browser/harness.mjs';
import { documented, gpBackEnd, officialFields, startMove } from './moving.mjs';

const PAGE = 'docs/migrating-globalpayments-js.md';
const CARD = { number: '4263970000005262', expiry: '12/30', cvc: '123' };

let move;
let platform;
before(async () => {
  move = await startMove(['gp_api']);
  platform = gpBackEnd(move.sandbox.gp);
});
after(() => move?.stop());

/** Opens a page; gives it, and what its form submits in the end. */
async function visit(name, options) {
  move.shop.answers['/access-token'] = { accessToken: await platform.access(['PMT_POST_Create_Single']) };
  const opened = await move.visit(documented(PAGE, name), options);
  const before = move.shop.posted.length;
  const submitted = async () => {
    const form = await until('the form to be submitted', () => move.shop.posted[before]);
    await opened.page.waitForFunction(() => document.title === 'Thank you');
    return form;
  };
  return { ...opened, submitted };
}

const official = () => {
  const { scripts, pass } = officialFields(move.sandbox);
  return { scripts, pass };
};
/** The module goes to the platform's own host, too, unless a session says otherwise. */
const ownBackEnd = () => ({ pass: official().pass });

async function typePlain(page, card = CARD) {
  await page.getByLabel('Card number').fill(card.number);
  await page.getByLabel('Expiry').fill(card.expiry);
  await page.getByLabel('Security code').fill(card.cvc);
  await page.getByRole('button').click();
}

async function paidBy(reference) {
  const { payment_method: method, status } = await platform.call(
    '/transactions',
    {
      account_name: 'transaction_processing',
      type: 'SALE',
      channel: 'CNP',
      capture_mode: 'AUTO',
      amount: '1999',
      currency: 'USD',
      country: 'US',
      reference: randomUUID(),
      payment_method: { entry_mode: 'ECOM', id: reference },
    },
    await platform.access(),
  );
  return { status, card: [method.card.brand, method.card.masked_number_last4] };
}

test('with a back end of one’s own, both pages submit a reference to the same card, and it is charged', async () => {
  const seen = [];
  for (const [name, options] of [
    ['before.html', official()],
    ['own.html', ownBackEnd()],
  ]) {
    const { page, sent, problems, submitted, close } = await visit(name, options);
    await typePlain(page);
    const form = await submitted();
    const [request, ...more] = sent.filter((each) => each.postData()?.includes(CARD.number));
    assert.deepEqual(more, [], 'the card is sent once');
    assert.equal(request.url(), 'https://apis.sandbox.globalpay.com/ucp/payment-methods');
    assert.deepEqual(problems, []);
    await close();
    assert.match(form['payment-reference'], /^PMT_/);
    assert.deepEqual(Object.keys(form).sort(), ['last4', 'payment-reference']);
    const { reference, ...body } = JSON.parse(request.postData());
    assert.match(reference, /\S/);
    seen.push({ last4: form.last4, body, ...(await paidBy(form['payment-reference'])) });
  }
  assert.deepEqual(seen[0].status, 'CAPTURED');
  assert.equal(seen[0].last4, '5262');
  assert.deepEqual(seen[1], seen[0]);
});

test('with Cardseal’s server and a frame, the page submits a token of the same card, and does not have the card', async () => {
  const { page, sent, problems, submitted, close } = await visit('now.html');
  const frame = page.frameLocator('cardseal-card-form iframe');
  const field = (name) => frame.locator(`[data-field="${name}"] input`);
  await field('number').waitFor();
  for (const name of ['number', 'expiry', 'cvc']) await field(name).pressSequentially(CARD[name]);
  // The frame tells the page at fixed times that it is complete.
  await page.waitForSelector('cardseal-card-form[data-state="valid"]');
  assert.ok(!(await page.content()).includes('5262'), 'not even the end of the number');
  const before = (await move.sandbox.gp.state()).transactions.length;
  await page.getByRole('button', { name: 'Pay' }).click();
  const form = await submitted();
  const holding = sent.filter((each) => each.postData()?.includes(CARD.number));
  assert.deepEqual(
    holding.map((each) => [each.url(), new URL(each.frame().url()).origin]),
    [
      [
        `${move.sandbox.gp.base_url}/payment-methods`,
        new URL(move.server.url.replace('127.0.0.1', 'localhost')).origin,
      ],
    ],
  );
  assert.deepEqual(problems, []);
  await close();
  assert.deepEqual(Object.keys(form), ['card_token']);
  const { body } = await move.api('POST', '/v1/payments', { token: form.card_token, amount: '19.99', currency: 'USD' });
  assert.deepEqual([body.status, body.brand, body.last4], ['approved', 'visa', '5262']);
  const made = (await move.sandbox.gp.state()).transactions.slice(before);
  assert.deepEqual(
    made.map(({ amount, status }) => [amount, status]),
    [['1999', 'CAPTURED']],
  );
});

test('mistakes and an access token that is over have the codes that the page names', async () => {
  const wrong = async (name, options, card, spoilt) => {
    const { page, sent, close } = await visit(name, options);
    if (spoilt) move.shop.answers['/access-token'] = { accessToken: 'over' };
    if (spoilt) await page.reload();
    await typePlain(page, card);
    const text = await until('what is wrong', () => page.locator('#wrong').textContent());
    const asked = sent.filter((each) => each.url().endsWith('/payment-methods') && each.method() === 'POST').length;
    await close();
    return [text, asked];
  };
  assert.deepEqual(await wrong('own.html', ownBackEnd(), { ...CARD, number: '426397000000526' }), [
    'card_invalid: number_length',
    0,
  ]);
  const [ours, asked] = await wrong('own.html', ownBackEnd(), CARD, true);
  assert.match(ours, /^session_expired: 4000[12]$/);
  assert.equal(asked, 1);
  const [theirs] = await wrong('before.html', official(), CARD, true);
  assert.match(theirs, /^NOT_AUTHENTICATED: /);
});
