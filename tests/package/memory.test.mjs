// The shipped module's linear memory, byte by byte, after every kind of call: nothing of the card, no AES key
// and no text that was encrypted may be left in it, whether the call succeeded or failed.

import assert from 'node:assert/strict';
import { randomInt, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';

const vectors = JSON.parse(readFileSync(new URL('../vectors/greenpay.json', import.meta.url), 'utf8'));
const {
  key: { kid, jwk },
} = JSON.parse(readFileSync(new URL('../vectors/sealing.json', import.meta.url), 'utf8'));
const SEAL = { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y } };
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };

const FRONT = {
  access_token: 't',
  base_url: 'https://api.ccbill.com',
  client_accnum: 900684,
  client_subacc: 0,
  currency_code: 840,
};
const CUSTOMER = { firstName: 'Ana', lastName: 'Mora', email: 'ana@shop.example', postalCode: '85281', country: 'US' };
/** With a name that CCBill takes. */
const plain = (card) => ({ ...card, holder: card.holder.slice(0, 11) });

let memory;
let drawn = [];
let cardseal;

before(async () => {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...args) => {
    const instance = await instantiate(...args);
    // Node has modules of its own.
    if (instance.exports?.__wbindgen_start) ({ memory } = instance.exports);
    return instance;
  };
  const original = webcrypto.getRandomValues.bind(webcrypto);
  Object.defineProperty(globalThis, 'crypto', {
    configurable: true,
    value: {
      subtle: webcrypto.subtle,
      getRandomValues(array) {
        const filled = original(array);
        drawn.push(Buffer.from(filled.buffer, filled.byteOffset, filled.byteLength).toString('latin1'));
        return filled;
      },
    },
  });
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
  assert.ok(memory instanceof WebAssembly.Memory);
});

/** What `fetch` answers next. */
let answer;
const fetch = async () =>
  new Response(typeof answer[1] === 'string' ? answer[1] : JSON.stringify(answer[1]), { status: answer[0] });
/** A call whose request is answered so. */
const told = (status, body, call) => async (card) => {
  answer = [status, typeof body === 'function' ? body(card) : body];
  return call(card);
};

const digits = (count) => Array.from({ length: count }, () => randomInt(10)).join('');

/** A card that is nowhere but here. */
function draw() {
  const start = `4${digits(14)}`;
  const sum = [...start].reverse().reduce((total, digit, index) => {
    const value = index % 2 === 0 ? digit * 2 : +digit;
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  const word = () => Array.from({ length: 10 }, () => String.fromCharCode(97 + randomInt(26))).join('');
  return {
    number: start + ((10 - (sum % 10)) % 10),
    expiry: '12/30',
    cvc: digits(3),
    holder: `Ñ${word()} 😀`,
    nickname: word(),
  };
}

/** What is left of the card and of everything random that the call drew. */
function left(card) {
  const bytes = Buffer.from(new Uint8Array(memory.buffer).slice()).toString('latin1');
  const latin1 = (text) => Buffer.from(text, 'utf8').toString('latin1');
  const secrets = { cvc: `"${card.cvc}"`, holder: latin1(card.holder.slice(1, 11)), nickname: card.nickname };
  for (let i = 0; i + 8 <= card.number.length; i++) secrets[`digits ${i}`] = card.number.slice(i, i + 8);
  secrets['four groups'] = card.number.replace(/(....)(?=.)/g, '$1 ');
  // Keys of one cipher, or of two in one text.
  const keys = drawn.flatMap((text) =>
    text.length === 16 ? [text] : text.length === 64 ? [text.slice(0, 32), text.slice(32)] : [],
  );
  for (const [index, key] of keys.entries()) {
    secrets[`key ${index}`] = key;
    secrets[`key ${index} as text`] = [...Buffer.from(key, 'latin1')].slice(0, 6).join(',');
  }
  drawn = [];
  return Object.entries(secrets)
    .filter(([, secret]) => bytes.includes(secret))
    .map(([name]) => name);
}

test('the search finds what is there', () => {
  const card = draw();
  const at = memory.buffer.byteLength - 64;
  new Uint8Array(memory.buffer).set(Buffer.from(card.number), at);
  assert.equal(left(card).length, 9);
  new Uint8Array(memory.buffer).fill(0, at);
  assert.deepEqual(left(card), []);
});

for (const key of ['t1024', 't2048']) {
  test(`nothing is left after any call with the key ${key}`, async () => {
    const greenpay = new cardseal.GreenPay({ publicKey: vectors.rsa_keys[key].public_spki_pem, fetch });
    const update = { token: '1c3a0f89-1515-402c-88e5-50814f854706' };
    const calls = {
      'a new token': (card) => greenpay.tokenizeRequest(ORDER, card),
      'an update': (card) => greenpay.updateTokenRequest(ORDER, card, update),
      'a payment': (card) => greenpay.payRequest(ORDER, card, { kountSession: 'k-1' }),
      'a request whose format is clear': (card) =>
        new cardseal.GpApi({ environment: 'sandbox' }).tokenizeRequest({ access_token: 't', reference: 'r' }, card),
      'a request whose format is clear, with the customer': (card) =>
        new cardseal.CcBill().createPaymentTokenRequest(FRONT, plain(card), { customer: CUSTOMER }),
      'ten digits in an address': (card) => new cardseal.CcBill().threeDsRequiredRequest(FRONT, plain(card)),
      'a name that CCBill refuses': (card) =>
        assert.throws(() => new cardseal.CcBill().createPaymentTokenRequest(FRONT, card, { customer: CUSTOMER }), {
          code: 'card_invalid',
        }),
      'a card number for a customer': (card) =>
        assert.throws(
          () =>
            new cardseal.CcBill().createPaymentTokenRequest(FRONT, plain(card), {
              customer: { ...CUSTOMER, lastName: card.number },
            }),
          { code: 'customer_invalid' },
        ),
      'a text that the browser encrypts': told(
        200,
        { keyId: 'k', publicKey: vectors.rsa_keys.t2048.public_spki_base64_one_line },
        (card) => new cardseal.OnlinePayments({ fetch }).encrypt(CLIENT, card, { paymentProductId: 1 }),
      ),
      'a card that the browser seals': (card) =>
        new cardseal.WorldlineAcquiring().seal(own('worldline_acquiring', 'payment', { seal: SEAL }), card),
      'a network token that the browser seals': (card) =>
        new cardseal.WorldlineAcquiring().payRequest(
          own('worldline_acquiring', 'payment', { seal: SEAL }),
          { ...card, cvc: '' },
          { networkToken: { cryptogram: 'AgAA' } },
        ),
      'the first digits': (card) => new cardseal.OnlinePayments().iinDetailsRequest(CLIENT, card.number),
      'a bare pack': (card) => greenpay.pack({ card }, { counter: 'integer' }),
      validation: (card) => cardseal.validateCard(card, { platform: 'greenpay' }),
      'live formatting': (card) => {
        for (let i = 1; i <= card.number.length; i++) cardseal.formatCardNumber(card.number.slice(0, i), i);
        cardseal.formatSecurityCode(card.cvc, 3, card.number);
        cardseal.candidateBrands(card.number);
      },
      'an expired card': (card) =>
        assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, expiry: '01/20' }), { code: 'card_invalid' }),
      'a wrong number': (card) =>
        assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, number: `${card.number}x` }), {
          code: 'card_invalid',
        }),
      'a wrong type': (card) =>
        assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, nickname: 7 }), { code: 'type_invalid' }),
      'a number in the name': (card) =>
        assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, holder: card.number }), {
          code: 'card_invalid',
        }),
      'a broken name': (card) =>
        assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, holder: `\ud800${card.holder}` }), {
          code: 'card_invalid',
        }),
      'other digits': (card) =>
        assert.throws(() => greenpay.tokenizeRequest(ORDER, { ...card, number: `٤${card.number}` }), {
          code: 'card_invalid',
        }),
      'a wrong option': (card) =>
        assert.throws(() => greenpay.pack({ card }, { counter: 'no' }), { code: 'option_invalid' }),
      'a card number where an id belongs': (card) =>
        assert.throws(() => greenpay.pack({ card, token: `${card.number} ` }), { code: 'session_malformed' }),
      'a token and a Kount session at once': (card) =>
        assert.throws(() => greenpay.pack({ card, token: 't', kountSession: card.number }), { code: 'option_invalid' }),
      'an answer that echoes the card': told(
        500,
        (card) => ({ status: 500, requestId: card.number, errors: [`Invalid_pan ${card.number}`] }),
        (card) =>
          assert.rejects(greenpay.tokenize(ORDER, card), {
            code: 'platform_rejected',
            platformMessage: 'Invalid_pan ****************',
          }),
      ),
      'a decline that echoes the card': told(
        500,
        (card) => ({
          status: 500,
          orderId: card.number,
          result: { resp_code: card.number, reserved_private4: card.number },
        }),
        async (card) => {
          const { raw, ...read } = await greenpay.pay(ORDER, card);
          assert.deepEqual(
            [read.status, read.decline],
            ['declined', { code: null, reason: 'declined', message: '****************' }],
          );
        },
      ),
      'no randomness': (card) => {
        const { getRandomValues } = crypto;
        let calls = 0;
        crypto.getRandomValues = (array) => {
          if (calls++ > 1) throw new Error('out of entropy');
          return getRandomValues(array);
        };
        assert.throws(() => greenpay.tokenizeRequest(ORDER, card), { code: 'random_unavailable' });
        crypto.getRandomValues = getRandomValues;
      },
    };
    if (key === 't1024') {
      calls['a counter that does not fit'] = (card) =>
        assert.throws(() => greenpay.pack({ card }, { counter: 'block' }), { code: 'counter_does_not_fit' });
    } else {
      calls['a long counter'] = (card) => greenpay.pack({ card }, { counter: 'block' });
    }
    for (const [name, call] of Object.entries(calls)) {
      for (let round = 0; round < 5; round++) {
        const card = draw();
        await call(card);
        assert.deepEqual(left(card), [], name);
      }
    }
  });
}

// ------------------------------------------------------------------------------------------------- again and again

const NOW = Date.now();
const own = (platform, kind, more = {}) => ({
  id: 'ses_1',
  platform,
  kind,
  mode: 'relay',
  created_at: new Date(NOW).toISOString(),
  expires_at: new Date(NOW + 600_000).toISOString(),
  ...more,
});
const CLIENT = { clientSessionId: '0123', customerId: '9991-0', clientApiUrl: 'https://payment.payone.com/client' };
const PRODUCT_FIELD = {
  id: 'cardNumber',
  dataRestrictions: {
    isRequired: true,
    validators: {
      luhn: {},
      length: { minLength: 13, maxLength: 19 },
      regularExpression: { regularExpression: '^[0-9]*$' },
    },
  },
  displayHints: { mask: '{{9999}} {{9999}} {{9999}} {{9999}} {{999}}' },
};
const GP_ORDER = { access_token: 't', reference: 'r' };
const [SPKI, SHORT] = ['t1024', 't1023'].map((name) => vectors.rsa_keys[name].public_spki_pem);

/** DER of PKCS #1 in hex, of a modulus of so many bytes. */
const pkcs1 = (size, last, exponent) => {
  const [modulus, e] = [`00${'ff'.repeat(size - 1)}${last}`, exponent];
  const tagged = (tag, content) => {
    const length = (content.length / 2).toString(16).padStart(2, '0');
    const form = length.length > 2 ? `82${length.padStart(4, '0')}` : content.length / 2 > 127 ? `81${length}` : length;
    return tag + form + content;
  };
  return tagged('30', tagged('02', modulus) + tagged('02', e));
};
const P256 = `3059301306072a8648ce3d020106082a8648ce3d030107034200${'04'.repeat(65)}`;

/** An answer that is signed; the vectors have no other with this id. */
const SIGNED = (() => {
  const { signature_hex: signature } = vectors.signatures.find(
    ({ signed_string: text }) => text === 'status:201,requestId:xwr-1023',
  );
  return {
    status: 201,
    requestId: 'xwr-1023',
    result: { token: '1c3a0f89', last_digits: '4242', bin: '424242' },
    expiration_date: '3012',
    brand: 'Visa',
    errors: [],
    _signature: signature,
  };
})();

/** Every path of every platform: what it does with a card, and the code that it ends with, if it is an error. */
const PATHS = (kept) => {
  const open = (options) => () => {
    new cardseal.GreenPay(options).free();
  };
  const gp = (name, session, of, options) => async (card) => {
    const client = new cardseal.GpApi({ environment: 'sandbox', fetch });
    try {
      return await client[name](session, of(card), options);
    } finally {
      client.free();
    }
  };
  const itself = (card) => card;
  const cc =
    (customer, of = plain) =>
    async (card) => {
      const client = new cardseal.CcBill({ fetch });
      try {
        return await client.createPaymentToken(FRONT, of(card), { customer });
      } finally {
        client.free();
      }
    };
  const gpTold = (status, body) => told(status, body, gp('tokenize', GP_ORDER, itself));
  const token = (status, body) => told(status, body, (card) => kept.tokenize(ORDER, card));
  const paid = (status, body) => told(status, body, (card) => kept.pay(ORDER, card));
  const acquiring = async (use) => {
    const client = new cardseal.WorldlineAcquiring({ fetch });
    try {
      return await use(client);
    } finally {
      client.free();
    }
  };
  // What each of the platform's answers and the server's has that is read, in one.
  const said = {
    keyId: 'k',
    publicKey: vectors.rsa_keys.t2048.public_spki_base64_one_line,
    paymentProductId: 1,
    countryCode: 'DE',
    coBrands: [{ paymentProductId: 2 }],
    id: 'x_1',
    platform: 'online_payments',
    status: 'active',
    paymentProducts: [],
    fields: [PRODUCT_FIELD],
  };
  const online =
    (name, session, ...args) =>
    async (card) => {
      const client = new cardseal.OnlinePayments({ fetch });
      try {
        return await client[name](session, ...args.map((arg) => (typeof arg === 'function' ? arg(card) : arg)));
      } finally {
        client.free();
      }
    };
  const sealed = (session) => (card) => acquiring((client) => client.seal(session, card));
  const onlineTold = (status, body, ...call) => told(status, body, online(...call));
  const clientSession = (kind) => own('online_payments', kind, CLIENT);
  const fault = (code) => (card) => ({
    errorId: 'e',
    errors: [{ code, id: 'X', message: `no ${card.number}`, httpStatusCode: 500 }],
  });
  const echo = (card) => ({
    error_code: 'X',
    detailed_error_code: '40005',
    detailed_error_description: `number ${card.number}`,
  });
  return [
    [undefined, (card) => kept.tokenizeRequest(ORDER, card)],
    [undefined, (card) => kept.tokenizeRequest(own('greenpay', 'tokenize'), card)],
    [undefined, (card) => kept.updateTokenRequest(own('greenpay', 'update', { card_token: 'x' }), card)],
    [
      undefined,
      (card) =>
        kept.payRequest(own('greenpay', 'payment'), card, { idempotencyKey: 'k', kountSession: 'k-1', tokenize: true }),
    ],
    [undefined, (card) => kept.pack({ card, token: 'x' }, { counter: 'integer' })],
    [undefined, token(200, SIGNED)],
    [
      undefined,
      paid(200, (card) => ({
        status: 200,
        orderId: 'o',
        authorization: '1',
        last4: '4242',
        brand: card.holder,
        result: { success: true, resp_code: '00' },
      })),
    ],
    [
      undefined,
      paid(500, (card) => ({
        status: 500,
        orderId: 'o',
        result: { success: false, resp_code: '51', reserved_private4: card.number },
      })),
    ],
    [undefined, paid(502, 'not JSON')],
    [undefined, open({ publicKey: SPKI })],
    [
      undefined,
      open({
        publicKey: SHORT,
        environment: { checkout: 'https://checkout.example/' },
        server: '/shop',
        signature: 'warn',
      }),
    ],
    [undefined, gp('tokenizeRequest', GP_ORDER, itself, { useNetworkToken: true })],
    [
      undefined,
      gpTold(200, (card) => ({
        id: 'PMT_1',
        status: 'ACTIVE',
        name: card.number,
        card: { brand: 'VISA', masked_number_last4: 'XXXX1111', expiry_month: '05', expiry_year: '30' },
      })),
    ],
    [undefined, sealed(own('worldline_acquiring', 'payment', { seal: SEAL }))],
    [
      undefined,
      told(201, { id: 'tok_1', status: 'active', platform: 'worldline_acquiring' }, (card) =>
        acquiring((client) => client.tokenize(own('worldline_acquiring', 'tokenize', { seal: SEAL }), card)),
      ),
    ],
    [undefined, told(200, { paymentTokenId: '01ab', clientAccnum: 900684, clientSubacc: 0 }, cc(CUSTOMER))],
    [
      'platform_rejected',
      told(400, (card) => ({ errorCode: 200000, errors: [{ field: 'x', message: card.number }] }), cc(CUSTOMER)),
    ],
    ['customer_invalid', (card) => cc({ ...CUSTOMER, email: card.number })(card)],
    ['card_invalid', cc(CUSTOMER, itself)],
    [undefined, onlineTold(200, said, 'encrypt', CLIENT, itself, { paymentProductId: 1 })],
    [
      undefined,
      onlineTold(200, said, 'encrypt', CLIENT, itself, {
        kind: 'tokenize',
        context: { countryCode: 'DE', currencyCode: 'EUR', amount: 1000 },
      }),
    ],
    [undefined, onlineTold(200, said, 'encrypt', CLIENT, itself, { product: { id: 1, fields: [PRODUCT_FIELD] } })],
    [undefined, onlineTold(200, said, 'tokenizeRequest', clientSession('tokenize'), itself, {})],
    [undefined, onlineTold(201, said, 'tokenize', clientSession('tokenize'), itself, {})],
    [
      undefined,
      onlineTold(201, said, 'pay', clientSession('payment'), itself, { idempotencyKey: 'k', tokenize: true }),
    ],
    [undefined, onlineTold(200, said, 'publicKey', CLIENT)],
    [undefined, onlineTold(200, said, 'iinDetails', CLIENT, (card) => card.number)],
    [undefined, onlineTold(404, fault('1002'), 'iinDetails', CLIENT, (card) => card.number)],
    [undefined, onlineTold(200, said, 'product', CLIENT, 1)],
    [undefined, onlineTold(200, said, 'products', CLIENT)],
    [undefined, onlineTold(201, said, 'confirmToken', clientSession('tokenize'))],
    [
      undefined,
      onlineTold(201, said, 'confirmPayment', clientSession('payment'), (card) => ({
        RETURNMAC: 'm',
        note: card.number,
      })),
    ],
    [
      undefined,
      (card) => [cardseal.maskField(PRODUCT_FIELD, card.number, 3), cardseal.checkField(PRODUCT_FIELD, card.number)],
    ],
    [undefined, (card) => cardseal.validateCard(card)],
    [
      undefined,
      (card) =>
        cardseal.validateCard(
          { ...card, number: '', expiry: { month: 13, year: 1 } },
          { platform: 'gp_api', kind: 'payment' },
        ),
    ],
    [
      undefined,
      (card) => [
        cardseal.candidateBrands(card.number),
        cardseal.formatCardNumber(card.number, 3),
        cardseal.formatExpiry(card.expiry, 2),
        cardseal.formatSecurityCode(card.cvc, 1, card.number),
      ],
    ],
    ['key_missing', open({})],
    ['key_malformed', open({ publicKey: 'junk' })],
    ['key_malformed', open({ publicKey: `${SPKI.slice(0, 100)}` })],
    ['key_is_private', open({ publicKey: vectors.rsa_keys.t1024.private_pkcs8_pem })],
    ['key_is_certificate', open({ publicKey: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----' })],
    ['key_not_rsa', open({ publicKey: P256 })],
    ['key_exponent_invalid', open({ publicKey: pkcs1(128, 'ff', '02') })],
    ['key_too_short', open({ publicKey: pkcs1(126, 'ff', '03') })],
    ['key_modulus_invalid', open({ publicKey: pkcs1(128, 'fe', '03') })],
    ['key_modulus_invalid', open({ publicKey: pkcs1(1025, 'ff', '03') })],
    [
      'random_unavailable',
      (card) => {
        const { getRandomValues } = crypto;
        crypto.getRandomValues = () => {
          throw new Error('no entropy');
        };
        try {
          kept.pack({ card });
        } finally {
          crypto.getRandomValues = getRandomValues;
        }
      },
    ],
    ['counter_does_not_fit', (card) => kept.pack({ card }, { counter: 'block' })],
    ['card_invalid', (card) => kept.pack({ card: { ...card, expiry: '01/20', cvc: '' } })],
    ['card_invalid', (card) => kept.pack({ card: { ...card, holder: `\ud800${card.number}` } })],
    ['card_invalid', gp('tokenizeRequest', GP_ORDER, (card) => ({ ...card, number: `${card.number}0` }), {})],
    ['card_invalid', onlineTold(200, said, 'encrypt', CLIENT, (card) => ({ ...card, number: `${card.number}0` }), {})],
    ['card_invalid', onlineTold(200, said, 'encrypt', CLIENT, (card) => ({ ...card, holder: card.number }), {})],
    [
      'card_invalid',
      onlineTold(200, said, 'encrypt', CLIENT, itself, {
        product: {
          id: 1,
          fields: [{ ...PRODUCT_FIELD, dataRestrictions: { validators: { length: { maxLength: 5 } } } }],
        },
      }),
    ],
    [
      'encryption_failed',
      async (card) => {
        const { subtle } = crypto;
        crypto.subtle = undefined;
        try {
          await onlineTold(200, said, 'encrypt', CLIENT, itself, { paymentProductId: 1 })(card);
        } finally {
          crypto.subtle = subtle;
        }
      },
    ],
    ['type_invalid', onlineTold(200, said, 'iinDetails', CLIENT, (card) => +card.number)],
    ['option_invalid', onlineTold(200, said, 'encrypt', CLIENT, itself, { paymentProductId: 1, kind: 'update' })],
    [
      'session_malformed',
      onlineTold(200, said, 'encrypt', { ...CLIENT, clientApiUrl: 'http://elsewhere.example' }, itself, {}),
    ],
    [
      'session_host_refused',
      onlineTold(200, said, 'encrypt', { ...CLIENT, clientApiUrl: 'https://elsewhere.example/client' }, itself, {}),
    ],
    ['session_expired', onlineTold(403, fault('9008'), 'encrypt', CLIENT, itself, {})],
    ['session_wrong_kind', onlineTold(200, said, 'tokenize', clientSession('payment'), itself, {})],
    [
      'answer_malformed',
      onlineTold(200, { ...said, publicKey: 'AAAA' }, 'encrypt', CLIENT, itself, { paymentProductId: 1 }),
    ],
    ['answer_malformed', onlineTold(200, 'no JSON', 'encrypt', CLIENT, itself, {})],
    ['platform_rejected', onlineTold(404, fault('1002'), 'encrypt', CLIENT, itself, {})],
    ['platform_rejected', onlineTold(400, fault('1008'), 'encrypt', CLIENT, itself, {})],
    ['platform_unavailable', onlineTold(502, 'down', 'encrypt', CLIENT, itself, {})],
    ['type_invalid', (card) => kept.pack({ card: { ...card, number: 7n } })],
    ['type_invalid', (card) => kept.pack({ card: { ...card, expiry: true } })],
    ['type_invalid', () => cardseal.validateCard('x'.repeat(500))],
    ['option_invalid', (card) => kept.pack({ card }, { counter: card.number })],
    ['option_invalid', open({ publicKey: SPKI, environment: 'http://elsewhere.example' })],
    ['option_invalid', (card) => cardseal.validateCard(card, { platform: card.number })],
    ['session_malformed', (card) => kept.tokenizeRequest({ session: card.number }, card)],
    ['session_malformed', gp('tokenizeRequest', {}, itself)],
    [
      'session_malformed',
      sealed(own('worldline_acquiring', 'payment', { seal: { ...SEAL, key: { ...SEAL.key, y: jwk.x } } })),
    ],
    ['session_expired', sealed(own('worldline_acquiring', 'payment', { seal: SEAL, expires_at: NOW - 1 }))],
    ['session_wrong_platform', sealed(own('greenpay', 'payment'))],
    ['session_wrong_kind', sealed(own('worldline_acquiring', 'update', { seal: SEAL }))],
    ['card_invalid', (card) => sealed(own('worldline_acquiring', 'payment', { seal: SEAL }))({ ...card, cvc: '' })],
    [
      'option_invalid',
      (card) =>
        acquiring((client) =>
          client.seal(own('worldline_acquiring', 'payment', { seal: SEAL }), card, {
            networkToken: { cryptogram: `${card.number} ` },
          }),
        ),
    ],
    [
      'server_rejected',
      told(422, { code: 'sealed_changed' }, (card) =>
        acquiring((client) => client.pay(own('worldline_acquiring', 'payment', { seal: SEAL }), card)),
      ),
    ],
    [
      'card_declined',
      told(
        422,
        (card) => ({ code: 'card_declined', detail: `${card.number} ` }),
        (card) => acquiring((client) => client.tokenize(own('worldline_acquiring', 'tokenize', { seal: SEAL }), card)),
      ),
    ],
    [
      'too_many_attempts',
      told(429, { code: 'too_many_attempts', retry_after: 30 }, (card) =>
        acquiring((client) => client.pay(own('worldline_acquiring', 'payment', { seal: SEAL }), card)),
      ),
    ],
    ['session_expired', (card) => kept.tokenizeRequest({ ...ORDER, created_at: '2001-01-01T00:00:00Z' }, card)],
    ['session_expired', gpTold(401, { error_code: 'NOT_AUTHENTICATED', detailed_error_code: '40002' })],
    ['session_wrong_kind', (card) => kept.payRequest(own('greenpay', 'tokenize'), card)],
    ['session_wrong_platform', (card) => kept.tokenizeRequest(own('gp_api', 'tokenize'), card)],
    ['answer_malformed', token(200, null)],
    ['answer_malformed', gpTold(200, { id: 'TRN_1' })],
    ['signature_invalid', token(200, { ...SIGNED, requestId: 'another' })],
    ['platform_rejected', token(200, (card) => ({ status: 500, errors: [`Invalid_pan ${card.number}`] }))],
    [
      'platform_rejected',
      paid(200, (card) => ({ status: 500, errors: [{ deep: [`Session not found ${card.number}`] }] })),
    ],
    ['platform_rejected', gpTold(400, echo)],
    ['platform_unavailable', token(503, 'down')],
    ['platform_unavailable', gpTold(502, echo)],
  ];
};

/** Codes that JavaScript makes, which the module never sees. */
const OUTSIDE = [
  'authentication_cancelled',
  'request_timeout',
  'request_aborted',
  'network_failed',
  'not_loaded',
  'module_failed',
  'load_failed',
];

test('ten thousand calls of every kind leave nothing and need no more memory than the first', async () => {
  const kept = new cardseal.GreenPay({ publicKey: SPKI, fetch });
  const paths = PATHS(kept);
  const codes = Object.keys(await import('../../pkg/codes.js'));
  assert.deepEqual(
    [...new Set(paths.map(([code]) => code).filter(Boolean))].sort(),
    codes.filter((code) => !OUTSIDE.includes(code)).sort(),
    'every error of the module is among them',
  );

  const card = draw();
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  const round = async () => {
    // What nobody holds any more is freed when the garbage collector says so.
    collect();
    await new Promise((done) => setImmediate(done));
    for (const [code, path] of paths) {
      let thrown;
      try {
        await path(card);
      } catch (error) {
        thrown = error;
      }
      assert.equal(thrown?.code, code, `${path} ${thrown}`);
    }
  };
  const rounds = Math.ceil(10_000 / paths.length);
  for (let warm = 0; warm < 5; warm++) await round();
  const size = memory.buffer.byteLength;
  for (let count = 0; count < rounds; count++) {
    await round();
    assert.equal(memory.buffer.byteLength, size, `after ${count} rounds`);
    // The keys of all rounds would make the search long; those of the last are in it.
    if (count % 20 === 0) assert.deepEqual(left(card), [], `after ${count} rounds`);
    else drawn = [];
  }
  assert.deepEqual(left(card), []);
  kept.free();
});

test('nothing is left after a long name has made the memory grow', () => {
  const greenpay = new cardseal.GreenPay({ publicKey: vectors.rsa_keys.t1024.public_spki_pem });
  const card = draw();
  const pages = memory.buffer.byteLength;
  assert.throws(() => greenpay.pack({ card: { ...card, holder: `${card.holder}${'é'.repeat(3_000_000)}` } }), {
    code: 'card_invalid',
  });
  assert.ok(memory.buffer.byteLength > pages);
  assert.deepEqual(left(card), []);
});
