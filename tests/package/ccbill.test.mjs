// CCBill in the page: what it asks the platform, what it reads of the answers, and what it hands to the server.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const NOW = 1_795_219_200_000;
const CARD = { number: '4473 7079 8949 3598', expiry: '4/30', cvc: '739', holder: 'Tyler Thomas' };
const CUSTOMER = {
  firstName: 'Tyler',
  lastName: 'Thomas',
  email: 'tthomas@xyz.example',
  postalCode: '85281',
  country: 'US',
};
const FRONT = {
  access_token: 't0',
  base_url: 'https://api.ccbill.com',
  client_accnum: 900684,
  client_subacc: 0,
  client_subacc_3ds: 1,
  currency_code: 978,
};
const own = (kind, more) => ({
  ...FRONT,
  id: 'ses_1',
  platform: 'ccbill',
  kind,
  mode: 'direct',
  created_at: new Date(NOW).toISOString(),
  expires_at: new Date(NOW + 60_000).toISOString(),
  ip_address: '192.0.2.7',
  ...(kind === 'payment' && { amount: '9.99', currency: 'EUR', time_to_live: 1, valid_number_of_use: 1 }),
  ...more,
});
const ID = '019f5576d7f046c3a375e8a054f2c033';
const TOKEN = { paymentTokenId: ID, clientAccnum: 900684, clientSubacc: 0, subscriptionId: '924313501000000101' };
const THREEDS = {
  eci: '05',
  status: 'Y',
  success: true,
  protocolVersion: '2.1.0',
  amount: '9.99',
  currency: '978',
  clientTransactionId: 'id-h76oy394utw',
  sdkTransId: null,
  acsTransId: 'd6f15aae-2c9d-4333-a920-954be07c0c76',
  dsTransId: 'd65e93c3-35ab-41ba-b307-767bfc19eae3',
  authenticationType: '01',
  authenticationValue: '5VdhGOTXBJw9+kEBOTtaJiLUAr8=',
};

let cardseal;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
});

const ccbill = (options) => new cardseal.CcBill({ now: () => NOW, ...options });
/** A client whose `fetch` gives one answer; what it was asked is in `asked`. */
const told = (status, text, asked = []) =>
  ccbill({
    fetch: async (url, init) => {
      asked.push({ url, ...init });
      return new Response(typeof text === 'string' ? text : JSON.stringify(text), { status });
    },
  });
/** What it throws, after it was seen to say nothing of the card. */
function seen(error) {
  assert.equal(error.name, 'CardsealError', error.stack);
  if (error.code !== 'network_failed' && error.code !== 'request_timeout') assert.equal(error.platform, 'ccbill');
  assert.doesNotMatch(
    `${JSON.stringify(error)} ${error.message} ${error.stack.split('\n')[0]}`,
    /44737079|4473 7079|739|Tyler Thomas/,
  );
  return error;
}
function thrown(work) {
  try {
    work();
  } catch (error) {
    const { code, field } = seen(error);
    return [code, field];
  }
  return assert.fail('nothing was thrown');
}
const failed = (promise) => promise.then(() => assert.fail('nothing was thrown'), seen);
const made = (session = FRONT, more = {}, card = CARD) =>
  ccbill().createPaymentTokenRequest(session, card, { customer: CUSTOMER, ...more });
const create = (status, text, more) =>
  told(status, text).createPaymentToken(FRONT, CARD, { customer: CUSTOMER, ...more });

// ------------------------------------------------------------------------------------------------- requests

test('a payment token is asked for byte by byte as documented, with the security code and without', () => {
  const request = made(own('payment'));
  const headers = {
    accept: 'application/vnd.mcn.transaction-service.api.v.2+json',
    'content-type': 'application/json',
    authorization: 'Bearer t0',
  };
  assert.deepEqual(request, {
    method: 'POST',
    url: 'https://api.ccbill.com/payment-tokens/merchant-only-verify',
    headers,
    body:
      '{"clientAccnum":900684,"clientSubacc":0,"subscriptionId":0,' +
      '"customerInfo":{"customerFname":"Tyler","customerLname":"Thomas","zipcode":"85281","country":"US","email":"tthomas@xyz.example","ipAddress":"192.0.2.7"},' +
      '"paymentInfo":{"creditCardPaymentInfo":{"cardNum":"4473707989493598","nameOnCard":"Tyler Thomas","expMonth":"04","expYear":"2030","cvv2":"739"}},' +
      '"timeToLive":1,"validNumberOfUse":1}',
    warnings: [],
  });
  // To store a card a token has no end, and of one's own backend the address may be missing.
  const bare = made(FRONT, { verify: false });
  assert.deepEqual([bare.url, bare.headers], ['https://api.ccbill.com/payment-tokens/merchant-only', headers]);
  assert.equal(
    bare.body,
    '{"clientAccnum":900684,"clientSubacc":0,"subscriptionId":0,' +
      '"customerInfo":{"customerFname":"Tyler","customerLname":"Thomas","zipcode":"85281","country":"US","email":"tthomas@xyz.example"},' +
      '"paymentInfo":{"creditCardPaymentInfo":{"cardNum":"4473707989493598","nameOnCard":"Tyler Thomas","expMonth":"04","expYear":"2030"}}}',
  );
  assert.equal(
    made(FRONT, { verify: false }, { ...CARD, cvc: '' }).body,
    bare.body,
    'the code may be missing where it is not asked for',
  );
  assert.equal(thrown(() => made(FRONT, {}, { ...CARD, cvc: '' }))[0], 'card_invalid');
  assert.equal(thrown(() => made(FRONT, { verify: false }, { ...CARD, cvc: '7' }))[0], 'card_invalid');
});

test('every detail of the customer has its place', () => {
  const more = {
    address1: ' 1 Main St ',
    address2: 'Apt #2',
    city: 'Tempe',
    state: 'AZ',
    phoneNumber: '+1 480 555 5555 5555',
    ipAddress: '10.70.60.14',
    browserHttpUserAgent: 'Mozilla/5.0 (X11; 123.0.0.0.4567890123)',
    browserHttpAccept: '*/*',
    browserHttpAcceptLanguage: 'en-US',
    browserHttpAcceptEncoding: 'gzip',
  };
  assert.deepEqual(
    JSON.parse(made(own('tokenize'), { customer: { ...CUSTOMER, ...more, unknown: 'x' } }).body).customerInfo,
    {
      customerFname: 'Tyler',
      customerLname: 'Thomas',
      address1: '1 Main St',
      address2: 'Apt #2',
      city: 'Tempe',
      state: 'AZ',
      zipcode: '85281',
      country: 'US',
      phoneNumber: '+1 480 555 5555 5555',
      email: 'tthomas@xyz.example',
      ipAddress: '10.70.60.14',
      browserHttpUserAgent: 'Mozilla/5.0 (X11; 123.0.0.0.4567890123)',
      browserHttpAccept: '*/*',
      browserHttpAcceptLanguage: 'en-US',
      browserHttpAcceptEncoding: 'gzip',
    },
  );
});

test('3-D Secure has a sub account of its own, if there is one', () => {
  const sub = (session, threeDs) => JSON.parse(made(session, { threeDs }).body).clientSubacc;
  assert.deepEqual(
    [
      sub(FRONT),
      sub(FRONT, false),
      sub(FRONT, true),
      sub({ ...FRONT, client_subacc_3ds: undefined }, true),
      sub({ ...FRONT, client_subacc_3ds: null }, true),
    ],
    [0, 0, 1, 0, 0],
  );
});

test('whether 3-D Secure is needed is asked with ten digits of the card, as the format is', async () => {
  const request = ccbill().threeDsRequiredRequest(own('payment'), CARD);
  assert.deepEqual(request, {
    method: 'GET',
    url: 'https://api.ccbill.com/payment-tokens/threeds-required?bin=447370&last4=3598&clientAccnum=900684&clientSubacc=1&currencyCode=978',
    headers: { accept: 'application/vnd.mcn.transaction-service.api.v.2+json', authorization: 'Bearer t0' },
  });
  assert.match(
    ccbill().threeDsRequiredRequest({ ...FRONT, currency_code: 36 }, { ...CARD, cvc: '' }).url,
    /currencyCode=36$/,
  );
  assert.deepEqual(
    thrown(() => ccbill().threeDsRequiredRequest({ ...FRONT, currency_code: undefined }, CARD)),
    ['session_malformed', 'currency_code'],
  );
  assert.deepEqual(
    thrown(() => ccbill().threeDsRequiredRequest(own('tokenize'), CARD)),
    ['session_wrong_kind', undefined],
  );
  assert.equal(
    thrown(() => ccbill().threeDsRequiredRequest(FRONT, { ...CARD, number: '4473707989493599' }))[0],
    'card_invalid',
  );

  for (const [body, required] of [
    ['true', true],
    ['false', false],
    [{ required: true, amount: 9.99 }, true],
    [{ required: false }, false],
  ]) {
    assert.equal(await told(200, body).threeDsRequired(FRONT, CARD), required);
  }
  for (const body of ['"true"', '1', 'null', '[]', '{}', '{"required":"yes"}', '', '<html>'])
    assert.equal((await failed(told(200, body).threeDsRequired(FRONT, CARD))).code, 'answer_malformed', body);
  assert.equal((await failed(told(401, '').threeDsRequired(FRONT, CARD))).code, 'session_expired');
});

test("a sale's own card is named by its digits, none of which is lost", () => {
  for (const id of ['924313501000000101', '9007199254740993', '1']) {
    const { body, url } = made(
      FRONT,
      { customer: undefined, subscriptionId: id, timeToLive: 24, numberOfUse: 3 },
      null,
    );
    assert.equal(
      body,
      `{"clientAccnum":900684,"clientSubacc":0,"subscriptionId":${id},"timeToLive":24,"validNumberOfUse":3}`,
    );
    assert.match(url, /-verify$/);
  }
  for (const id of ['', '0', '0123', '-1', '1.5', '1e9', '9'.repeat(19), '1}'])
    assert.deepEqual(
      thrown(() => made(FRONT, { subscriptionId: id }, null)),
      ['option_invalid', 'subscriptionId'],
      id,
    );
  for (const id of [924313501000000101, 924313501000000101n, []])
    assert.deepEqual(
      thrown(() => made(FRONT, { subscriptionId: id }, null)),
      ['type_invalid', 'subscriptionId'],
    );
  // Not both: one of them would be charged unseen.
  assert.deepEqual(
    thrown(() => made(FRONT, { subscriptionId: '924313501000000101' })),
    ['option_invalid', 'subscriptionId'],
  );
});

test('nothing is asked for with a session, an option or an address that is not right', () => {
  for (const [change, code, field] of [
    [{ platform: 'gp_api' }, 'session_wrong_platform'],
    [{ kind: 'update' }, 'session_wrong_kind'],
    [{ expires_at: NOW }, 'session_expired'],
    [{ access_token: undefined }, 'session_malformed', 'access_token'],
    [{ access_token: 'a\r\nb' }, 'session_malformed', 'access_token'],
    [{ client_accnum: '900684' }, 'session_malformed', 'client_accnum'],
    [{ client_accnum: 1e6 }, 'session_malformed', 'client_accnum'],
    [{ client_subacc: -1 }, 'session_malformed', 'client_subacc'],
    [{ client_subacc: 0.5 }, 'session_malformed', 'client_subacc'],
    [{ base_url: undefined }, 'option_invalid', 'environment'],
    [{ base_url: 'http://api.ccbill.com' }, 'option_invalid', 'base_url'],
    [{ ip_address: '::1' }, 'session_malformed', 'ip_address'],
    [{ ip_address: '192.0.2.07' }, 'session_malformed', 'ip_address'],
    [{ time_to_live: 'x' }, 'option_invalid', 'timeToLive'],
  ]) {
    assert.deepEqual(
      thrown(() => made(own('payment', change))),
      [code, field],
      JSON.stringify(change),
    );
  }
  for (const [name, value, code] of [
    ['verify', 'no', 'type_invalid'],
    ['threeDs', 1, 'type_invalid'],
    ['timeToLive', -1, 'option_invalid'],
    ['timeToLive', 2147483648, 'option_invalid'],
    ['numberOfUse', 1.5, 'option_invalid'],
    ['customer', 'x', 'type_invalid'],
    ['customer', null, 'type_invalid'],
  ]) {
    assert.deepEqual(
      thrown(() => made(FRONT, { [name]: value })),
      [code, name],
      `${name} ${value}`,
    );
  }
  for (const environment of ['sandbox', 7, { base: 'ftp://x' }])
    assert.equal(thrown(() => ccbill({ environment }))[1], 'environment');
  assert.match(
    ccbill({ environment: { base: 'http://127.0.0.1:8/ccbill/' } }).createPaymentTokenRequest(FRONT, CARD, {
      customer: CUSTOMER,
    }).url,
    /^http:\/\/127\.0\.0\.1:8\/ccbill\/payment-tokens\//,
    'the page goes first',
  );
  assert.match(
    ccbill({ environment: 'production' }).createPaymentTokenRequest({ ...FRONT, base_url: undefined }, CARD, {
      customer: CUSTOMER,
    }).url,
    /^https:\/\/api\.ccbill\.com\//,
  );
});

// ------------------------------------------------------------------------------------- names and addresses

test('the name on the card has letters of any language, blanks, dots, apostrophes and dashes', () => {
  const named = (holder) =>
    JSON.parse(made(FRONT, {}, { ...CARD, holder }).body).paymentInfo.creditCardPaymentInfo.nameOnCard;
  for (const holder of ['Jo', "Jean-Luc d'Été", 'Dr. Ana Núñez', '李 小龍', 'a'.repeat(45)])
    assert.equal(named(holder), holder);
  assert.equal(named('Ana Nu\u0301n\u0303ez'), 'Ana Núñez', 'composed');
  for (const [holder, code] of [
    ['J', 'holder_too_short'],
    ['a'.repeat(46), 'holder_too_long'],
    ['Tyler, T', 'holder_characters'],
    ['Tyler 2', 'holder_characters'],
    ['T"T', 'holder_characters'],
    ['Ana 😀', 'holder_characters'],
    ['', 'holder_missing'],
    [CARD.number, 'holder_is_card_number'],
  ]) {
    try {
      made(FRONT, {}, { ...CARD, holder });
      assert.fail(holder);
    } catch (error) {
      assert.deepEqual([error.code, error.problems?.map((problem) => problem.code)], ['card_invalid', [code]], holder);
      assert.deepEqual(Object.keys(error.problems[0]), ['field', 'code', 'message']);
    }
  }
  assert.deepEqual(
    cardseal
      .validateCard({ ...CARD, holder: 'Tyler 2' }, { platform: 'ccbill', now: () => NOW })
      .problems.map(({ code }) => code),
    ['holder_characters'],
  );
  assert.equal(
    cardseal.validateCard({ ...CARD, cvc: '' }, { platform: 'ccbill', cvcOptional: true, now: () => NOW }).valid,
    true,
  );
});

test('what CCBill would refuse of a customer is said before anything is sent', () => {
  const check = (change) =>
    cardseal.checkCustomer({ ...CUSTOMER, ...change }).map(({ field, code }) => `${field} ${code}`);
  assert.deepEqual(check({}), []);
  assert.deepEqual(
    cardseal.checkCustomer({}).map(({ field, code, message }) => [field, code, message.length > 5]),
    ['firstName', 'lastName', 'postalCode', 'country', 'email'].map((field) => [field, 'missing', true]),
  );
  const long = 'x'.repeat(51);
  for (const [change, ...expected] of [
    [{ firstName: ' ' }, 'firstName missing'],
    [{ firstName: null }, 'firstName missing'],
    [{ firstName: 'José' }, 'firstName characters'],
    [{ lastName: 'a\nb' }, 'lastName characters'],
    [{ lastName: long }, 'lastName too_long'],
    [{ address1: long, address2: long, city: long }, 'address1 too_long', 'address2 too_long', 'city too_long'],
    [{ address1: 'Straße 1' }, 'address1 characters'],
    [{ state: 'Ariz' }, 'state too_long'],
    [{ postalCode: '1'.repeat(17), country: 'DE' }, 'postalCode too_long'],
    [{ postalCode: 'D-10115', country: 'DE' }],
    [{ postalCode: '8528' }, 'postalCode malformed'],
    [{ postalCode: '85281-1234' }],
    [{ postalCode: 'SW1A 1AA' }, 'postalCode malformed'],
    [{ country: 'USA' }, 'country too_long'],
    [{ country: 'us' }, 'country malformed'],
    [{ email: 'a@b' }, 'email malformed'],
    [{ email: 'a b@c.example' }, 'email malformed'],
    [{ email: `${'x'.repeat(250)}@c.example` }, 'email too_long'],
    [{ ipAddress: '::1' }, 'ipAddress malformed'],
    [{ ipAddress: '256.1.1.1' }, 'ipAddress malformed'],
    [{ ipAddress: '1.2.3' }, 'ipAddress malformed'],
    [{ ipAddress: '01.2.3.4' }, 'ipAddress malformed'],
    [{ ipAddress: '255.0.10.1' }],
    [{ lastName: CARD.number }, 'lastName is_card_number'],
    [{ address2: '4473-7079-8949-3598' }, 'address2 is_card_number'],
    [{ browserHttpUserAgent: 'x'.repeat(1025) }, 'browserHttpUserAgent too_long'],
  ]) {
    assert.deepEqual(check(change), expected, JSON.stringify(change));
    if (expected.length === 0) continue;
    try {
      made(FRONT, { customer: { ...CUSTOMER, ...change } });
      assert.fail('nothing was thrown');
    } catch (error) {
      seen(error);
      assert.deepEqual(
        [error.code, error.customerProblems.map(({ field, code }) => `${field} ${code}`), error.field],
        ['customer_invalid', expected, expected[0].split(' ')[0]],
      );
    }
  }
  for (const value of [7, true, {}, () => {}])
    assert.deepEqual(
      thrown(() => made(FRONT, { customer: { ...CUSTOMER, firstName: value } })),
      ['type_invalid', 'firstName'],
    );
});

/** Of each brand's ranges the first and the last beginning, and the ones beside them. */
function beginnings() {
  const table = readFileSync(path.join(root, 'src/card/brand.rs'), 'utf8').split('impl Serialize')[0];
  const lists = [...table.matchAll(/(?:true|false),\s*\[([\d\s,.=]+)\];/g)];
  const ranges = lists.flatMap(([, list]) => list.split(',').map((range) => range.trim().split('..=')));
  assert.ok(ranges.length > 60, `${ranges.length} ranges`);
  const near = (digits) => [-1, 0, 1].map((step) => `${+digits + step}`.padStart(digits.length, '0'));
  return new Set(ranges.flat().flatMap(near));
}

/** With the digit at the end that makes the check digit fit. */
function checked(digits) {
  const sum = [...digits]
    .reverse()
    .reduce((total, digit, at) => total + (at % 2 ? +digit : 2 * digit > 9 ? 2 * digit - 9 : 2 * digit), 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

test('a card number in a name or an address is what the name on the card calls one', () => {
  const inAddress = (text) =>
    cardseal.checkCustomer({ ...CUSTOMER, address1: text }).some(({ code }) => code === 'is_card_number');
  const inHolder = (text) =>
    cardseal
      .validateCard({ ...CARD, holder: text }, { now: () => NOW })
      .problems.some(({ code }) => code === 'holder_is_card_number');
  const found = { true: 0, false: 0 };
  const compare = (text) => {
    const said = inHolder(text);
    found[said] += 1;
    assert.equal(inAddress(text), said, text);
  };
  for (const beginning of beginnings()) {
    for (let length = 11; length <= 20; length += 1) {
      const digits = [...new Array(length - 1).keys()]
        .map((at) => beginning[at] ?? `${(7 * at + length) % 10}`)
        .join('');
      compare(checked(digits));
      compare(`${digits}${(+checked(digits).at(-1) + 1) % 10}`);
    }
  }
  for (const text of [
    'Building 4473 7079 8949 3598, Suite 5',
    'x4473707989493598x',
    '4473.7079/8949_3598',
    '4473\u20117079\u00a08949\u20223598',
    '４４７３７０７９８９４９３５９８',
    '5 4473707989493598',
    '4473 7079 8949 3598 85281',
    '99447370798949359899',
    '4473, 7079, 8949, 3598',
    '9c17a1fa-8e72-4163-8274-9896cdf3942f 4473707989493598',
    '9c17a1fa-8e72-4163-8274-447370798949',
    'aaaaaaaa-aaaa-aaaa-aaaa-4473707989493598',
    '1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
    // What people write into addresses, and what was refused as twelve digits: a parcel locker, a date and a time, a telephone number.
    'Packstation 123, 1234567890123',
    'PO Box 123456789012',
    '20261121035004',
    '+49 30 1234-567-890-12',
    '4473707989493597',
    '632512000001',
  ])
    compare(text);
  assert.ok(found.true > 200 && found.false > 2000, JSON.stringify(found));
  assert.deepEqual(
    cardseal.checkCustomer({ ...CUSTOMER, address1: 'PO Box 123456789012', city: 'Packstation 20261121035004' }),
    [],
  );
  // However long it is, it is looked through at once.
  assert.equal(inAddress('1 '.repeat(100_000)), false);
});

// -------------------------------------------------------------------------------------------------- answers

test('a payment token is read, and no digit of an id is lost, whichever version answers', async () => {
  const asked = [];
  const token = await told(200, { ...TOKEN, cvv2Response: 'M', later: [1] }, asked).createPaymentToken(FRONT, CARD, {
    customer: CUSTOMER,
  });
  assert.deepEqual(token, {
    id: ID,
    platform: 'ccbill',
    brand: null,
    bin: null,
    last4: null,
    expiry: null,
    holder: null,
    nickname: null,
    status: 'unconfirmed',
    signature: null,
    raw: { ...TOKEN, cvv2Response: 'M', later: [1] },
    subscriptionId: '924313501000000101',
    warnings: [],
  });
  assert.deepEqual(
    [asked[0].credentials, asked[0].cache, asked[0].redirect, asked[0].referrerPolicy],
    ['omit', 'no-store', 'error', 'no-referrer'],
  );
  const id = async (text) =>
    (
      await create(
        200,
        JSON.stringify({ ...TOKEN, note: '"subscriptionId":7, \\' }).replace('"924313501000000101"', text),
      )
    ).subscriptionId;
  // What a double would make of these is another sale.
  for (const digits of [
    '924313501000000101',
    '9007199254740993',
    '18446744073709551615',
    '9007199254740991',
    '0',
    '12',
  ]) {
    assert.equal(await id(digits), digits);
    assert.equal(await id(` ${digits} `), digits);
    assert.equal(await id(`"${digits}"`), digits);
  }
  assert.equal(await id('null'), null);
  for (const text of [
    '9.24313501000000101e17',
    '924313501000000101.0',
    '1.5',
    '-924313501000000101',
    'true',
    '{}',
    '["1"]',
    '"x"',
    '1e3000',
  ]) {
    assert.equal((await failed(id(text))).code, 'answer_malformed', text);
  }
  const { raw } = await create(
    200,
    `{"note":"4, 1234567890123456789 \\"5","paymentTokenId":"${ID}","clientAccnum":900684,"clientSubacc":0,"deep":[{"denialId":925013101000000100},-925013101000000100,1.2345678901234567]}`,
  );
  assert.deepEqual(
    [raw.note, raw.deep],
    ['4, 1234567890123456789 "5', [{ denialId: '925013101000000100' }, '-925013101000000100', 1.2345678901234567]],
  );
});

test('what is no payment token is none', async () => {
  for (const change of [
    { paymentTokenId: null },
    { paymentTokenId: '../x' },
    { paymentTokenId: 'a'.repeat(65) },
    { paymentTokenId: '' },
    { paymentTokenId: 7 },
    { clientAccnum: '900684' },
    { clientAccnum: null },
    { clientSubacc: -1 },
    { clientSubacc: undefined },
  ]) {
    assert.equal((await failed(create(200, { ...TOKEN, ...change }))).code, 'answer_malformed', JSON.stringify(change));
  }
  for (const text of ['', 'null', '[]', '"x"', '<html>', '{"value":', '{', '"'.repeat(100_001)])
    assert.equal((await failed(create(200, text))).code, 'answer_malformed', text.slice(0, 9));
  assert.equal((await create(200, { ...TOKEN, errors: null, errorCode: null })).id, ID, 'as older texts have it');
  assert.equal((await failed(create(200, { ...TOKEN, errorCode: 200000 }))).code, 'platform_rejected');
});

test("errors keep the platform's number and status, and nothing of the card", async () => {
  const body = (errorCode, errors = [], generalMessage = 'Forbidden') => ({
    id: '9c17a1fa-8e72-4163-8274-9896cdf3942f',
    url: '/payment-tokens',
    errors,
    generalMessage,
    errorCode,
    timestamp: '2024-12-31T07:37:34.748Z',
  });
  for (const [status, errorCode, code, retryable] of [
    [400, 100102, 'platform_rejected', false],
    [400, '200000', 'platform_rejected', false],
    [403, 100020, 'platform_rejected', false],
    [406, 100015, 'platform_rejected', false],
    // The same number under another status is another fault.
    [400, 100106, 'platform_rejected', false],
    [500, 100106, 'platform_unavailable', true],
    [500, 100100, 'platform_unavailable', true],
    [503, 100112, 'platform_unavailable', true],
    [500, 100107, 'platform_rejected', false],
    [500, 100108, 'platform_rejected', false],
    [500, 100109, 'platform_rejected', false],
    [500, 100110, 'platform_rejected', false],
    [500, 100111, 'platform_rejected', false],
  ]) {
    const error = await failed(create(status, body(errorCode)));
    assert.deepEqual(
      [error.code, error.platformCode, error.status, error.retryable, error.platformMessage],
      [code, `${errorCode}`, status, retryable, 'Forbidden'],
      `${status} ${errorCode}`,
    );
  }
  const errors = [
    { field: 'customerInfo.email', message: 'Invalid email address' },
    { field: null, message: 'Unsupported characters' },
    7,
    null,
  ];
  assert.equal(
    (await failed(create(400, body(200000, errors, 'Validation failed!')))).platformMessage,
    'Validation failed! customerInfo.email Invalid email address Unsupported characters',
  );
  const echo = [
    {
      field: 'paymentInfo.creditCardPaymentInfo.cvv2',
      message: 'rejected value [739] of 4473 7079 8949 3598, 44737079, 4473-7079',
    },
  ];
  assert.equal(
    (await failed(create(400, body(200000, echo)))).platformMessage,
    'Forbidden paymentInfo.creditCardPaymentInfo.cvv2 rejected value [***] of ****************, ***, ***-***',
  );
  for (const [status, text, code] of [
    [401, '', 'session_expired'],
    [401, { error: 'unauthorized' }, 'session_expired'],
    [403, '', 'answer_malformed'],
    [404, '<html>', 'answer_malformed'],
    [400, { errorCode: 'x' }, 'answer_malformed'],
    [500, 'down', 'answer_malformed'],
    [502, 'down', 'platform_unavailable'],
    [400, { errorCode: 4473707989493598 }, 'answer_malformed'],
    [400, { errorCode: {}, errors: {}, generalMessage: [] }, 'answer_malformed'],
  ]) {
    assert.equal((await failed(create(status, text))).code, code, `${status} ${JSON.stringify(text)}`);
  }
});

// ----------------------------------------------------------------------------------------------- hand-over

const handed = (token, options, session = own('payment')) =>
  JSON.parse(ccbill().confirmPaymentRequest(session, token, options).body);
const THREE = { raw: { ...TOKEN, clientSubacc: 1 } };

test('the server gets the three members of a token that it reads', () => {
  const request = ccbill({ server: '/shop' }).confirmTokenRequest(own('tokenize'), { raw: { ...TOKEN, more: CARD } });
  assert.deepEqual(
    [request.url, JSON.parse(request.body)],
    ['/shop/v1/tokens', { session: 'ses_1', answer: { paymentTokenId: ID, clientAccnum: 900684, clientSubacc: 0 } }],
  );
  const paid = ccbill().confirmPaymentRequest(own('payment'), { raw: TOKEN }, { idempotencyKey: 'k-1' });
  assert.deepEqual(
    [paid.url, paid.headers['idempotency-key'], JSON.parse(paid.body)],
    [
      '/v1/payments',
      'k-1',
      { session: 'ses_1', answer: { paymentTokenId: ID, clientAccnum: 900684, clientSubacc: 0 } },
    ],
  );
  for (const raw of [undefined, null, {}, 'x', { ...TOKEN, paymentTokenId: 'a/b' }])
    assert.equal(thrown(() => ccbill().confirmTokenRequest(own('tokenize'), { raw }))[0], 'answer_malformed');
  assert.deepEqual(
    thrown(() => ccbill().confirmTokenRequest(FRONT, { raw: TOKEN })),
    ['type_invalid', 'session'],
  );
});

test("what came of 3-D Secure is handed over in the form of the platform's script, and nothing else that is in it", () => {
  const threedsInformation = { ...THREEDS };
  delete threedsInformation.sdkTransId;
  const expected = {
    session: 'ses_1',
    answer: { paymentToken: { paymentTokenId: ID, clientAccnum: 900684, clientSubacc: 1 }, threedsInformation },
  };
  assert.deepEqual(
    handed(THREE, { threedsInformation: { ...THREEDS, card: CARD, cardNumber: CARD.number, error: '', xid: '' } }),
    expected,
  );
  // The script's own object, without a token of ours.
  assert.deepEqual(handed({ paymentToken: THREE.raw, threedsInformation: THREEDS }), expected);
  assert.deepEqual(handed({ paymentToken: TOKEN, threedsInformation: null }).answer, {
    paymentTokenId: ID,
    clientAccnum: 900684,
    clientSubacc: 0,
  });
  const { threedsInformation: words } = handed(THREE, {
    threedsInformation: {
      ...THREEDS,
      success: 'true',
      amount: 9.99,
      currency: 978,
      cardToken: '01ae5d142g7efb4b-and-more',
    },
  }).answer;
  assert.deepEqual(
    [words.success, words.amount, words.currency, words.cardToken],
    [true, '9.99', '978', '01ae5d142g7efb4b-and-more'],
  );
  const old = {
    ...THREEDS,
    protocolVersion: '1.0.2',
    dsTransId: null,
    acsTransId: null,
    authenticationValue: null,
    xid: 'Nmp3VFdWMlEwZ05pWGN3SGo4TDA=',
    cavv: 'AAABBEg0VhI0VniQEjRWAAAAAAA=',
    cavvAlgorithm: '2',
  };
  assert.equal(handed(THREE, { threedsInformation: old }).answer.threedsInformation.cavv, old.cavv);
  assert.equal(
    handed({ raw: TOKEN }, { threedsInformation: THREEDS }, own('payment', { client_subacc_3ds: undefined })).answer
      .paymentToken.clientSubacc,
    0,
    'without a sub account of its own',
  );
});

test('a failed authentication is handed over as failed, whatever else it holds', () => {
  for (const change of [
    { status: 'N' },
    { status: 'U' },
    { success: false },
    { success: 'false' },
    { error: 'AUTHENTICATION_FAILED' },
    { error: 'not this time, sorry' },
    { status: 'R', eci: null, amount: null },
  ]) {
    const { status, success, ...rest } = handed(THREE, { threedsInformation: { ...THREEDS, ...change } }).answer
      .threedsInformation;
    assert.deepEqual([status, success, rest], [change.status ?? 'Y', false, {}], JSON.stringify(change));
  }
});

test('what the script resolves to is refused where the server would refuse it', () => {
  for (const [name, ...values] of [
    ['status', null, '', 'YY', 7],
    ['success', null, undefined, 1, 'yes'],
    ['eci', null, '055', '0\n'],
    ['protocolVersion', null, '', 'x'.repeat(21)],
    ['clientTransactionId', undefined, 'x'.repeat(37)],
    ['dsTransId', null, 'a b'],
    ['acsTransId', '', 'a\nb'],
    ['authenticationValue', null, 'x'.repeat(37), 'é'],
    ['authenticationType', 7, 'x'.repeat(37)],
    ['cavv', 'x'.repeat(1025)],
    ['amount', '9.98', '10', null, '9,99', '', 'x', ['9.99', 1], Infinity],
    ['currency', '840', 'EUR', null, ''],
  ]) {
    for (const value of values)
      assert.deepEqual(
        thrown(() => handed(THREE, { threedsInformation: { ...THREEDS, [name]: value } })),
        ['answer_malformed', name],
        `${name} ${value}`,
      );
  }
  for (const name of ['xid', 'cavv', 'cavvAlgorithm']) {
    const old = { ...THREEDS, protocolVersion: '1.0.2', xid: 'x', cavv: 'y', cavvAlgorithm: '2', [name]: '' };
    assert.deepEqual(
      thrown(() => handed(THREE, { threedsInformation: old })),
      ['answer_malformed', name],
    );
  }
  for (const amount of ['9.990', 9.99, '9.99']) handed(THREE, { threedsInformation: { ...THREEDS, amount } });
  handed(
    { raw: { ...TOKEN, clientSubacc: 1 } },
    { threedsInformation: { ...THREEDS, amount: '36', currency: '036' } },
    own('payment', { amount: '36.00', currency_code: 36 }),
  );
  // A token of the other sub account, or of another account, would be refused there.
  assert.deepEqual(
    thrown(() => handed({ raw: TOKEN }, { threedsInformation: THREEDS })),
    ['option_invalid', 'threeDs'],
  );
  assert.deepEqual(
    thrown(() => handed(THREE)),
    ['option_invalid', 'threeDs'],
  );
  assert.deepEqual(
    thrown(() => handed({ raw: { ...TOKEN, clientAccnum: 900685 } })),
    ['option_invalid', 'threeDs'],
  );
});

test('a charge whose answer was lost is not to be tried again', async () => {
  for (const fetch of [
    async () => {
      throw new Error('broken');
    },
    (_url, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('late')));
      }),
  ]) {
    const error = await failed(ccbill({ fetch }).confirmPayment(own('payment'), { raw: TOKEN }, { timeoutMs: 50 }));
    assert.equal(error.retryable, false, error.code);
  }
  // A token that was not made may be.
  assert.equal(
    (
      await failed(
        ccbill({
          fetch: async () => {
            throw new Error('broken');
          },
        }).createPaymentToken(FRONT, CARD, { customer: CUSTOMER }),
      )
    ).retryable,
    true,
  );
  const paid = await told(201, {
    id: 'pay_1',
    platform: 'ccbill',
    status: 'approved',
    order_reference: 'o',
  }).confirmPayment(own('payment'), { raw: TOKEN });
  assert.deepEqual([paid.id, paid.status, paid.orderReference], ['pay_1', 'approved', 'o']);
  const kept = await told(201, { id: 'tok_1', platform: 'ccbill', status: 'active' }).confirmToken(own('tokenize'), {
    raw: TOKEN,
  });
  assert.deepEqual([kept.id, kept.status, kept.last4], ['tok_1', 'active', null]);
});
