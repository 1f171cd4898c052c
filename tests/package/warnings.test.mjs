// What may be wrong with a card and stops nothing comes apart from what stops it, beside the result of every call.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';

const read = (file) => JSON.parse(readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), 'utf8'));
const key = (name) => read('greenpay').rsa_keys[name].public_spki_base64_one_line;
const { kid, jwk } = read('sealing').key;
const NOW = 1_795_219_200_000;
const now = () => NOW;
const CARD = { number: '6200 0000 0000 0005', expiry: '12/30', cvc: '123', holder: 'Ana Mora', nickname: 'My card' };
/** UnionPay, some of whose cards have no check digit: a warning on every platform. */
const MISTYPED = { ...CARD, number: '6200 0000 0000 0000' };
const WARNING = {
  field: 'number',
  code: 'number_check_digit',
  message: 'The card number has a typo: its check digit does not match.',
};
const session = (platform, kind, more) => ({
  id: 'ses_1',
  mode: 'relay',
  platform,
  kind,
  created_at: NOW,
  expires_at: NOW + 60_000,
  ...more,
});
const CLIENT = { clientSessionId: '0123', customerId: '9991-0', clientApiUrl: 'https://payment.payone.com/client' };
const SEAL = {
  seal: { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y } },
};
const CUSTOMER = { firstName: 'Ana', lastName: 'Mora', email: 'ana@x.example', postalCode: '85281', country: 'US' };
const TOKEN = { id: 'tok_1', status: 'active' };
const PAYMENT = { id: 'pay_1', status: 'approved' };

/** Every call that takes a card: its class, its options, what the other side answers. */
const CALLS = {
  'GreenPay token': ['GreenPay', TOKEN, (it, card) => it.tokenize(session('greenpay', 'tokenize'), card)],
  'GreenPay update': [
    'GreenPay',
    TOKEN,
    (it, card) => it.updateToken(session('greenpay', 'update', { card_token: 't-1' }), card),
  ],
  'GreenPay payment': ['GreenPay', PAYMENT, (it, card) => it.pay(session('greenpay', 'payment'), card)],
  'GP API token': ['GpApi', { id: 'PMT_1' }, (it, card) => it.tokenize({ access_token: 't0', reference: 'r' }, card)],
  'CCBill payment token': [
    'CcBill',
    { paymentTokenId: 'a', clientAccnum: 1, clientSubacc: 2 },
    (it, card) =>
      it.createPaymentToken({ access_token: 't0', client_accnum: 1, client_subacc: 2 }, card, { customer: CUSTOMER }),
  ],
  'Online Payments token': [
    'OnlinePayments',
    TOKEN,
    (it, card) => it.tokenize(session('online_payments', 'tokenize', CLIENT), card, { paymentProductId: 1 }),
  ],
  'Online Payments payment': [
    'OnlinePayments',
    PAYMENT,
    (it, card) => it.pay(session('online_payments', 'payment', CLIENT), card, { paymentProductId: 1 }),
  ],
  'Worldline Acquiring token': [
    'WorldlineAcquiring',
    TOKEN,
    (it, card) => it.tokenize(session('worldline_acquiring', 'tokenize', SEAL), card),
  ],
  'Worldline Acquiring payment': [
    'WorldlineAcquiring',
    PAYMENT,
    (it, card) => it.pay(session('worldline_acquiring', 'payment', SEAL), card),
  ],
};
const OPTIONS = {
  GreenPay: { publicKey: key('t1024') },
  GpApi: { environment: 'sandbox' },
  CcBill: { environment: 'production' },
};

let cardseal;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
});

/** An object of a class, with a `fetch` that notes what it is asked for. */
function client(name, answer, sent, options) {
  const fetch = async (url, init) => {
    if (/publickey/.test(url)) return Response.json({ keyId: 'k', publicKey: key('t2048') });
    sent.push(init);
    return Response.json(answer);
  };
  return new cardseal[name]({ ...OPTIONS[name], now, fetch, ...options });
}

for (const [name, [Class, answer, call]] of Object.entries(CALLS)) {
  test(`${name}: warnings come beside the result`, async () => {
    const sent = [];
    const { warnings, id, status } = await call(client(Class, answer, sent), MISTYPED);
    assert.deepEqual(warnings, [WARNING]);
    assert.ok(id && status);
    assert.equal(sent.length, 1);
    assert.deepEqual((await call(client(Class, answer, sent), CARD)).warnings, []);
    for (const init of sent) assert.doesNotMatch(JSON.stringify(init), /check_digit|warnings/);
  });

  test(`${name}: a strict page sends no card that has a warning`, async () => {
    const sent = [];
    const strict = client(Class, answer, sent, { strict: true });
    await assert.rejects(
      async () => call(strict, MISTYPED),
      ({ code, problems }) => {
        assert.equal(code, 'card_invalid');
        assert.deepEqual(problems, [WARNING]);
        return true;
      },
    );
    assert.deepEqual(sent, []);
    assert.deepEqual((await call(strict, CARD)).warnings, []);
    assert.equal(sent.length, 1);
  });
}

test('a request holds the warnings of its card, and `fetch` gets none of them', async () => {
  const request = client('GpApi', {}, []).tokenizeRequest({ access_token: 't0', reference: 'r' }, MISTYPED);
  assert.deepEqual(Object.keys(request), ['method', 'url', 'headers', 'body', 'warnings']);
  assert.deepEqual(request.warnings, [WARNING]);
  const ccbill = client('CcBill', {}, []);
  const account = { access_token: 't0', client_accnum: 1, client_subacc: 2 };
  assert.deepEqual(ccbill.createPaymentTokenRequest(account, null, { subscriptionId: '1' }).warnings, []);
  assert.ok(!('warnings' in ccbill.threeDsRequiredRequest({ ...account, currency_code: 840 }, MISTYPED)));
});

test('a validation lists problems and warnings apart', () => {
  const { valid, problems, warnings } = cardseal.validateCard(MISTYPED, { now });
  assert.deepEqual({ valid, problems, warnings }, { valid: true, problems: [], warnings: [WARNING] });
  const strict = cardseal.validateCard({ ...MISTYPED, cvc: '' }, { now, strict: true });
  assert.deepEqual(
    [strict.valid, strict.problems.map(({ code }) => code), strict.warnings],
    [false, ['number_check_digit', 'cvc_missing'], []],
  );
  const both = cardseal.validateCard({ ...MISTYPED, cvc: '' }, { now });
  assert.deepEqual(
    [both.valid, both.problems.map(({ code }) => code), both.warnings],
    [false, ['cvc_missing'], [WARNING]],
  );
});

test('an error of a card lists what stops it and nothing else', async () => {
  const call = client('GpApi', {}, []).tokenize({ access_token: 't0', reference: 'r' }, { ...MISTYPED, cvc: '1' });
  await assert.rejects(call, ({ problems }) => {
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['cvc_length'],
    );
    return true;
  });
});

test('`strict` is a yes or a no', () => {
  for (const name of Object.keys({ ...OPTIONS, OnlinePayments: 0, WorldlineAcquiring: 0 })) {
    assert.throws(() => client(name, {}, [], { strict: 'yes' }), { code: 'type_invalid', field: 'strict' }, name);
  }
  assert.throws(() => cardseal.validateCard(CARD, { strict: 1 }), { code: 'type_invalid', field: 'strict' });
});
