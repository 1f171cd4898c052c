// docs/migrating-network-tokens.md: the sample's page against Cardseal, then Cardseal's own form, and the old ids.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { GP_VISA, until } from '../browser/harness.mjs';
import { documented, gpBackEnd, officialFields, program, startMove } from './moving.mjs';

const PAGE = 'docs/migrating-network-tokens.md';
const CARD = { ...GP_VISA, number: '4622943123052970', expiry: '12/30', cvc: '999' };

let move;
before(async () => {
  move = await startMove(['gp_api']);
});
after(() => move?.stop());

const saved = (page) => until('the card to be saved', () => page.locator('#saved').textContent());
const charges = async () => (await move.sandbox.gp.state()).transactions.map(({ amount, status }) => [amount, status]);

/** Saves the card on the sample's page, whose routes Cardseal serves. */
async function saveOnOldPage(card = CARD) {
  const html = documented(PAGE, 'sample.html').replace('https://shop.example', 'https://pay.shop.example');
  const { page, sent, problems, close } = await move.visit(html, officialFields(move.sandbox));
  await page.getByLabel('Card number').fill(card.number);
  await page.getByLabel('Expiry').fill(card.expiry);
  await page.getByLabel('Security code').fill(card.cvc);
  await page.getByRole('button').click();
  const text = await saved(page);
  const holding = sent.filter((request) => request.postData()?.includes(card.number)).map((request) => request.url());
  await close();
  assert.deepEqual(problems, []);
  assert.deepEqual(holding, ['https://apis.sandbox.globalpay.com/ucp/payment-methods']);
  return text;
}

async function saveOnNewPage() {
  const { page, problems, close } = await move.visit(documented(PAGE, 'cardseal.html'));
  const field = (name) => page.locator(`[data-field="${name}"] input`);
  await field('number').waitFor();
  for (const name of ['number', 'expiry', 'cvc']) await field(name).pressSequentially(CARD[name]);
  await page.getByRole('button', { name: 'Save card' }).click();
  const text = await saved(page);
  await close();
  assert.deepEqual(problems, []);
  return text;
}

test('both pages store the same card, and each charges what the other stored', async () => {
  const [oldLast4, oldId] = (await saveOnOldPage()).split(' ');
  const [newLast4, newId] = (await saveOnNewPage()).split(' ');
  assert.deepEqual([oldLast4, newLast4], ['2970', '2970']);
  assert.match(oldId, /^PMT_/);
  assert.match(newId, /^tok_/);

  const alias = (id) => id.replace(/^tok_/, 'PMT_');
  const { body } = await move.api('GET', '/list-tokens');
  assert.deepEqual(body.data.map(({ id }) => id).sort(), [oldId, alias(newId)].sort());
  const tokens = (await move.api('GET', '/v1/tokens')).body.data.map(({ id, brand, last4, expiry, status }) => [
    alias(id),
    { brand, last4, expiry, status },
  ]);
  const details = { brand: 'visa', last4: '2970', expiry: { month: 12, year: 2030 }, status: 'active' };
  assert.deepEqual(Object.fromEntries(tokens), { [oldId]: details, [alias(newId)]: details });

  const before = await charges();
  const { processPayment } = await program(PAGE, 'process-payment.mjs');
  const { charge } = await program(PAGE, 'charge.mjs');
  const order = { id: randomUUID(), total: '19.99', currency: 'USD' };
  const first = await processPayment({ ...order, pmt_id: oldId });
  assert.match(first.transaction, /^TRN_/);
  assert.deepEqual(
    { ...first, transaction: '' },
    {
      paid: true,
      unknown: false,
      transaction: '',
      message: 'Payment processed successfully',
    },
  );
  assert.deepEqual(await processPayment({ ...order, pmt_id: oldId }), first, 'the same order once more');
  assert.equal(await charge({ ...order, id: 'new', token: newId }), 'approved');
  assert.equal(await charge({ ...order, id: 'new', token: newId }), 'approved', 'the same order once more');
  assert.equal((await processPayment({ ...order, id: 'crossed-1', pmt_id: alias(newId) })).paid, true);
  assert.equal(await charge({ ...order, id: 'crossed-2', token: oldId.replace(/^PMT_/, 'tok_') }), 'approved');
  assert.deepEqual((await charges()).slice(before.length), new Array(4).fill(['1999', 'CAPTURED']));
  const { body: payments } = await move.api('GET', '/v1/payments');
  assert.equal(payments.data.length, 4, 'all of them are payments of this server');
});

test('a page that is not behind one of the allowed addresses needs the API key', async () => {
  const answer = await fetch(`${move.server.url}/config`, { headers: { 'sec-fetch-site': 'same-origin' } });
  assert.equal(answer.status, 401);
});

test('a decline and an outcome that is lost read as the page says', async () => {
  const id = (await saveOnOldPage()).split(' ')[1];
  const { processPayment } = await program(PAGE, 'process-payment.mjs');
  const { charge } = await program(PAGE, 'charge.mjs');
  const order = { pmt_id: id, token: id.replace(/^PMT_/, 'tok_'), total: '19.99', currency: 'USD' };
  for (const pay of [processPayment, charge]) {
    await move.sandbox.gp.fault({ route: 'transactions', kind: 'drop_after_commit', times: 1 });
    const found = await pay({ ...order, id: randomUUID() });
    assert.ok(found === 'approved' || found.paid, 'the server finds out what became of it');
    await move.sandbox.clearFaults();
  }
  const refused = await saveOnOldPage({ ...CARD, number: '4000120000001154', cvc: '123' });
  assert.match(refused, /^Failed to create network token: /);
});

/** What the sample's own back end does, request by request. */
async function storeAsTheSample() {
  const { call, access } = gpBackEnd(move.sandbox.gp);
  const token = await access();
  const [month, year] = CARD.expiry.split('/');
  const single = await call(
    '/payment-methods',
    {
      reference: randomUUID(),
      usage_mode: 'SINGLE',
      card: { number: CARD.number, cvv: CARD.cvc, expiry_month: month, expiry_year: year },
    },
    token,
  );
  const verified = await call(
    '/verifications',
    {
      account_name: 'transaction_processing',
      channel: 'CNP',
      reference: randomUUID(),
      currency: 'USD',
      country: 'US',
      payment_method: { entry_mode: 'ECOM', id: single.id, storage_mode: 'ON_SUCCESS' },
    },
    token,
  );
  return verified.payment_method.id;
}

test('an id that Global Payments made is not known here, until it is submitted', async () => {
  const old = await storeAsTheSample();
  const { processPayment } = await program(PAGE, 'process-payment.mjs');
  const { submitOld } = await program(PAGE, 'submit-old.mjs');
  const order = { id: randomUUID(), total: '5.00', currency: 'USD' };
  const before = await charges();
  const unknown = await processPayment({ ...order, pmt_id: old });
  assert.equal(unknown.paid, false);
  assert.match(unknown.message, /^TOKEN_NOT_FOUND: /);
  const { pmt_id: made } = await submitOld(old);
  assert.match(made, /^PMT_/);
  assert.notEqual(made, old);
  assert.deepEqual(await submitOld(old), { pmt_id: made }, 'once more');
  assert.equal((await processPayment({ ...order, id: randomUUID(), pmt_id: made })).paid, true);
  assert.deepEqual((await charges()).slice(before.length), [['500', 'CAPTURED']]);
  const { message } = await submitOld(`PMT_${randomUUID()}`);
  assert.match(message, /\S/);
});

test('the table of cards is converted as the page says', () => {
  const [first, second] = documented(PAGE, 'cards.sql').split('-- at step 2');
  const script = `import json, sqlite3, sys
first, second = json.load(sys.stdin)
table = sqlite3.connect(":memory:")
table.executescript("CREATE TABLE cards (pmt_id TEXT); INSERT INTO cards VALUES ('PMT_old');" + first + "INSERT INTO cards (pmt_id) VALUES ('PMT_x1');" + second)
print(json.dumps(table.execute("SELECT pmt_id, made_by, token FROM cards ORDER BY pmt_id").fetchall()))`;
  const rows = execFileSync('python3', ['-c', script], { input: JSON.stringify([first, second]), encoding: 'utf8' });
  assert.deepEqual(JSON.parse(rows), [
    ['PMT_old', 'global-payments', null],
    ['PMT_x1', 'cardseal', 'tok_x1'],
  ]);
});
