// docs/migrating-onlinepayments-client.md: the platform's own library as published, and Cardseal, in one page.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { root } from '../../scripts/project.mjs';
import { documented, startMove } from './moving.mjs';

const PAGE = 'docs/migrating-onlinepayments-client.md';
const CARD = { number: '4567 3500 0042 7977', expiry: '12/2030', cvc: '123', holder: 'Zoë Müller' };
const NAMES = ['before', 'now', 'field-before', 'field-now', 'old-page-new-server', 'now-server'];

let move;
let shop;
let opened;
before(async () => {
  move = await startMove(['online_payments']);
  shop = move.sandbox.info.platforms.online_payments;
  opened = await move.visit(`<script type="module">${await bundled()}</script>`);
  await opened.page.waitForFunction(() => globalThis.snippets);
});
after(async () => {
  await move?.stop();
  assert.deepEqual(opened?.problems ?? [], []);
});

/** All programs of the page as `snippets`, with the library as a bundler finds it. Cardseal comes from the shop. */
async function bundled() {
  // Inside the repository, where imports find the library.
  const folder = mkdtempSync(path.join(root, 'target', 'moving-'));
  try {
    for (const name of NAMES) writeFileSync(path.join(folder, `${name}.mjs`), documented(PAGE, `${name}.mjs`));
    const imports = NAMES.map((name, index) => `import * as s${index} from './${name}.mjs';`).join('\n');
    const all = NAMES.map((name, index) => `'${name}': s${index}`).join(', ');
    const entry = path.join(folder, 'entry.mjs');
    writeFileSync(
      entry,
      `${imports}\nimport { Session } from 'onlinepayments-sdk-client-js';\nimport { OnlinePayments } from 'cardseal/online-payments';
globalThis.snippets = { ${all}, Session, OnlinePayments };`,
    );
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      format: 'esm',
      write: false,
      external: ['cardseal/online-payments'],
      logLevel: 'silent',
    });
    const [{ text }] = outputFiles;
    assert.match(text, /JavaScriptClientSDK/, 'the library is in the page');
    return text.replaceAll('</script', '<\\/script');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A call to the platform's server API, as the shop's own server makes it. */
async function platform(method, resource, body) {
  const target = `/v2/${shop.merchant_id}${resource}`;
  const date = new Date().toUTCString();
  const signed = `${method}\n${body ? 'application/json' : ''}\n${date}\n${target}\n`;
  const signature = createHmac('sha256', shop.credentials.secret_api_key).update(signed).digest('base64');
  const answer = await fetch(shop.base_url + target, {
    method,
    headers: {
      date,
      authorization: `GCS v1HMAC:${shop.credentials.api_key_id}:${signature}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

const call = (name, member, ...given) =>
  opened.page.evaluate(([one, method, args]) => globalThis.snippets[one][method](...args), [name, member, given]);

const clientSession = async () => (await platform('POST', '/sessions', {})).body;

test('both pages lead to the same payment at a back end of one’s own', async () => {
  const paid = [];
  for (const way of ['before', 'now']) {
    const encryptedCustomerInput = await call(way, 'encryptCard', await clientSession(), CARD);
    assert.equal(encryptedCustomerInput.split('.').length, 5);
    const { status, body } = await platform('POST', '/payments', {
      order: { amountOfMoney: { amount: 1000, currencyCode: 'EUR' } },
      encryptedCustomerInput,
      cardPaymentMethodSpecificInput: { authorizationMode: 'SALE' },
    });
    assert.equal(status, 201, JSON.stringify(body));
    const { paymentProductId, card } = body.payment.paymentOutput.cardPaymentMethodSpecificOutput;
    paid.push({ code: body.payment.statusOutput.statusCode, paymentProductId, card });
  }
  assert.equal(paid[0].card.cardNumber.slice(-4), '7977');
  assert.equal(paid[0].card.expiryDate, '1230');
  assert.deepEqual(paid[1], paid[0]);
});

test('an old page with a session of Cardseal’s server stores the very token that the new page stores', async () => {
  const plain = { ...CARD, number: '4567350000427977', expiry: '122030', product: 1 };
  const old = await call('old-page-new-server', 'storeCard', move.server.url, plain);
  const now = await call('now-server', 'storeCard', move.server.url, CARD);
  assert.match(old.id ?? JSON.stringify(old), /^tok_/);
  const facts = ({ id, brand, last4, expiry, holder }) => ({ id, brand, last4, expiry, holder });
  assert.deepEqual(facts(now), facts(old));
  const { body } = await move.api('POST', '/v1/payments', { token: now.id, amount: '10.00', currency: 'EUR' });
  assert.equal(body.status, 'approved');
});

test('fields are formatted alike, and fail the same validators', async () => {
  const data = await clientSession();
  const inputs = [
    ['cardNumber', '4567350000427977'],
    ['cardNumber', '4567350000427978'],
    ['cardNumber', '45673'],
    ['expiryDate', '122030'],
    ['expiryDate', '122020'],
    ['expiryDate', '132030'],
    ['cvv', '123'],
    ['cvv', '1'],
    ['cardholderName', 'Zoë Müller'],
    ['cardholderName', 'Z'],
  ];
  const [theirs, ours] = await opened.page.evaluate(
    async ([session, all]) => {
      const { Session, OnlinePayments, ...named } = globalThis.snippets;
      const context = { countryCode: 'DE', amountOfMoney: { amount: 1000, currencyCode: 'EUR' }, isRecurring: false };
      const old = await new Session(session).getPaymentProduct(1, context);
      const now = await new OnlinePayments().product(session, 1, {
        countryCode: 'DE',
        currencyCode: 'EUR',
        amount: 1000,
      });
      const each = (typed, product) =>
        all.map(([id, text]) => {
          const { shown, wrong } = typed(product, id, text);
          return [id, text, shown, [...wrong].sort()];
        });
      return [each(named['field-before'].typed, old), each(named['field-now'].typed, now)];
    },
    [data, inputs],
  );
  assert.deepEqual(ours, theirs);
  assert.deepEqual(theirs[0].slice(2), ['4567 3500 0042 7977', []]);
  assert.deepEqual(theirs[1][3], ['luhn']);
  assert.ok(theirs.filter(([, , , wrong]) => wrong.length > 0).length >= 5);
});

test('both pages refuse what the page says, before anything is sent', async () => {
  const refusal = (name, data, card) =>
    opened.page.evaluate(
      ([way, session, typed]) =>
        globalThis.snippets[way].encryptCard(session, typed).then(
          () => 'accepted',
          ({ name: kind, message, code, status, problems }) => ({
            kind,
            message,
            code,
            status,
            problems: problems?.map((problem) => problem.code),
          }),
        ),
      [name, data, card],
    );
  const data = await clientSession();
  const digit = { ...CARD, number: '4567 3500 0042 7978' };
  assert.match((await refusal('before', data, digit)).message, /luhn/);
  assert.equal((await refusal('now', data, digit)).code, 'card_invalid');
  const past = { ...CARD, expiry: '12/2020' };
  assert.match((await refusal('before', data, past)).message, /expirationDate/);
  assert.deepEqual((await refusal('now', data, past)).problems, ['expiry_past']);
  const other = { ...CARD, number: '9999990000000000' };
  assert.notEqual(await refusal('before', data, other), 'accepted');
  assert.equal((await refusal('now', data, other)).message, 'unknown');

  await move.sandbox.of('online_payments').command('expire_sessions');
  const [theirs, ours] = [await refusal('before', data, CARD), await refusal('now', data, CARD)];
  assert.equal(ours.code, 'session_expired');
  assert.notEqual(theirs, 'accepted');
  assert.equal(theirs.kind, 'Error');
});

test('the number is in no request', () => {
  const holding = opened.sent.filter((request) =>
    [request.url(), request.postData()].some((text) => text?.replace(/\D/g, '').includes('4567350000427977')),
  );
  assert.deepEqual(
    holding.map((request) => request.url()),
    [],
  );
});
