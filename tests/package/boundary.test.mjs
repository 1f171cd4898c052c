// What a page or a platform may hand over, whatever it is: sessions, options and answers, which JavaScript reads.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';

const vectors = JSON.parse(readFileSync(new URL('../vectors/greenpay.json', import.meta.url), 'utf8'));
const key = (name) => vectors.rsa_keys[name].public_spki_base64_one_line;
const NOW = 1_795_219_200_000;
const CARD = { number: '4242 4242 4242 4242', expiry: '12/30', cvc: '123', holder: 'Ana Mora', nickname: 'My Visa' };
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };
const ACCESS = { access_token: 't0', reference: 'r-1' };
const CLIENT = { clientSessionId: '0123', customerId: '9991-0', clientApiUrl: 'https://x.example/client' };
const FRONT = {
  access_token: 't0',
  base_url: 'https://x.example',
  client_accnum: 900684,
  client_subacc: 0,
  currency_code: 840,
};
const CUSTOMER = { firstName: 'Ana', lastName: 'Mora', email: 'ana@x.example', postalCode: '85281', country: 'US' };
const now = () => NOW;

let cardseal;
let mask;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
  ({ mask } = await import('../../pkg/cardseal.js'));
});

/** What a call throws: its code and field, after it was seen to repeat nothing of the card. */
function thrown(work) {
  try {
    work();
  } catch (error) {
    assert.equal(error.name, 'CardsealError', error.stack);
    assert.doesNotMatch(`${JSON.stringify(error)} ${error.message}`, /4242/);
    return [error.code, error.field];
  }
  return assert.fail('nothing was thrown');
}

const greenpay = (options) => new cardseal.GreenPay({ publicKey: key('t1024'), now, ...options });
const gpApi = (options) => new cardseal.GpApi({ environment: 'sandbox', now, ...options });
const ccbill = (options) => new cardseal.CcBill({ environment: { base: 'https://x.example' }, now, ...options });
const payments = (options) =>
  new cardseal.OnlinePayments({ environment: { base: 'https://x.example' }, now, ...options });
/** A `fetch` that gives one answer. */
const says = (status, body) => ({
  fetch: async () => new Response(typeof body === 'string' ? body : JSON.stringify(body ?? null), { status }),
});
const failed = (promise) =>
  promise.then(
    () => assert.fail('nothing was thrown'),
    (error) => {
      assert.equal(error.name, 'CardsealError', error.stack);
      assert.doesNotMatch(`${JSON.stringify(error)} ${error.message}`, /4242424242424242/);
      return [error.code, error.platformCode];
    },
  );

test('an encryptor cannot exist without a key', () => {
  for (const [publicKey, code, field] of [
    [undefined, 'key_missing'],
    [null, 'key_missing'],
    ['', 'key_missing'],
    [' \\n ', 'key_missing'],
    ['junk', 'key_malformed'],
    [7, 'type_invalid', 'publicKey'],
    ['-----BEGIN PUBLIC KEY-----', 'key_malformed'],
    ['-----BEGIN EC PRIVATE KEY-----', 'key_is_private'],
    [`${key('t1024')}AAAA`, 'key_malformed'],
  ]) {
    assert.deepEqual(
      thrown(() => new cardseal.GreenPay({ publicKey })),
      [code, field],
      `${publicKey}`,
    );
  }
  assert.equal(thrown(() => new cardseal.GreenPay())[0], 'key_missing');
});

test('a key is the same in every form that people paste', () => {
  const { public_spki_pem: pem } = vectors.rsa_keys.t1024;
  const hex = Buffer.from(key('t1024'), 'base64').toString('hex');
  for (const form of [
    pem,
    pem.replace(/\n/g, '\r\n'),
    pem.replace(/\n/g, '\\n'),
    pem.replace(/\n/g, ' '),
    hex,
    hex.toUpperCase(),
    key('t1024').replace(/=/g, ''),
    `\n ${key('t1024')} `,
  ]) {
    assert.deepEqual(
      new cardseal.GreenPay({ publicKey: form }).warnings.map(({ bits }) => bits),
      [1024],
      form,
    );
  }
});

test('only safe hosts are taken', () => {
  for (const checkout of [
    'http://shop.example',
    'http://127.0.0.1.example',
    'http://[::1].example',
    'ftp://x',
    'https://',
    'https://a b',
    'https://u@h',
    '//x',
    'javascript:1',
    'https://x?y',
    'https://x#y',
    'https://x\\y',
    '/x',
    '',
  ]) {
    assert.deepEqual(
      thrown(() => greenpay({ environment: { checkout } })),
      ['option_invalid', 'environment'],
      checkout,
    );
  }
  for (const checkout of ['https://c.example', 'http://127.0.0.1:81/x/', 'http://localhost', 'http://[::1]:9'])
    greenpay({ environment: { checkout } });
  for (const server of ['//x', 'x', 'http://x.example', '/a b'])
    assert.deepEqual(
      thrown(() => greenpay({ server })),
      ['option_invalid', 'server'],
      server,
    );
  for (const server of ['', '/', '/shop/', 'https://shop.example']) greenpay({ server });
  for (const [name, value] of [
    ['environment', 'live'],
    ['environment', 7],
    ['signature', 'no'],
    ['server', 7],
  ]) {
    assert.equal(thrown(() => greenpay({ [name]: value }))[1], name);
  }
});

test('an old session is refused before the card is looked at', () => {
  const made = (created_at, card) => thrown(() => greenpay().tokenizeRequest({ ...ORDER, created_at }, card));
  assert.deepEqual(made(NOW - 1_800_000, null), ['session_expired', undefined]);
  // A second younger it is the missing card that is refused.
  assert.deepEqual(made(NOW - 1_799_000, null), ['type_invalid', 'card']);
  assert.deepEqual(made('yesterday', CARD), ['session_malformed', 'created_at']);
  assert.deepEqual(
    thrown(() => greenpay().tokenizeRequest({ ...ORDER, token: '\r\nx' }, CARD)),
    ['session_malformed', 'token'],
  );
});

test('a session of the server is taken for its own platform and kind alone', () => {
  const own = {
    id: 'ses_1',
    platform: 'greenpay',
    kind: 'tokenize',
    mode: 'relay',
    created_at: NOW,
    expires_at: NOW + 1000,
  };
  const asked = (change) => thrown(() => greenpay().tokenizeRequest({ ...own, ...change }, CARD));
  assert.equal(greenpay().tokenizeRequest(own, CARD).url, '/v1/tokens');
  for (const [change, code, field] of [
    [{ mode: 'both' }, 'session_malformed', 'mode'],
    [{ platform: 'gp_api' }, 'session_wrong_platform'],
    [{ kind: 'payment' }, 'session_wrong_kind'],
    [{ kind: undefined }, 'session_malformed', 'kind'],
    [{ expires_at: NOW }, 'session_expired'],
    [{ expires_at: undefined }, 'session_malformed', 'expires_at'],
    [{ created_at: null }, 'session_malformed', 'created_at'],
    [{ id: '../x' }, 'session_malformed', 'id'],
    [{ id: undefined }, 'session_malformed', 'id'],
    [{ mode: 'direct' }, 'session_malformed', 'session'],
  ]) {
    assert.deepEqual(asked(change), [code, field], JSON.stringify(change));
  }
  for (const session of [null, undefined, [], 'x'])
    assert.equal(thrown(() => greenpay().tokenizeRequest(session, CARD))[0], 'session_malformed');
});

test('bad values are named and never repeated', () => {
  for (const [name, value] of [
    ['number', 4242424242424242],
    ['cvc', ['987']],
    ['holder', {}],
    ['expiry', true],
    ['nickname', 7n],
    ['number', () => {}],
    ['expiry', { month: [], year: 30 }],
    ['expiry', { month: NaN, year: 30 }],
  ]) {
    assert.deepEqual(
      thrown(() => greenpay().tokenizeRequest(ORDER, { ...CARD, [name]: value })),
      ['type_invalid', name],
    );
  }
  for (const [name, value, code] of [
    ['counter', 'no', 'option_invalid'],
    ['counter', 7, 'type_invalid'],
    ['kountSession', 'a b', 'option_invalid'],
    ['kountSession', '', 'option_invalid'],
    ['tokenize', 'yes', 'type_invalid'],
  ]) {
    assert.deepEqual(
      thrown(() => greenpay().payRequest(ORDER, CARD, { [name]: value })),
      [code, name],
    );
  }
});

test('unpaired surrogates are a problem of their field', () => {
  for (const [holder, fine] of [
    ['\ud800 Ana Mora', false],
    ['Ana \udc00 Mora', false],
    ['Ana \ud800\ud800 Mora', false],
    ['Ana \ud800A Mora', false],
    ['Ana \ud83d\ude00 Mora', true],
    ['Ana\0Mora', false],
  ]) {
    const { valid, problems } = cardseal.validateCard({ ...CARD, holder }, { platform: 'greenpay', now });
    assert.deepEqual(
      [valid, problems.map(({ code }) => code)],
      [fine, fine ? [] : ['holder_characters']],
      JSON.stringify(holder),
    );
  }
});

test('an expiry may be an object', () => {
  const check = (expiry) => cardseal.validateCard({ ...CARD, expiry }, { platform: 'greenpay', now });
  for (const expiry of [
    { month: 5, year: 2030 },
    { month: '05', year: '30' },
    { month: 12, year: 30 },
  ])
    assert.equal(check(expiry).valid, true, JSON.stringify(expiry));
  for (const [expiry, code] of [
    [{}, 'expiry_missing'],
    [{ month: 5 }, 'expiry_malformed'],
    [{ month: 5.5, year: 2030 }, 'expiry_malformed'],
    [{ month: 13, year: 2030 }, 'expiry_month'],
    [{ month: '5555555555554444', year: 30 }, 'expiry_malformed'],
    [{ month: -1, year: 30 }, 'expiry_malformed'],
  ]) {
    assert.equal(check(expiry).problems[0].code, code, JSON.stringify(expiry));
  }
});

// ---------------------------------------------------------------------------------------------------- answers

test('GreenPay: answers are read whatever they are', async () => {
  const token = (status, body, options) => greenpay({ ...says(status, body), ...options }).tokenize(ORDER, CARD);
  assert.deepEqual(await failed(token(200, {})), ['answer_malformed', undefined]);
  assert.deepEqual(await failed(token(504, 'down')), ['platform_unavailable', undefined]);
  const refused = { status: 500, requestId: 'r', errors: ['Error: Session not found'] };
  for (const status of [200, 500])
    assert.deepEqual(await failed(token(status, refused)), ['platform_rejected', 'session_not_found']);
  const answer = {
    status: 201,
    requestId: 'r0',
    errors: [],
    result: { token: 't', bin: '424242', last_digits: '4242' },
  };
  assert.deepEqual(await failed(token(200, answer)), ['signature_invalid', undefined]);
  assert.deepEqual((await token(200, answer, { signature: 'warn' })).signature, { verified: false, signedFields: [] });
  const signed = { ...answer, requestId: 'xwr-1023', _signature: vectors.signatures[1].signature_hex };
  const read = {
    id: 't',
    platform: 'greenpay',
    brand: null,
    bin: '424242',
    last4: '4242',
    expiry: null,
    holder: null,
    nickname: null,
    status: 'unconfirmed',
    signature: { verified: true, signedFields: ['status', 'requestId'] },
    warnings: [],
  };
  assert.deepEqual(await token(200, signed), { ...read, raw: signed });
  const digits = { ...signed, status: '201' };
  assert.deepEqual(await token(200, digits), { ...read, raw: digits });
  const full = { ...signed, brand: 'VISA', expiration_date: 3012, cardHolder: 'Ana 4242424242424242', nickname: 7 };
  assert.deepEqual(await token(200, full), {
    ...read,
    brand: 'visa',
    expiry: { month: 12, year: 2030 },
    holder: 'Ana ****************',
    nickname: '7',
    raw: full,
  });
  for (const [name, value] of [
    ['status', null],
    ['status', 1.5],
    ['requestId', {}],
    ['result', []],
    ['result', 'x'],
  ]) {
    assert.equal((await failed(token(200, { ...signed, [name]: value })))[0], 'answer_malformed', name);
  }
});

test('GreenPay: what the web form answers is read from the address of the return', () => {
  const session = {
    id: 'ses_1',
    platform: 'greenpay',
    kind: 'tokenize',
    mode: 'direct',
    created_at: NOW,
    expires_at: NOW + 1000,
    form_url: 'https://tokenizeform.greenpay.me/2b1f0c52',
    return_url: 'https://shop.example/back/',
  };
  assert.equal(greenpay().formUrl(session), session.form_url);
  assert.deepEqual(
    thrown(() => greenpay().formUrl({ ...session, form_url: 'https://evil.example/x' })),
    ['session_host_refused', 'form_url'],
  );
  const signed = {
    status: 201,
    requestId: 'xwr-1023',
    errors: [],
    // In base64 this name has a slash and a plus.
    nickname: '~~?~~>ñ',
    result: { token: 't', bin: '424242', last_digits: '4242' },
    _signature: vectors.signatures[1].signature_hex,
  };
  const base64 = Buffer.from(JSON.stringify(signed)).toString('base64');
  assert.match(base64, /[/+]/);
  const read = (text, given = session) => greenpay().returnedToken(given, text);
  for (const address of [
    `https://shop.example/back/${base64}`,
    `https://shop.example/back/${encodeURIComponent(base64)}`,
    `https://shop.example/back/${base64}?utm=1#top`,
    `https://shop.example/back/${base64.replaceAll('=', '')}`,
  ]) {
    const token = read(address);
    assert.deepEqual([token.id, token.status, token.signature.verified], ['t', 'unconfirmed', true], address);
    assert.deepEqual(token.raw, signed);
  }
  const request = greenpay().confirmTokenRequest(session, read(`https://shop.example/back/${base64}`));
  assert.deepEqual(JSON.parse(request.body), { session: 'ses_1', answer: signed });
  for (const address of [
    'https://shop.example/back/',
    'https://shop.example/back',
    `https://shop.example/backwards/${base64}`,
    `https://evil.example/back/${base64}`,
    'https://shop.example/back/bm90IGpzb24=',
    'https://shop.example/back/%E0%A4%A',
    '4242424242424242',
    null,
    undefined,
    {},
  ])
    assert.deepEqual(
      thrown(() => read(address)),
      ['answer_malformed', 'address'],
      String(address),
    );
  for (const wrong of [{}, null, { ...session, return_url: 7 }])
    assert.deepEqual(
      thrown(() => read(`https://shop.example/back/${base64}`, wrong)),
      ['session_malformed', 'return_url'],
    );
  const refused = Buffer.from(JSON.stringify({ status: 500, errors: ['Error: Session not found'] })).toString('base64');
  assert.deepEqual(
    thrown(() => read(`https://shop.example/back/${refused}`)),
    ['platform_rejected', undefined],
  );
  const unsigned = Buffer.from(JSON.stringify({ ...signed, _signature: undefined })).toString('base64');
  assert.deepEqual(
    thrown(() => read(`https://shop.example/back/${unsigned}`)),
    ['signature_invalid', undefined],
  );
  const declined = { status: 500, orderId: 'o', result: { success: false, resp_code: '51' }, errors: [] };
  const outcome = greenpay().returnedPayment(
    session,
    `https://shop.example/back/${Buffer.from(JSON.stringify(declined)).toString('base64')}`,
  );
  assert.deepEqual([outcome.status, outcome.decline.reason], ['declined', 'insufficient_funds']);
});

test('GreenPay: an approval and a decline are said only where nothing contradicts them', async () => {
  const paid = async (status, body) => {
    const outcome = await greenpay(says(status, body))
      .pay(ORDER, CARD)
      .catch((error) => ({ status: error.code }));
    return outcome.status;
  };
  // Every combination of what speaks for and against: the rule of the server's reader.
  for (const http of [200, 500]) {
    for (const status of [200, 500]) {
      for (const success of [undefined, true, false]) {
        for (const code of [undefined, '00', '51']) {
          for (const authorization of ['', '123456']) {
            for (const text of ['', 'Invalid token', 'another word']) {
              const body = {
                status,
                orderId: 'o',
                authorization,
                result: { success, resp_code: code },
                errors: [text],
              };
              const against = success === false || code === '51';
              const pro = success === true || code === '00' || authorization !== '';
              const expected =
                http === 200 && status === 200 && !against
                  ? 'approved'
                  : status === 500 && code === '51' && !pro
                    ? 'declined'
                    : status === 500 && !code && !pro && text === 'Invalid token'
                      ? 'platform_rejected'
                      : 'unknown';
              assert.equal(await paid(http, body), expected, `${http} ${JSON.stringify(body)}`);
            }
          }
        }
      }
    }
  }
  for (const body of [
    null,
    'x',
    [],
    { status: 200, result: [] },
    { status: 200, orderId: {} },
    { status: 200, result: { success: 'yes' } },
  ])
    assert.equal(await paid(200, body), 'unknown');
  const declined = await greenpay(
    says(500, {
      status: 500,
      orderId: 7,
      last4: '4242',
      brand: 'Visa',
      result: { success: false, resp_code: 51, reserved_private4: 'FONDOS' },
    }),
  ).pay(ORDER, CARD);
  assert.deepEqual(
    [declined.orderReference, declined.last4, declined.brand, declined.decline],
    ['7', '4242', 'visa', { code: '51', reason: 'insufficient_funds', message: 'FONDOS' }],
  );
});

test('GP API: requests and answers', async () => {
  const request = gpApi().tokenizeRequest(ACCESS, { ...CARD, expiry: '5/2030' }, {});
  assert.equal(request.url, 'https://apis.sandbox.globalpay.com/ucp/payment-methods');
  assert.deepEqual(request.headers, {
    accept: 'application/json',
    'content-type': 'application/json',
    authorization: 'Bearer t0',
    'x-gp-version': '2021-03-22',
    'x-gp-library': 'javascript;version=5.0.1',
  });
  assert.equal(
    request.body,
    '{"reference":"r-1","usage_mode":"SINGLE","card":{"number":"4242424242424242","cvv":"123","expiry_month":"05","expiry_year":"30"},"name":"Ana Mora"}',
  );
  const network = JSON.parse(
    gpApi().tokenizeRequest(
      { ...ACCESS, account_name: 'a' },
      { ...CARD, holder: '' },
      { useNetworkToken: true, reference: 'mine' },
    ).body,
  );
  assert.deepEqual(
    [network.usage_mode, network.account_name, network.reference, 'name' in network],
    ['USE_NETWORK_TOKEN', 'a', 'mine', false],
  );
  assert.deepEqual(
    thrown(() => new cardseal.GpApi({ now }).tokenizeRequest(ACCESS, CARD)),
    ['option_invalid', 'environment'],
  );
  assert.deepEqual(
    thrown(() => gpApi().tokenizeRequest({ ...ACCESS, access_token: 'a\nb' }, CARD)),
    ['session_malformed', 'access_token'],
  );
  // A page that has a token and nothing else, as the platform's own sample gives it: the reference is a random one.
  const bare = Array.from({ length: 2 }, () =>
    new cardseal.GpApi({
      environment: { base: 'https://x.example' },
      now,
    }).tokenizeRequest({ access_token: 't' }, CARD),
  );
  for (const { url, body } of bare) {
    assert.equal(url, 'https://x.example/payment-methods');
    assert.match(JSON.parse(body).reference, /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/);
  }
  assert.notEqual(bare[0].body, bare[1].body);

  const read = (status, body) => gpApi(says(status, body)).tokenize(ACCESS, CARD);
  const answer = {
    id: 'PMT_1',
    status: 'ACTIVE',
    name: 'Jane 4263970000005262',
    action: { result_code: 'SUCCESS' },
    card: { brand: 'VISA', masked_number_last4: 'XXXXXXXXXXXX5262', expiry_month: '05', expiry_year: '30' },
  };
  const { raw, ...token } = await read(200, answer);
  assert.deepEqual(token, {
    id: 'PMT_1',
    platform: 'gp_api',
    brand: 'visa',
    bin: null,
    last4: '5262',
    expiry: { month: 5, year: 2030 },
    holder: 'Jane ****************',
    nickname: null,
    status: 'unconfirmed',
    signature: null,
    warnings: [],
  });
  for (const [name, value] of [
    ['id', 'PMT_../x'],
    ['id', 'TRN_1'],
    ['id', null],
    ['id', 7],
    ['status', 'INACTIVE'],
    ['action', { result_code: 'DECLINED' }],
    ['card', []],
    ['card', { brand: 7 }],
  ]) {
    assert.deepEqual(
      await failed(read(200, { ...answer, [name]: value })),
      ['answer_malformed', undefined],
      `${name} ${value}`,
    );
  }
  const detailed = {
    error_code: 'MANDATORY_DATA_MISSING',
    detailed_error_code: '40005',
    detailed_error_description: 'number 4242424242424242',
  };
  assert.deepEqual(await failed(read(400, detailed)), ['platform_rejected', '40005']);
  assert.deepEqual(await failed(read(200, detailed)), ['platform_rejected', '40005']);
  assert.deepEqual(await failed(read(400, { error_code: '4263970000005262' })), [
    'platform_rejected',
    '****************',
  ]);
  assert.deepEqual(await failed(read(401, { error_code: 'NOT_AUTHENTICATED', detailed_error_code: '40002' })), [
    'session_expired',
    '40002',
  ]);
  assert.deepEqual(await failed(read(502, { error_code: 'SYSTEM_ERROR' })), ['platform_unavailable', 'SYSTEM_ERROR']);
  for (const [status, body] of [
    [400, {}],
    [200, []],
    [400, { error_code: 7 }],
    [200, 'x'],
  ])
    assert.equal((await failed(read(status, body)))[0], 'answer_malformed');
});

test('Online Payments: takes no other client API than the session says', () => {
  const asked = (clientApiUrl) => payments().publicKeyRequest({ ...CLIENT, clientApiUrl });
  for (const [url, base] of [
    ['https://x.example', 'https://x.example'],
    ['https://x.example/client/', 'https://x.example'],
    ['http://127.0.0.1:8', 'http://127.0.0.1:8'],
  ]) {
    assert.equal(asked(url).url, `${base}/client/v1/9991-0/crypto/publickey`);
  }
  for (const url of [
    '',
    'http://x.example',
    'https://',
    'https://x.example/v1',
    'https://x.example/client/x',
    'https://x"y.example',
    'https://a@x.example',
    'https://x.example?x',
    'javascript:alert(1)',
    '//x.example',
  ]) {
    assert.equal(thrown(() => asked(url))[0], 'session_malformed', url);
  }
  for (const [name, value] of [
    ['clientSessionId', 'a b'],
    ['customerId', '../x'],
    ['customerId', undefined],
  ]) {
    assert.deepEqual(
      thrown(() => payments().publicKeyRequest({ ...CLIENT, [name]: value })),
      ['session_malformed', name],
    );
  }
});

test('Online Payments: asks for what is bought in checked words alone', () => {
  for (const [name, value] of [
    ['countryCode', 'de'],
    ['countryCode', 'DE&x=1'],
    ['currencyCode', 'EU'],
    ['amount', -1],
    ['amount', '1'],
    ['amount', 1.5],
    ['isRecurring', 1],
  ]) {
    assert.equal(thrown(() => payments().productsRequest(CLIENT, { [name]: value }))[1], name);
  }
  const context = { countryCode: 'DE', currencyCode: 'EUR', amount: 1000, isRecurring: true };
  assert.equal(
    payments().productsRequest(CLIENT, context).url,
    'https://x.example/client/v1/9991-0/products?hide=fields&isRecurring=true&countryCode=DE&amount=1000&currencyCode=EUR',
  );
  assert.equal(
    payments().productRequest(CLIENT, 1).url,
    'https://x.example/client/v1/9991-0/products/1?isRecurring=false',
  );
  assert.equal(payments().iinDetailsRequest(CLIENT, '4242 4'), null);
  const body = (number, context) => JSON.parse(payments().iinDetailsRequest(CLIENT, number, context).body);
  assert.deepEqual(body('4242 4242 4242 4242', context), {
    bin: '42424242',
    paymentContext: { countryCode: 'DE', amountOfMoney: { amount: 1000, currencyCode: 'EUR' }, isRecurring: true },
  });
  assert.deepEqual(body('4242427'), { bin: '424242' });
});

test('Online Payments: reads what the platform answers', async () => {
  const iin = (status, body) => payments(says(status, body)).iinDetails(CLIENT, '424242');
  assert.deepEqual(
    await iin(200, {
      paymentProductId: 1,
      isAllowedInContext: false,
      countryCode: 'DE',
      coBrands: [{ paymentProductId: 130, isAllowedInContext: true }],
    }),
    {
      status: 'existing_but_not_allowed',
      paymentProductId: 1,
      countryCode: 'DE',
      cardType: null,
      coBrands: [{ paymentProductId: 130, isAllowedInContext: true }],
    },
  );
  assert.equal((await iin(200, { paymentProductId: 1 })).status, 'supported');
  const error = (id, code) => ({ errors: [{ id, code }] });
  assert.equal((await iin(404, error('UNKNOWN_PRODUCT_ID', '1007'))).status, 'unknown');
  // A session that has ended is not a card that is not known.
  assert.equal((await failed(iin(403, error('ACCESS_TO_CONSUMER_ID_NOT_ALLOWED', '9008'))))[0], 'session_expired');
  for (const [status, body] of [
    [404, null],
    [200, {}],
    [200, 'x'],
  ])
    assert.equal((await failed(iin(status, body)))[0], 'answer_malformed');
  const publicKey = key('t2048');
  const read = (body) => payments(says(200, body)).publicKey(CLIENT);
  assert.deepEqual(await read({ keyId: 'k-1', publicKey, x: 1 }), { keyId: 'k-1', publicKey });
  for (const body of [
    {},
    { publicKey },
    { keyId: 'k\n', publicKey },
    { keyId: 'k', publicKey: 'AAAA' },
    { keyId: 'k', publicKey: key('t1024') },
  ])
    assert.equal((await failed(read(body)))[0], 'answer_malformed');
});

// ---------------------------------------------------------------------------------------------------- anything

test('masks what the server masks', () => {
  for (const text of [
    '4242\u{a0}4242\u{a0}4242\u{a0}4242',
    '4242–4242–4242–4242',
    '4242.4242.4242.4242',
    '4242/4242/4242/4242',
    '４２４２４２４２４２４２４２４２',
    'order 7 4242424242424242',
    'aaaaaaaa-aaaa-aaaa-aaaa-4242424242424242',
    '4242424242424242-aaaa-aaaa-aaaa-aaaaaaaaaaaa',
    'aaaaaaaa-aaaa-aaaa-aaaa-424242424242\u{664}\u{662}\u{664}\u{662}',
    '42424242-4242-4242-4242-424242424242',
    '9c17a1fa-8e72-4163-8274-9896cdf3942f 4242424242424242',
  ]) {
    assert.doesNotMatch(mask(text), /4242|４/, text);
    assert.equal(mask(mask(text)), mask(text));
  }
  assert.equal(mask('PAN 4242 4242-4242 4242 refused'), 'PAN **************** refused');
  for (const text of [
    'order 12345, 2026-11-21',
    'id=PMT_9c17a1fa-8e72-4163-8274-9896cdf3942f, é',
    '00000000-0000-4000-8000-00000000000a',
    '',
  ])
    assert.equal(mask(text), text);
  assert.equal(mask(undefined), '');
});

const WORDS = [
  'status',
  'requestId',
  'result',
  'token',
  'last_digits',
  'bin',
  'expiration_date',
  'brand',
  'cardHolder',
  'errors',
  '_signature',
  'success',
  'resp_code',
  'reserved_private4',
  'orderId',
  'authorization',
  'last4',
  'paymentTokenId',
  'clientAccnum',
  'clientSubacc',
  'subscriptionId',
  'required',
  'generalMessage',
  'field',
  'id',
  'card',
  'action',
  'masked_number_last4',
  'expiry_month',
  'result_code',
  'name',
  'error_code',
  'detailed_error_code',
  'detailed_error_description',
  'errorCode',
  'code',
  'message',
  'keyId',
  'publicKey',
  'paymentProductId',
  'coBrands',
];
const VALUES = [
  null,
  true,
  false,
  0,
  200,
  100106,
  900684,
  '019f5576d7f046c3a375e8a054f2c033',
  '924313501000000101',
  201,
  500,
  -1,
  1.5,
  'PMT_1',
  'ACTIVE',
  'SUCCESS',
  '00',
  '51',
  'Invalid token',
  'Visa',
  '3012',
  'ff',
  '',
  '4242424242424242',
  'x 4242 4242 4242 4242',
  4242424242424242,
  '٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢',
];
const pick = (list) => list[randomInt(list.length)];
function anything(depth) {
  const kind = randomInt(depth ? 10 : 6);
  if (kind < 6) return pick(VALUES);
  if (kind === 6) return Array.from({ length: randomInt(4) }, () => anything(depth - 1));
  return Object.fromEntries(Array.from({ length: randomInt(9) }, () => [pick(WORDS), anything(depth - 1)]));
}

test('any answer is read or refused, and no card number comes back', async () => {
  let answer;
  const fetch = async () => new Response(JSON.stringify(answer[1]), { status: answer[0] });
  const calls = [
    () => greenpay({ fetch, signature: 'warn' }).tokenize(ORDER, CARD),
    () => greenpay({ fetch }).pay(ORDER, CARD),
    () => gpApi({ fetch }).tokenize(ACCESS, CARD),
    () => ccbill({ fetch }).createPaymentToken(FRONT, CARD, { customer: CUSTOMER }),
    () =>
      ccbill({ fetch })
        .threeDsRequired(FRONT, CARD)
        .then((required) => ({ required })),
    () => payments({ fetch }).iinDetails(CLIENT, '424242'),
    () => payments({ fetch }).publicKey(CLIENT),
  ];
  const ends = new Set();
  for (let count = 0; count < 6000; count++) {
    answer = [pick([200, 200, 200, 201, 400, 401, 403, 404, 500, 502]), anything(3)];
    const call = pick(calls);
    const said = await call().then(
      // The names that the merchant and the platform gave are theirs.
      ({ raw, id, orderReference, publicKey, coBrands, paymentProductId, countryCode, cardType, ...read }) => {
        ends.add('read');
        return read;
      },
      (error) => {
        assert.equal(error.name, 'CardsealError', `${error.stack} for ${JSON.stringify(answer)}`);
        ends.add(error.code);
        return { ...error, message: error.message };
      },
    );
    assert.doesNotMatch(JSON.stringify(said), /4242[ ]?4242|٤٢٤٢/, `${call} ${JSON.stringify(answer)}`);
  }
  for (const end of ['read', 'answer_malformed', 'platform_rejected', 'platform_unavailable'])
    assert.ok(ends.has(end), end);
});
