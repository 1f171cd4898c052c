// An option that no function knows is refused, with the nearest name and all that are known; whatever the types know is
// taken, whichever branch reads it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const read = (name) => JSON.parse(readFileSync(path.join(root, 'tests/vectors', name), 'utf8'));
const publicKey = Object.values(read('greenpay.json').rsa_keys)[0].public_spki_base64_one_line;
const {
  kid,
  jwk: { x, y },
} = read('sealing.json').key;
const NOW = 1_795_219_200_000;
const CARD = { number: '4242 4242 4242 4242', expiry: '12/30', cvc: '123', holder: 'Ana Mora', nickname: 'My Visa' };
const CUSTOMER = { firstName: 'Ana', lastName: 'Mora', email: 'ana@x.example', postalCode: '85281', country: 'US' };
const own = (platform, kind, more) => ({
  id: 'ses_1',
  platform,
  kind,
  mode: 'relay',
  created_at: NOW,
  expires_at: NOW + 60_000,
  amount: '1.00',
  currency: 'USD',
  ...more,
});
const ACCESS = { access_token: 't0', mode: 'direct' };
const ACCOUNT = { ...ACCESS, client_accnum: 900684, client_subacc: 0, currency_code: 840 };
const CLIENT = { clientSessionId: '0123', customerId: '9991-0', clientApiUrl: 'https://payment.payone.com/client' };
const SEAL = { seal: { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty: 'EC', crv: 'P-256', x, y } } };
const RAW = {
  raw: { id: 'x', paymentTokenId: '019f5576d7f046c3a375e8a054f2c033', clientAccnum: 900684, clientSubacc: 0 },
};

const now = () => NOW;
const answering = async () => Response.json({ id: 'tok_1', status: 'active' });
const SENDING = { signal: new AbortController().signal, timeoutMs: 1000 };
const CLASS = { server: 'https://pay.example', strict: true, now, fetch: answering };

let cardseal;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
});

/** Every call that takes options, with all of them that its types have. */
const calls = () => {
  const { CcBill, GpApi, GreenPay, OnlinePayments, WorldlineAcquiring } = cardseal;
  const green = new GreenPay({ publicKey, ...CLASS });
  const gp = new GpApi({ environment: 'sandbox', ...CLASS });
  const ccbill = new CcBill({ environment: 'production', ...CLASS });
  const online = new OnlinePayments({ ...CLASS, device: {} });
  const worldline = new WorldlineAcquiring(CLASS);
  const once = { idempotencyKey: 'once' };
  const tokenOf = { customer: CUSTOMER, verify: true, threeDs: false, timeToLive: 1, numberOfUse: 1 };
  const sale = { subscriptionId: '924313501000000101' };
  return {
    'new GreenPay': [
      (options) => new GreenPay(options),
      { publicKey, environment: 'sandbox', signature: 'warn', ...CLASS },
    ],
    'new GpApi': [(options) => new GpApi(options), { environment: 'sandbox', ...CLASS }],
    'new CcBill': [(options) => new CcBill(options), { environment: 'production', ...CLASS }],
    'new OnlinePayments': [(options) => new OnlinePayments(options), { environment: 'sandbox', device: {}, ...CLASS }],
    'new WorldlineAcquiring': [(options) => new WorldlineAcquiring(options), CLASS],
    validateCard: [
      (options) => cardseal.validateCard(CARD, options),
      { now, platform: 'greenpay', kind: 'payment', cvcOptional: true, strict: false },
    ],
    openSessionRequest: [
      (options) => cardseal.openSessionRequest(options),
      {
        server: '',
        platform: 'greenpay',
        kind: 'update',
        mode: 'relay',
        customer: 'c-1',
        token: 'tok_1',
        locale: 'de_DE',
        ...SENDING,
      },
    ],
    'GreenPay.pack': [(options) => green.pack({ card: CARD, session: 's' }, options), { counter: 'byte' }],
    'GreenPay.tokenizeRequest': [
      (options) => green.tokenizeRequest(own('greenpay', 'tokenize'), CARD, options),
      { counter: 'byte', ...SENDING },
    ],
    'GreenPay.updateTokenRequest': [
      (options) => green.updateTokenRequest(own('greenpay', 'update', { card_token: 't' }), CARD, options),
      { counter: 'byte', token: 't', ...SENDING },
    ],
    'GreenPay.payRequest': [
      (options) => green.payRequest(own('greenpay', 'payment'), CARD, options),
      { counter: 'byte', kountSession: 'k', tokenize: true, ...once, ...SENDING },
    ],
    'GreenPay.confirmToken': [(options) => green.confirmToken(own('greenpay', 'tokenize'), RAW, options), SENDING],
    'GreenPay.confirmPaymentRequest': [
      (options) => green.confirmPaymentRequest(own('greenpay', 'payment'), RAW, options),
      { ...once, ...SENDING },
    ],
    'GpApi.tokenizeRequest': [
      (options) => gp.tokenizeRequest(own('gp_api', 'tokenize', ACCESS), CARD, options),
      { useNetworkToken: true, reference: 'r', ...SENDING },
    ],
    'GpApi.confirmToken': [(options) => gp.confirmToken(own('gp_api', 'tokenize'), RAW, options), SENDING],
    'GpApi.initiateAuthentication': [(options) => gp.initiateAuthentication('aut_1', {}, options), SENDING],
    'GpApi.authenticationResult': [(options) => gp.authenticationResult('aut_1', options), SENDING],
    'CcBill.createPaymentTokenRequest': [
      (options) => ccbill.createPaymentTokenRequest(own('ccbill', 'payment', ACCOUNT), CARD, options),
      { ...tokenOf, ...SENDING },
    ],
    'CcBill.createPaymentTokenRequest of a sale': [
      (options) => ccbill.createPaymentTokenRequest(own('ccbill', 'payment', ACCOUNT), null, options),
      { ...tokenOf, ...sale, ...SENDING },
    ],
    'CcBill.confirmPaymentRequest': [
      (options) => ccbill.confirmPaymentRequest(own('ccbill', 'payment', ACCOUNT), RAW, options),
      { ...once, ...SENDING },
    ],
    'OnlinePayments.confirmPaymentRequest': [
      (options) => online.confirmPaymentRequest({ id: 'ses_1' }, { RETURNMAC: 'm' }, options),
      { ...once, ...SENDING },
    ],
    'OnlinePayments.publicKey': [(options) => online.publicKey(CLIENT, options), SENDING],
    'OnlinePayments.payRequest': [
      (options) => online.payRequest(own('online_payments', 'payment', CLIENT), CARD, options),
      { paymentProductId: 1, product: { id: 1 }, context: {}, ...once, ...SENDING },
    ],
    'WorldlineAcquiring.seal': [
      (options) => worldline.seal(own('worldline_acquiring', 'payment', SEAL), CARD, options),
      { networkToken: { cryptogram: 'AAAA' } },
    ],
    'WorldlineAcquiring.tokenize': [
      (options) => worldline.tokenize(own('worldline_acquiring', 'tokenize', SEAL), CARD, options),
      SENDING,
    ],
    'WorldlineAcquiring.payRequest': [
      (options) => worldline.payRequest(own('worldline_acquiring', 'payment', SEAL), CARD, options),
      { networkToken: { cryptogram: 'AAAA' }, ...once, ...SENDING },
    ],
  };
};

/** What a call throws or rejects with, as far as it is about options. */
async function refusal(call, options) {
  try {
    await call(options);
    return null;
  } catch (error) {
    return error;
  }
}

test('whatever the types know is taken', async () => {
  for (const [name, [call, options]] of Object.entries(calls())) {
    const error = await refusal(call, options);
    // Some answers of this stub are none; that is said after the options were read.
    if (error)
      assert.match(error.code ?? error.message, /^(answer_malformed|platform_rejected)$/, `${name}: ${error.message}`);
  }
});

test('an option that nothing knows is refused, with the nearest name and what is known', async () => {
  for (const [name, [call, options]] of Object.entries(calls())) {
    const some = Object.keys(options).sort((one, other) => other.length - one.length)[0];
    const misspelt = `${some.slice(0, -2)}${some.at(-1)}`;
    const error = await refusal(call, { ...options, [misspelt]: 1 });
    assert.equal(error?.code, 'option_invalid', `${name}: ${error?.message}`);
    assert.equal(error.field, misspelt, name);
    assert.match(error.message, new RegExp(`there is no option ${misspelt}; nearest: ${some};`), name);
    for (const known of Object.keys(options)) assert.ok(error.message.includes(known), `${name}: ${error.message}`);
    assert.equal(error.retryable, false);
    const other = await refusal(call, { ...options, somethingElse: true });
    assert.match(other.message, /no option somethingElse; nearest: none;/, name);
  }
});

test('an option of another platform is unknown, and nothing is sent', async () => {
  let sent = 0;
  const fetch = async () => {
    sent += 1;
    return Response.json({});
  };
  const gp = new cardseal.GpApi({ environment: 'sandbox', now, fetch });
  const session = own('gp_api', 'tokenize', ACCESS);
  await assert.rejects(gp.tokenize(session, CARD, { kountSession: 'k' }), {
    code: 'option_invalid',
    field: 'kountSession',
  });
  await assert.rejects(gp.tokenize(session, CARD, { paymentProductId: 1 }), { field: 'paymentProductId' });
  assert.throws(() => new cardseal.GpApi({ publicKey }), { code: 'option_invalid', field: 'publicKey' });
  assert.equal(sent, 0);
});

test('an option without a value is none, what is wrong with a card comes first, and no message has a card in it', async () => {
  const green = new cardseal.GreenPay({ publicKey, now });
  const session = own('greenpay', 'tokenize');
  assert.ok(green.tokenizeRequest(session, CARD, { kountSession: undefined }));
  assert.throws(() => green.tokenizeRequest(session, { ...CARD, cvc: '' }, { what: 1 }), { code: 'card_invalid' });
  const error = await refusal((options) => green.tokenizeRequest(session, CARD, options), { [CARD.number]: true });
  assert.equal(error.field, 'options');
  assert.ok(!/4242/.test(error.message));
});
