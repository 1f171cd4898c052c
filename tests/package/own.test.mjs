// Only own members of what a page, a platform or our own code hands around are read. Whatever another script has put on
// `Object.prototype` or `Array.prototype` changes nothing: not where a card goes, not what is sent, not what is said of it.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const vectors = JSON.parse(readFileSync(path.join(root, 'tests/vectors/greenpay.json'), 'utf8'));
const sealing = JSON.parse(readFileSync(path.join(root, 'tests/vectors/sealing.json'), 'utf8'));
const key = (name) => vectors.rsa_keys[name].public_spki_base64_one_line;
const NOW = 1_795_219_200_000;
const CARD = {
  number: '4242 4242 4242 4242',
  expiry: { month: 12, year: 2030 },
  cvc: '123',
  holder: 'Ana Mora',
  nickname: 'My Visa',
};
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };
const OWN = { id: 'ses_1', mode: 'relay', created_at: NOW, expires_at: NOW + 60_000 };
const ACCESS = { access_token: 't0', reference: 'r-1' };
const CLIENT = { clientSessionId: '0123', customerId: '9991-0', clientApiUrl: 'https://payment.payone.com/client' };
const FRONT = { access_token: 't0', client_accnum: 900684, client_subacc: 0, currency_code: 840 };
const CUSTOMER = { firstName: 'Ana', lastName: 'Mora', email: 'ana@x.example', postalCode: '85281', country: 'US' };
const {
  kid,
  jwk: { x, y },
} = sealing.key;
const SEAL = {
  ...OWN,
  platform: 'worldline_acquiring',
  kind: 'payment',
  seal: { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty: 'EC', crv: 'P-256', x, y } },
};
const now = () => NOW;

let cardseal;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
});

/** What `fetch` reads of its second argument: own members, and those of its prototypes. */
const INIT = (
  'method headers body referrer referrerPolicy mode credentials cache redirect integrity keepalive signal duplex ' +
  'window dispatcher priority'
).split(' ');

/** Every word of the sources that could be the name of a member, and of what `fetch` and the browser's cryptography read. */
const NAMES = (() => {
  const words = new Set([
    ...INIT,
    ...(
      'name hash iv length label tagLength additionalData public saltLength counter ext key_ops use alg d n e kty crv ' +
      'once passive capture'
    ).split(' '),
    '0',
    '1',
    '2',
    '-1',
    '+',
    '/',
    '=',
  ]);
  // The layer, the glue, and what the crate reads and writes by name.
  for (const name of readdirSync(path.join(root, 'pkg')).filter((file) =>
    /^(?!.*(_bg|global|host|node))\w.*\.js$/.test(file),
  )) {
    const text = readFileSync(path.join(root, 'pkg', name), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    for (const [word] of text.matchAll(/[a-zA-Z_$][\w$]*/g)) words.add(word);
  }
  for (const name of readdirSync(path.join(root, 'src'), { recursive: true }).filter((file) => file.endsWith('.rs'))) {
    for (const [, word] of readFileSync(path.join(root, 'src', name), 'utf8').matchAll(/"([a-zA-Z_$][\w$]*)"/g))
      words.add(word);
  }
  // What every object has already, and what the language itself asks of every object: it stops any program.
  for (const name of [...Object.getOwnPropertyNames(Object.prototype), 'then', 'return', 'get', 'set', 'toJSON'])
    words.delete(name);
  // What a browser's global object has itself, and Node's lacks.
  for (const name of ['document', 'innerHeight', 'innerWidth', 'isSecureContext', 'location', 'navigator', 'screen'])
    words.delete(name);
  // Node's own cryptography reads this one of its objects' prototypes; browsers do not.
  words.delete('kty');
  // What a newer engine's buffers have themselves, and Node's lack.
  words.delete('detached');
  return [...words];
})();

/** A few at a time, so that one that stops a call does not hide what the others would do to it. */
const GROUPS = Array.from({ length: Math.ceil(NAMES.length / 24) }, (_, at) => NAMES.slice(24 * at, 24 * at + 24));

const EVIL = 'https://evil.example';
const VALUES = [
  EVIL,
  true,
  null,
  { base: EVIL, checkout: EVIL, url: EVIL, number: '4000000000000002', required: false, mask: '{{9}}' },
  () => {
    throw new Error('a member of a prototype was called');
  },
];

/** Does `work` while every object seems to have these members. */
async function polluted(names, value, work, target = Object.prototype) {
  for (const name of names)
    Object.defineProperty(target, name, {
      __proto__: null,
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  try {
    return await work();
  } finally {
    for (const name of names) delete target[name];
  }
}

/** A `fetch` that gives one answer, and writes down what it is asked for as the real one would read it. */
const stub = (log, status, body) => async (url, init) => {
  const read = [];
  for (const name of INIT)
    if (init[name] !== undefined) read.push([name, name === 'signal' ? init[name] instanceof AbortSignal : init[name]]);
  log.push([url, read]);
  return { status, text: async () => JSON.stringify(body) };
};

/** A result as text in which what is random is left out. */
function shown(value) {
  const text = JSON.stringify(value, (name, item) => {
    if (item instanceof Error) return { ...item, said: item.message };
    if (name === 'ld') return typeof item === 'string' ? item.length : item;
    if (name === 'lk' || name === 'sealed' || name === 'encrypted_customer_input') return typeof item;
    return typeof item === 'string' && /^\{/.test(item) ? JSON.parse(shown(JSON.parse(item))) : item;
  });
  return text === undefined
    ? 'undefined'
    : text.replace(/eyJ[\w.-]+/g, 'JWE').replace(/[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}/g, 'GUID');
}

/** Everything that a page can do, with nothing in its objects but what must be there. */
function calls() {
  const sync = {
    validate: () => cardseal.validateCard(CARD),
    'validate for a platform': () => cardseal.validateCard({}, {}),
    format: () => [
      cardseal.formatCardNumber('42424'),
      cardseal.formatExpiry('1230'),
      cardseal.formatSecurityCode('1234'),
    ],
    customer: () => [cardseal.checkCustomer(CUSTOMER), cardseal.checkCustomer({})],
    fields: () => [
      cardseal.checkField({ id: 'x' }, '12'),
      cardseal.maskField({ id: 'x' }, '12'),
      cardseal.checkField({ id: 'x', dataRestrictions: { validators: { length: {}, range: {} } } }, '12'),
    ],
    'open a session': () => cardseal.openSessionRequest({ platform: 'greenpay' }),
    'open without anything': () => cardseal.openSessionRequest(),
    'greenpay pack': () => new cardseal.GreenPay({ publicKey: key('t1024'), now }).pack({ card: CARD }),
    'greenpay token': () => new cardseal.GreenPay({ publicKey: key('t1024'), now }).tokenizeRequest(ORDER, CARD),
    'greenpay payment': () => new cardseal.GreenPay({ publicKey: key('t1024'), now }).payRequest(ORDER, CARD),
    'greenpay payment with kount': () =>
      new cardseal.GreenPay({ publicKey: key('t1024'), now }).payRequest(ORDER, CARD, { kountSession: 'k' }),
    'greenpay relay': () =>
      new cardseal.GreenPay({ publicKey: key('t1024'), now }).payRequest(
        { ...OWN, platform: 'greenpay', kind: 'payment' },
        CARD,
      ),
    'greenpay handed over': () =>
      new cardseal.GreenPay({ publicKey: key('t1024'), now }).confirmTokenRequest(OWN, { raw: { a: 1 } }),
    'greenpay web form': () =>
      new cardseal.GreenPay({ publicKey: key('t1024'), now }).formUrl({
        ...OWN,
        platform: 'greenpay',
        kind: 'payment',
        mode: 'direct',
        form_url: 'https://checkout-form.greenpay.me/s',
      }),
    'greenpay without a token': () =>
      new cardseal.GreenPay({ publicKey: key('t1024'), now }).updateTokenRequest(ORDER, CARD),
    'gp token': () => new cardseal.GpApi({ environment: 'sandbox', now }).tokenizeRequest(ACCESS, CARD),
    'gp token with a token alone': () =>
      new cardseal.GpApi({
        environment: { base: 'https://pay.example' },
        now,
      }).tokenizeRequest({ access_token: 't' }, CARD),
    'gp without a host': () => new cardseal.GpApi({ now }).tokenizeRequest(ACCESS, CARD),
    'gp without options': () => new cardseal.GpApi().tokenizeRequest(ACCESS, CARD),
    'gp with an empty environment': () => new cardseal.GpApi({ environment: {} }),
    'gp without a session': () => new cardseal.GpApi({ environment: 'sandbox', now }).tokenizeRequest({}, CARD),
    'ccbill token': () =>
      new cardseal.CcBill({ environment: 'production', now }).createPaymentTokenRequest(FRONT, CARD, {
        customer: CUSTOMER,
      }),
    'ccbill earlier sale': () =>
      new cardseal.CcBill({
        environment: 'production',
        now,
      }).createPaymentTokenRequest(FRONT, null, { subscriptionId: '1' }),
    'ccbill 3-D Secure': () =>
      new cardseal.CcBill({ environment: 'production', now }).threeDsRequiredRequest(FRONT, CARD),
    'ccbill handed over': () =>
      new cardseal.CcBill({ now }).confirmPaymentRequest(
        { id: 'ses_1', client_accnum: 1, client_subacc: 2 },
        { raw: { paymentTokenId: 'a', clientAccnum: 1, clientSubacc: 2 } },
      ),
    'ccbill nothing to hand over': () => new cardseal.CcBill({ now }).confirmPaymentRequest({ id: 'ses_1' }, {}),
    'online payments key': () => new cardseal.OnlinePayments({ now }).publicKeyRequest(CLIENT),
    'online payments products': () => [
      new cardseal.OnlinePayments({ now }).productsRequest(CLIENT),
      new cardseal.OnlinePayments({ now }).iinDetailsRequest(CLIENT, '42424242'),
    ],
    'online payments, back from the page': () =>
      new cardseal.OnlinePayments({ now }).confirmPaymentRequest({ id: 'ses_1' }, {}),
    'no session': () => new cardseal.GreenPay({ publicKey: key('t1024'), now }).confirmTokenRequest({}, {}),
    'no key': () => new cardseal.GreenPay({}),
  };
  const told = (Class, options, log, status, body) => new Class({ now, fetch: stub(log, status, body), ...options });
  const sent = (work) => async () => {
    const log = [];
    const result = await work(log).catch((error) => error);
    return [result, log];
  };
  const GREENPAY = { publicKey: key('t1024'), signature: 'warn' };
  const async = {
    'open a session': sent((log) =>
      cardseal
        .openSession({
          fetch: stub(log, 201, {
            id: 'ses_1',
            expires_in: 60,
          }),
        })
        .then(({ created_at, expires_at, ...rest }) => [rest, typeof created_at, typeof expires_at]),
    ),
    'a session that is none': sent((log) => cardseal.openSession({ fetch: stub(log, 201, {}) })),
    'the server refuses': sent((log) => cardseal.openSession({ fetch: stub(log, 400, {}) })),
    'the server says a word': sent((log) => cardseal.openSession({ fetch: stub(log, 400, 'no') })),
    'the server gives a list': sent((log) => cardseal.openSession({ fetch: stub(log, 200, []) })),
    'greenpay token': sent((log) =>
      told(cardseal.GreenPay, GREENPAY, log, 200, {
        status: 201,
        result: { token: 't' },
      }).tokenize(ORDER, CARD),
    ),
    'greenpay no token': sent((log) =>
      told(cardseal.GreenPay, GREENPAY, log, 200, { status: 201 }).tokenize(ORDER, CARD),
    ),
    'greenpay payment': sent((log) => told(cardseal.GreenPay, GREENPAY, log, 200, { status: 200 }).pay(ORDER, CARD)),
    'greenpay decline': sent((log) =>
      told(cardseal.GreenPay, GREENPAY, log, 500, {
        status: 500,
        result: { success: false, resp_code: '51' },
      }).pay(ORDER, CARD),
    ),
    'greenpay nothing': sent((log) => told(cardseal.GreenPay, GREENPAY, log, 200, {}).pay(ORDER, CARD)),
    'greenpay relayed': sent((log) =>
      told(cardseal.GreenPay, GREENPAY, log, 201, {
        id: 'tok_1',
        status: 'active',
      }).tokenize({ ...OWN, kind: 'tokenize' }, CARD),
    ),
    'gp token': sent((log) =>
      told(cardseal.GpApi, { environment: 'sandbox' }, log, 200, { id: 'PMT_1' }).tokenize(ACCESS, CARD),
    ),
    'gp no token': sent((log) => told(cardseal.GpApi, { environment: 'sandbox' }, log, 200, {}).tokenize(ACCESS, CARD)),
    'gp error': sent((log) => told(cardseal.GpApi, { environment: 'sandbox' }, log, 400, {}).tokenize(ACCESS, CARD)),
    'ccbill token': sent((log) =>
      told(cardseal.CcBill, { environment: 'production' }, log, 201, {
        paymentTokenId: 'a',
        clientAccnum: 1,
        clientSubacc: 2,
      }).createPaymentToken(FRONT, CARD, { customer: CUSTOMER }),
    ),
    'ccbill error': sent((log) =>
      told(cardseal.CcBill, { environment: 'production' }, log, 400, { errorCode: 1, errors: [{}] }).createPaymentToken(
        FRONT,
        CARD,
        { customer: CUSTOMER },
      ),
    ),
    'ccbill 3-D Secure': sent((log) =>
      told(cardseal.CcBill, { environment: 'production' }, log, 200, true).threeDsRequired(FRONT, CARD),
    ),
    'ccbill 3-D Secure in an object': sent((log) =>
      told(cardseal.CcBill, { environment: 'production' }, log, 200, {}).threeDsRequired(FRONT, CARD),
    ),
    'online payments digits': sent((log) =>
      told(cardseal.OnlinePayments, {}, log, 200, {
        paymentProductId: 1,
        coBrands: [{}, null],
      }).iinDetails(CLIENT, '42424242'),
    ),
    'online payments error': sent((log) =>
      told(cardseal.OnlinePayments, {}, log, 404, { errors: [] }).iinDetails(CLIENT, '42424242'),
    ),
    'online payments products': sent((log) => told(cardseal.OnlinePayments, {}, log, 200, {}).products(CLIENT)),
    'online payments card': sent((log) =>
      told(cardseal.OnlinePayments, {}, log, 200, {
        keyId: 'k',
        publicKey: key('t2048'),
      }).encrypt(CLIENT, CARD, { paymentProductId: 1 }),
    ),
    'online payments confirmed': sent((log) =>
      told(cardseal.OnlinePayments, {}, log, 202, {
        id: 'pay_1',
        status: 'unknown',
      }).confirmPayment({ id: 'ses_1' }, { RETURNMAC: 'm' }),
    ),
    'acquiring payment': sent((log) =>
      told(cardseal.WorldlineAcquiring, {}, log, 201, {
        id: 'pay_1',
        status: 'approved',
      }).pay(SEAL, CARD),
    ),
    'acquiring without a key': sent((log) =>
      told(cardseal.WorldlineAcquiring, {}, log, 201, {}).pay({ ...SEAL, seal: undefined }, CARD),
    ),
  };
  return { sync, async };
}

const done = async (work) => {
  try {
    return shown(await work());
  } catch (error) {
    return shown(error);
  }
};

test('the names are those of the options, and the calls go somewhere', async () => {
  for (const name of [
    'environment',
    'base',
    'fetch',
    'server',
    'timeoutMs',
    'headers',
    'now',
    'checkout',
    'base_url',
    'worker',
    'signal',
    'payment',
  ])
    assert.ok(NAMES.includes(name), name);
  const { sync, async } = calls();
  assert.match(await done(sync['gp token']), /apis\.sandbox\.globalpay\.com/);
  assert.match(await done(async['gp token']), /"method","POST".*"redirect","error"/);
  assert.match(await done(sync['gp without a host']), /option_invalid/);
  // The harness itself sees a member of a prototype.
  assert.equal(await polluted(['seen'], 1, () => ({}).seen), 1);
});

test('no member of Object.prototype changes a request', async () => {
  const { sync } = calls();
  for (const [call, work] of Object.entries(sync)) {
    const clean = await done(work);
    for (const value of VALUES) {
      assert.equal(
        await polluted(NAMES, value, () => done(work)),
        clean,
        `${call}, all names, ${typeof value} ${value}`,
      );
      for (const names of GROUPS)
        assert.equal(
          await polluted(names, value, () => done(work)),
          clean,
          `${call}: ${names} = ${typeof value} ${value}`,
        );
    }
  }
});

test('no member of Object.prototype changes what is sent, or what is made of the answer', async () => {
  const { async } = calls();
  for (const [call, work] of Object.entries(async)) {
    const clean = await done(work);
    for (const value of VALUES) {
      for (const names of GROUPS)
        assert.equal(
          await polluted(names, value, () => done(work)),
          clean,
          `${call}: ${names} = ${typeof value} ${value}`,
        );
    }
  }
});

test('no member of Array.prototype changes anything', async () => {
  const { sync, async } = calls();
  for (const [call, work] of [...Object.entries(sync), ...Object.entries(async)]) {
    const clean = await done(work);
    for (const value of VALUES) {
      for (const names of [
        ['0'],
        ['1'],
        ['2'],
        ['5'],
        ['-1'],
        ['id', 'code', 'status', 'raw', 'url', 'number', 'required', 'detail', 'message', 'session', 'token'],
      ]) {
        assert.equal(
          await polluted(names, value, () => done(work), Array.prototype),
          clean,
          `${call}: ${names} = ${typeof value} ${value}`,
        );
      }
    }
  }
});

test('a member called __proto__ is one like any other', async () => {
  const inside = (json) => JSON.parse(`{"__proto__":${JSON.stringify(json)}}`);
  const codes = (work) => done(work).then((text) => JSON.parse(text).code);
  assert.equal(
    await codes(() => new cardseal.GpApi(inside({ environment: { base: EVIL } })).tokenizeRequest(ACCESS, CARD)),
    'option_invalid',
  );
  assert.equal(
    await codes(() =>
      new cardseal.GpApi({ now }).tokenizeRequest(
        { ...ACCESS, ...inside({ base_url: 'https://apis.globalpay.com/ucp' }) },
        CARD,
      ),
    ),
    'option_invalid',
  );
  assert.equal(cardseal.validateCard(inside(CARD)).problems[0].code, 'number_missing');
  const log = [];
  const answer = '{"__proto__":{"id":"PMT_1","status":"ACTIVE"},"name":"x"}';
  const gp = new cardseal.GpApi({
    environment: 'sandbox',
    now,
    fetch: async () => ({ status: 200, text: async () => answer }),
  });
  assert.equal(await codes(() => gp.tokenize(ACCESS, CARD)), 'answer_malformed');
  const server = {
    fetch: async () => ({
      status: 201,
      text: async () => '{"__proto__":{"base_url":"https://evil.example"},"id":"ses_1","expires_in":9}',
    }),
  };
  const session = await cardseal.openSession(server);
  assert.equal(Object.getPrototypeOf(session), Object.prototype);
  assert.equal(session.base_url, undefined);
  assert.deepEqual(log, []);
  assert.equal({}.base_url, undefined);
});

test('a member may have the name of what every object has', async () => {
  const named = { toString: 1, valueOf: 'x', hasOwnProperty: null, constructor: {}, isPrototypeOf: [] };
  const gp = (body) =>
    new cardseal.GpApi({
      environment: 'sandbox',
      now,
      fetch: async () => ({ status: 200, text: async () => JSON.stringify(body) }),
    });
  const token = await gp({ id: 'PMT_1', ...named, card: { brand: 'VISA', ...named } }).tokenize(
    { ...ACCESS, ...named },
    { ...CARD, ...named },
    { ...named },
  );
  assert.deepEqual([token.id, token.brand, token.raw.toString], ['PMT_1', 'visa', 1]);
  const said = [
    { errorCode: named },
    { errorCode: 1, generalMessage: named, errors: [named, { field: named }] },
    named,
    [named],
  ];
  for (const body of said) {
    const fetch = async () => ({ status: 400, text: async () => JSON.stringify(body) });
    const work = new cardseal.CcBill({ environment: 'production', now, fetch }).createPaymentToken(FRONT, CARD, {
      customer: CUSTOMER,
    });
    await assert.rejects(work, {
      name: 'CardsealError',
      code: body.errorCode === 1 ? 'platform_rejected' : 'answer_malformed',
    });
  }
  for (const body of [
    { id: 'ses_1', expires_in: named },
    { id: named, expires_in: 5 },
  ]) {
    await assert.rejects(
      cardseal.openSession({ fetch: async () => ({ status: 201, text: async () => JSON.stringify(body) }) }),
      { name: 'CardsealError', code: 'answer_malformed' },
    );
  }
});

test('objects of every kind are read by their own members, and never by those of a class', async () => {
  const bare = (object) => Object.assign(Object.create(null), object);
  class Card {
    constructor() {
      Object.assign(this, CARD);
    }
  }
  class Getters {
    #card = CARD;
    get number() {
      return this.#card.number;
    }
    get expiry() {
      return this.#card.expiry;
    }
    get cvc() {
      return this.#card.cvc;
    }
    get holder() {
      return this.#card.holder;
    }
  }
  const own = Object.defineProperties(
    {},
    Object.fromEntries(Object.entries(CARD).map(([name, value]) => [name, { get: () => value, enumerable: false }])),
  );
  for (const card of [
    bare(CARD),
    new Card(),
    own,
    new Proxy({ ...CARD }, {}),
    { ...CARD, expiry: bare(CARD.expiry) },
    Object.freeze({ ...CARD }),
  ]) {
    assert.equal(cardseal.validateCard(card, { now }).valid, true);
    assert.match(
      new cardseal.GpApi(bare({ environment: bare({ base: 'https://pay.example' }), now })).tokenizeRequest(
        bare(ACCESS),
        card,
        bare({ reference: 'mine' }),
      ).body,
      /mine.*4242424242424242/,
    );
  }
  assert.deepEqual(
    cardseal.validateCard(new Getters(), { now }).problems.map(({ code }) => code),
    ['number_missing', 'expiry_missing', 'cvc_missing', 'holder_missing'],
  );
  assert.equal(cardseal.validateCard(Object.create(CARD), { now }).valid, false);
  assert.equal(
    await done(() => new cardseal.GpApi(Object.create({ environment: 'sandbox' })).tokenizeRequest(ACCESS, CARD)).then(
      (text) => JSON.parse(text).code,
    ),
    'option_invalid',
  );
});

test('what cannot be read has the wrong type, and what it said is not repeated', async () => {
  const fail = () => {
    throw new Error('card 4242424242424242');
  };
  const broken = (name, rest = {}) => Object.defineProperty({ ...rest }, name, { get: fail, enumerable: true });
  const closed = new Proxy(
    { ...CARD, ...ACCESS },
    {
      get: fail,
      getOwnPropertyDescriptor: fail,
      ownKeys: fail,
      has: fail,
      getPrototypeOf: fail,
    },
  );
  const gp = (options) => new cardseal.GpApi({ environment: 'sandbox', now, ...options });
  const cases = [
    [() => gp().tokenizeRequest(ACCESS, broken('number', CARD)), 'number'],
    [() => gp().tokenizeRequest(ACCESS, closed), 'number'],
    [() => gp().tokenizeRequest(ACCESS, { ...CARD, expiry: broken('month') }), 'month'],
    [() => gp().tokenizeRequest(broken('access_token'), CARD), 'access_token'],
    [() => gp().tokenizeRequest(closed, CARD), 'base_url'],
    [() => gp().tokenizeRequest(ACCESS, CARD, broken('reference')), 'reference'],
    [() => new cardseal.GpApi(broken('environment')), 'environment'],
    [() => new cardseal.GpApi(closed), 'fetch'],
    [() => new cardseal.GpApi({ environment: broken('base') }), 'base'],
    [() => cardseal.checkCustomer(broken('email')), 'email'],
    [() => cardseal.validateCard(CARD, broken('platform')), 'platform'],
    [() => cardseal.openSessionRequest(broken('customer')), 'customer'],
    [() => cardseal.checkField(broken('dataRestrictions')), 'dataRestrictions'],
    [() => new cardseal.GreenPay({ publicKey: key('t1024') }).pack(broken('card')), 'card'],
    [() => new cardseal.OnlinePayments({ now }).encrypt(CLIENT, CARD, broken('product')), 'product'],
    [
      () => new cardseal.OnlinePayments({ now }).tokenize({ ...CLIENT, id: 'ses_1' }, CARD, broken('context')),
      'context',
    ],
    [() => new cardseal.OnlinePayments({ now, device: broken('browserData') }), 'device'],
    [
      () => new cardseal.WorldlineAcquiring({ now }).seal(SEAL, CARD, { networkToken: broken('cryptogram') }),
      'cryptogram',
    ],
    [
      () =>
        new cardseal.CcBill({ environment: 'production', now }).createPaymentTokenRequest(
          FRONT,
          CARD,
          broken('verify'),
        ),
      'verify',
    ],
    [() => new cardseal.CcBill({ now }).confirmPaymentRequest(OWN, broken('raw')), 'raw'],
    [
      () => new cardseal.GreenPay({ publicKey: key('t1024'), now }).confirmTokenRequest(broken('id'), { raw: {} }),
      'id',
    ],
  ];
  for (const [work, field] of cases) {
    let error;
    try {
      await work();
    } catch (thrown) {
      error = thrown;
    }
    assert.equal(error?.name, 'CardsealError', `${work}: ${error?.stack}`);
    assert.deepEqual([error.code, error.field], ['type_invalid', field], `${work}`);
    assert.doesNotMatch(
      JSON.stringify({ ...error, said: error.message, cause: String(error.cause) }),
      /4242/,
      `${work}`,
    );
  }
  // A member that nobody asked for is not read.
  assert.equal(cardseal.validateCard(broken('other', CARD), { now }).valid, true);
  // An object that holds itself is read as deep as a session is.
  const round = { ...ACCESS };
  round.self = round;
  assert.match(gp().tokenizeRequest(round, CARD).url, /globalpay/);
});
