// CCBill's API, called by the client that npm has for it (not CCBill's own: there is none). It names its host
// itself, so axios, which it sends with, is told where that host is. Its files stay as they were published.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { npmClients } from './clients/install.mjs';
import { startSandbox } from './sandbox.mjs';

const HOST = 'https://api.ccbill.com';
const customer = {
  customerFname: 'Tyler',
  customerLname: 'Thomas',
  address1: '1 Main Street',
  city: 'Tempe',
  state: 'AZ',
  zipcode: '85281',
  country: 'US',
  email: 'tthomas@example.com',
  ipAddress: '192.0.2.1',
};
const card = {
  cardNum: '4473707989493598',
  nameOnCard: 'Tyler Thomas',
  expMonth: '04',
  expYear: '2035',
  cvv2: '123',
};

let sandbox;
let gateway;
let Gateway;
let PaymentTypes;
const sent = [];

before(async () => {
  const require = await npmClients();
  sandbox = await startSandbox();
  const {
    base_url: base,
    client_accnum: account,
    client_subacc: sub,
    frontend,
    backend,
  } = sandbox.info.platforms.ccbill;
  require('axios').interceptors.request.use((config) => {
    assert.ok(config.url.startsWith(`${HOST}/`), config.url);
    sent.push({ url: config.url.slice(HOST.length), headers: { ...config.headers }, data: config.data });
    return { ...config, url: base + config.url.slice(HOST.length), proxy: false };
  });
  ({ default: Gateway, PaymentTypes } = require('ccbill-restful-api'));
  gateway = await Gateway.create(
    frontend.application_id,
    frontend.secret,
    backend.application_id,
    backend.secret,
    account,
    sub,
  );
});
after(() => sandbox?.stop());

async function sales() {
  const { ccbill } = await (await fetch(`${sandbox.info.control_url}/state`)).json();
  return ccbill.transactions;
}

async function refused(promise, status, code) {
  const error = await promise.then(
    () => assert.fail('it went through'),
    (thrown) => thrown,
  );
  assert.equal(error.response?.status, status, String(error));
  assert.equal(error.response.data.errorCode, code);
  return error.response.data;
}

test("both access tokens are fetched, with the grant in the query and axios' own Accept", () => {
  const [front, back] = sent;
  for (const request of [front, back]) {
    assert.equal(request.url, '/ccbill-auth/oauth/token?grant_type=client_credentials');
    assert.match(String(request.headers.Accept), /^application\/json, text\/plain, \*\/\*$/);
  }
});

test('a card becomes a payment token, and a sale that names no address', async () => {
  const token = await gateway.createPaymentToken(customer, card);
  assert.match(token.paymentTokenId, /^[0-9a-f]{32}$/);
  assert.equal(typeof token.subscriptionId, 'string');
  assert.deepEqual([token.timeToLive, token.validNumberOfUse], [30, 3]);

  const sale = await gateway.createAndChargePayment(token.paymentTokenId, new PaymentTypes.oneTimeSubscription(9.99));
  assert.equal(sale.approved, true);
  assert.equal(sale.declineCode, null);
  // It asks for version 1, where ids are numbers, that JavaScript rounds.
  assert.equal(typeof sale.subscriptionId, 'number');
  const charge = sent.at(-1);
  assert.ok(!Object.keys(charge.headers).some((name) => /^x-origin-ip$/i.test(name)) && !('ipAddress' in charge.data));
  assert.equal((await sales()).at(-1).ip_address, customer.ipAddress);
});

test('one-time and recurring subscriptions, with what is passed through', async () => {
  const before = (await sales()).length;
  const { paymentTokenId: id } = await gateway.createPaymentToken(customer, card, {
    timeToLive: 1,
    validNumberOfUse: 2,
  });
  await gateway.createOneTimeSubscription(id, new PaymentTypes.oneTimeSubscription(10));
  const passThroughInfo = [{ name: 'order', value: '17' }];
  const recurring = new PaymentTypes.recurringSubscription(30, 5.1, 30, 1, 12, passThroughInfo);
  await gateway.createRecurringSubscription(id, recurring);
  const made = (await sales()).slice(before);
  assert.deepEqual(
    made.map(({ cents, currency, approved }) => [cents, currency, approved]),
    [
      [1000, 840, true],
      [100, 840, true],
    ],
  );
  assert.deepEqual(made[1].pass_through, passThroughInfo);
  await refused(gateway.createAndChargePayment(id, recurring), 400, 100102);
});

test('declines are answers, everything else is an error with its code', async () => {
  const { paymentTokenId: id } = await gateway.createPaymentToken(customer, card);
  const declined = await gateway.createAndChargePayment(id, new PaymentTypes.oneTimeSubscription(9.31));
  assert.deepEqual([declined.approved, declined.declineCode, declined.declineText], [false, 31, 'Insufficient funds']);
  assert.equal(declined.subscriptionId, null);

  const { errors } = await refused(
    gateway.createPaymentToken({ ...customer, email: 'nobody' }, { ...card, cardNum: '4473707989493599' }),
    400,
    200000,
  );
  assert.deepEqual(errors.map(({ field }) => field).sort(), [
    'customerInfo.email',
    'paymentInfo.creditCardPaymentInfo.cardNum',
  ]);
  await refused(gateway.createAndChargePayment('01ff', new PaymentTypes.oneTimeSubscription(1)), 404, 100101);
  await refused(gateway.createAndChargePayment(`${id}/x`, new PaymentTypes.oneTimeSubscription(1)), 404, 130000);
  // The classic fault of set-up, for which the client's own guide has a page.
  await refused(gateway.createAndChargePayment(id, new PaymentTypes.oneTimeSubscription(1000.06)), 500, 100106);
});

test('the tokens of the two applications are told apart', async () => {
  const { client_accnum: account, client_subacc: sub, frontend } = sandbox.info.platforms.ccbill;
  const wrong = await Gateway.create(
    frontend.application_id,
    frontend.secret,
    frontend.application_id,
    frontend.secret,
    account,
    sub,
  );
  const { paymentTokenId: id } = await wrong.createPaymentToken(customer, card);
  await refused(wrong.createAndChargePayment(id, new PaymentTypes.oneTimeSubscription(1)), 403, 100020);
});
