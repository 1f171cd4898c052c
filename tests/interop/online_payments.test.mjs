// `encryptedCustomerInput`: what Cardseal encrypts against the platform's vectors, node:crypto, jose, the platform's own
// client library and the sandbox.

import assert from 'node:assert/strict';
import {
  constants,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  privateDecrypt,
  webcrypto,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { after, before, mock, test } from 'node:test';
import { checkField, load, maskField, OnlinePayments } from 'cardseal';
import { CompactEncrypt, compactDecrypt, importPKCS8, importSPKI } from 'jose';
import { generator, randomCard, seed } from './cards.mjs';
import { startSandbox } from './sandbox.mjs';

const CARDS = 200;
const CONTEXT = { countryCode: 'DE', currencyCode: 'EUR', amount: 1000, isRecurring: false };
const VISA = { number: '4567 3500 0042 7977', expiry: '12/2030', cvc: '123', holder: 'Zoë Müller' };

const vectors = JSON.parse(readFileSync(new URL('../vectors/online-payments.json', import.meta.url), 'utf8'));
const { key_id: keyId, public_key_base64_spki: publicKey, private_key_pem_pkcs8: pem } = vectors.rsa_test_key;
const key = { keyId, publicKey };
const privateKey = createPrivateKey(pem);
const SESSION = {
  clientSessionId: '0123456789abcdef0123456789abcdef',
  customerId: '9991-0',
  clientApiUrl: 'https://payment.payone.com/client',
};

// Not every Node has one.
globalThis.navigator ??= { language: 'de-DE', userAgent: 'Mozilla/5.0 (Test) é' };

let sandbox;
let shop;
before(async () => {
  await load();
  sandbox = await startSandbox();
  shop = sandbox.info.platforms.online_payments;
});
after(() => sandbox?.stop());

/** By hand, with other code than ours. */
function open(token, rsa = privateKey) {
  const parts = token.split('.');
  assert.equal(parts.length, 5);
  const [header, wrapped, iv, cipher, tag] = parts.map((part) => Buffer.from(part, 'base64url'));
  assert.deepEqual(
    parts,
    [header, wrapped, iv, cipher, tag].map((part) => part.toString('base64url')),
  );
  const cek = privateDecrypt({ key: rsa, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, wrapped);
  assert.equal(cek.length, 64);
  const length = Buffer.alloc(8);
  length.writeUInt32BE(8 * parts[0].length, 4);
  const signed = createHmac('sha512', cek.subarray(0, 32))
    .update(parts[0])
    .update(iv)
    .update(cipher)
    .update(length)
    .digest();
  assert.deepEqual(tag, signed.subarray(0, 32));
  const aes = createDecipheriv('aes-256-cbc', cek.subarray(32), iv);
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
    Buffer.concat([aes.update(cipher), aes.final()]),
  );
  return { header: header.toString(), text, cek, iv };
}

/** A client whose public key is the vectors'. */
const offline = (options) => new OnlinePayments({ fetch: async () => Response.json(key), ...options });

/** The vectors with a whole card. One has a number alone, and no card is sent so here. */
const whole = vectors.jwe.filter(({ plaintext_json: { paymentValues } }) =>
  paymentValues.every(({ value }) => value !== undefined),
);

/** What Cardseal encrypts for the card, the browser and the session of a vector. */
function encryptAs({ plaintext_json: payload }) {
  const [number, holder, expiry, cvc] = payload.paymentValues.map(({ value }) => value);
  const short = {
    id: payload.paymentProductId,
    fields: [{ id: 'expiryDate', displayHints: { mask: '{{99}}/{{99}}' } }],
  };
  return offline({ device: payload.collectedDeviceInformation }).encrypt(
    { ...SESSION, clientSessionId: payload.clientSessionId },
    { number, holder, cvc, expiry: `${expiry.slice(0, 2)}/${expiry.slice(2)}` },
    {
      product: expiry.length === 4 ? short : { id: payload.paymentProductId },
      tokenize: payload.tokenize,
      kind: payload.tokenize === undefined ? 'tokenize' : 'payment',
    },
  );
}

test('with the random bytes of the vectors every part is theirs, byte for byte, but for the random RSA padding', async () => {
  assert.ok(vectors.jwe.length >= 4);
  assert.equal(whole.length, vectors.jwe.length - 1);
  for (const vector of whole) {
    const given = [vector.plaintext_json.nonce, vector.cek_hex, vector.iv_hex].map((hex) => Buffer.from(hex, 'hex'));
    const replaced = mock.method(crypto, 'getRandomValues', (array) => {
      const bytes = given.shift();
      assert.equal(array.length, bytes.length);
      array.set(bytes);
      return array;
    });
    const token = await encryptAs(vector).finally(() => replaced.mock.restore());
    assert.equal(given.length, 0);
    const [ours, theirs] = [token, vector.token].map((text) => text.split('.'));
    for (const part of [0, 2, 3, 4]) assert.equal(ours[part], theirs[part], `${vector.id}, part ${part + 1}`);
    assert.equal(ours[1].length, theirs[1].length);
    const opened = open(token);
    assert.equal(opened.cek.toString('hex'), vector.cek_hex);
    assert.equal(opened.text, vector.plaintext_utf8);
  }
});

test("for the card and the browser of a vector the payload is the vector's, character by character", async () => {
  for (const vector of whole) {
    const { text } = open(await encryptAs(vector));
    const without = (json) => json.replace(/"nonce":"[0-9a-f]{32}"/, '"nonce":""');
    assert.equal(without(text), without(vector.plaintext_utf8), vector.id);
    assert.notEqual(text, vector.plaintext_utf8, 'its nonce is its own');
  }
});

test(`any text decrypts to itself, here and in jose (seed ${seed})`, async () => {
  const random = generator(seed + 23);
  const rsa = await importPKCS8(pem, 'RSA-OAEP');
  const seen = new Set();
  for (let index = 0; index < CARDS; index += 1) {
    const locale = Array.from({ length: Math.floor(random() * (index % 10 ? 40 : 3000)) }, () => {
      const code = Math.floor(random() * (random() < 0.5 ? 0x250 : 0x110000));
      return code >= 0xd800 && code < 0xe000 ? '"' : String.fromCodePoint(code);
    }).join('');
    const token = await offline({ device: { locale } }).encrypt(SESSION, VISA, { paymentProductId: 1 });
    const opened = open(token);
    assert.deepEqual(JSON.parse(opened.text).collectedDeviceInformation, { locale });
    const { plaintext, protectedHeader } = await compactDecrypt(token, rsa);
    assert.equal(Buffer.from(plaintext).toString(), opened.text);
    assert.deepEqual(protectedHeader, { alg: 'RSA-OAEP', enc: 'A256CBC-HS512', kid: keyId });
    for (const fresh of [opened.cek, opened.iv]) seen.add(fresh.toString('hex'));
  }
  assert.equal(seen.size, 2 * CARDS, 'a key or a vector was used twice');
});

test('keys of every size that the platform may have', async () => {
  for (const bits of [2048, 3072, 4096]) {
    const pair = generateKeyPairSync('rsa', { modulusLength: bits });
    const spki = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const client = new OnlinePayments({ fetch: async () => Response.json({ keyId: 'k', publicKey: spki }) });
    const token = await client.encrypt(SESSION, VISA, { paymentProductId: 1 });
    assert.equal(JSON.parse(open(token, pair.privateKey).text).paymentProductId, 1);
  }
  for (const wrong of [
    {
      keyId: 'k',
      publicKey: generateKeyPairSync('rsa', { modulusLength: 1024 })
        .publicKey.export({ type: 'spki', format: 'der' })
        .toString('base64'),
    },
    { keyId: 'k', publicKey: 'AAAA' },
    { keyId: 'a b', publicKey },
    { keyId },
    { publicKey },
    [],
    null,
    'x',
  ]) {
    const client = new OnlinePayments({ fetch: async () => Response.json(wrong) });
    await assert.rejects(
      client.encrypt(SESSION, VISA, { paymentProductId: 1 }),
      { code: 'answer_malformed' },
      JSON.stringify(wrong),
    );
  }
});

test(`random cards are in the payload as they were typed (seed ${seed})`, async () => {
  const random = generator(seed + 29);
  const client = offline();
  const nonces = new Set();
  for (let index = 0; index < CARDS; index += 1) {
    const card = randomCard(random);
    const tokenize = [undefined, false, true][index % 3];
    const kind = index % 2 ? 'tokenize' : 'payment';
    const payload = JSON.parse(open(await client.encrypt(SESSION, card, { paymentProductId: 1, kind, tokenize })).text);
    nonces.add(payload.nonce);
    assert.match(payload.nonce, /^[0-9a-f]{32}$/);
    const values = Object.fromEntries(payload.paymentValues.map(({ key: name, value }) => [name, value]));
    assert.equal(values.cardNumber, card.number);
    assert.equal(values.cardholderName, card.holder.trim());
    assert.equal(values.expiryDate, `${String(card.expiry.month).padStart(2, '0')}${card.expiry.year}`);
    assert.equal(values.cvv, card.cvc);
    assert.equal(payload.tokenize, kind === 'payment' ? tokenize === true : undefined);
    assert.equal(values.paymentProductId, kind === 'payment' ? undefined : 1);
    assert.equal(payload.clientSessionId, SESSION.clientSessionId);
  }
  assert.equal(nonces.size, CARDS);
});

test('tells of the browser that is there and of no other', async () => {
  const told = async (options) =>
    JSON.parse(open(await offline(options).encrypt(SESSION, VISA, { paymentProductId: 1 })).text)
      .collectedDeviceInformation;
  assert.deepEqual(await told(), {
    timezoneOffsetUtcMinutes: new Date().getTimezoneOffset(),
    locale: navigator.language,
    browserData: { javaScriptEnabled: true },
  });
  Object.assign(globalThis, {
    screen: { colorDepth: 30, height: 1117, width: 1728 },
    innerHeight: 900,
    innerWidth: 1400,
  });
  try {
    assert.deepEqual((await told()).browserData, {
      javaScriptEnabled: true,
      colorDepth: 30,
      screenHeight: 1117,
      screenWidth: 1728,
      innerHeight: 900,
      innerWidth: 1400,
    });
    const { headers } = offline().publicKeyRequest(SESSION);
    const meta = JSON.parse(Buffer.from(headers['x-gcs-clientmetainfo'], 'base64'));
    assert.equal(meta.screenSize, '1400x900');
    assert.equal(meta.platformIdentifier, navigator.userAgent);
  } finally {
    for (const name of ['screen', 'innerHeight', 'innerWidth']) delete globalThis[name];
  }
  assert.deepEqual(await told({ device: { locale: 'x' } }), { locale: 'x' });
});

test('asks for key and product once, and neither sends nor keeps more than the first eight digits', async () => {
  const calls = [];
  const client = new OnlinePayments({
    fetch: async (url, options) => {
      calls.push(JSON.stringify([url, options]));
      return Response.json(url.endsWith('IINdetails') ? { paymentProductId: 1 } : key);
    },
  });
  for (let index = 0; index < 3; index += 1) await client.encrypt(SESSION, { ...VISA, expiry: `1${index}/2030` });
  assert.equal(calls.length, 2);
  assert.ok(calls.some((call) => call.includes('45673500')));
  for (const call of calls) assert.ok(!call.includes('456735000'), call);
  // A typed beginning is asked for when it has six digits, and again when it has eight.
  for (const typed of ['4', '45673', '456735', '4567350', '45673500', '4567 3500 0'])
    await client.iinDetails(SESSION, typed);
  assert.equal(calls.length, 3);
  assert.equal((await client.iinDetails(SESSION, '4567')).status, 'not_enough_digits');
  assert.equal(client.iinDetailsRequest(SESSION, '45673'), null);
  client.free();
});

test('without secure cryptography there is an error and nothing weaker', async () => {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  const attempt = async (value, code) => {
    Object.defineProperty(globalThis, 'crypto', { configurable: true, value });
    try {
      await assert.rejects(offline().encrypt(SESSION, VISA, { paymentProductId: 1 }), (error) => {
        assert.equal(error.code, code);
        assert.ok(!JSON.stringify([error.message, error.stack, String(error.cause)]).includes('4567350000427977'));
        return true;
      });
    } finally {
      Object.defineProperty(globalThis, 'crypto', original);
    }
  };
  const getRandomValues = (array) => webcrypto.getRandomValues(array);
  await attempt(undefined, 'random_unavailable');
  await attempt({ subtle: webcrypto.subtle }, 'random_unavailable');
  await attempt({ subtle: webcrypto.subtle, getRandomValues: (array) => array }, 'random_unavailable');
  await attempt({ getRandomValues }, 'encryption_failed');
});

test('refuses what it must not use', async () => {
  const client = offline();
  const own = (more) => ({
    ...SESSION,
    id: 'ses_1',
    platform: 'online_payments',
    kind: 'payment',
    mode: 'relay',
    created_at: new Date().toISOString(),
    expires_at: new Date(Date.now() + 60_000).toISOString(),
    expires_in: 60,
    ...more,
  });
  for (const [session, code] of [
    [{ ...SESSION, clientApiUrl: 'http://payment.payone.com/client' }, 'session_malformed'],
    [{ ...SESSION, clientApiUrl: 'https://payment.payone.com/other' }, 'session_malformed'],
    [{ ...SESSION, customerId: '../x' }, 'session_malformed'],
    [{ ...SESSION, clientSessionId: 'a\nb' }, 'session_malformed'],
    [{ ...SESSION, clientSessionId: undefined }, 'session_malformed'],
    [null, 'session_malformed'],
    [own({ expires_at: new Date(Date.now() - 1).toISOString() }), 'session_expired'],
    [own({ platform: 'greenpay' }), 'session_wrong_platform'],
  ])
    await assert.rejects(client.encrypt(session, VISA, { paymentProductId: 1 }), { code }, JSON.stringify(session));
  await assert.rejects(client.tokenize(own(), VISA), { code: 'session_wrong_kind' });
  await assert.rejects(client.pay(own({ kind: 'tokenize' }), VISA), { code: 'session_wrong_kind' });
  await assert.rejects(client.pay(SESSION, VISA), { code: 'type_invalid', field: 'session' });
  await assert.rejects(client.pay(own(), { ...VISA, number: '4567350000427978' }), { code: 'card_invalid' });
  for (const paymentProductId of [0, -1, 1.5, '1'])
    await assert.rejects(client.encrypt(SESSION, VISA, { paymentProductId }), { code: 'option_invalid' });
  assert.equal(
    client.publicKeyRequest({ ...SESSION, clientApiUrl: 'https://payment.payone.com' }).url,
    'https://payment.payone.com/client/v1/9991-0/crypto/publickey',
  );
});

/** A call to the platform's server API, signed. */
async function server(method, path, body) {
  const resource = `/v2/${shop.merchant_id}${path}`;
  const date = new Date().toUTCString();
  const text = `${method}\n${body ? 'application/json' : ''}\n${date}\n${resource}\n`;
  const signature = createHmac('sha256', shop.credentials.secret_api_key).update(text).digest('base64');
  const response = await fetch(shop.base_url + resource, {
    method,
    headers: {
      date,
      authorization: `GCS v1HMAC:${shop.credentials.api_key_id}:${signature}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function clientSession() {
  const { status, body } = await server('POST', '/sessions', {});
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

const order = { amountOfMoney: { amount: 1000, currencyCode: 'EUR' } };

test(`the sandbox opens what Cardseal encrypts: ${CARDS} random cards (seed ${seed})`, async () => {
  const random = generator(seed + 31);
  const client = new OnlinePayments();
  const session = await clientSession();
  const product = await client.product(session, 1, CONTEXT);
  for (let index = 0; index < CARDS; index += 1) {
    const card = randomCard(random);
    const options = [{ product }, { paymentProductId: 1 }, { context: CONTEXT }][index % 3];
    if (index % 2) {
      const encryptedCustomerInput = await client.encrypt(session, card, { ...options, kind: 'tokenize' });
      const { status, body } = await server('POST', '/tokens', { paymentProductId: 1, encryptedCustomerInput });
      assert.ok(status === 200 || status === 201, JSON.stringify(body));
      assert.equal(body.card.cardNumber.slice(-4), card.number.slice(-4));
      assert.equal(body.card.cardholderName, card.holder.trim());
      assert.equal(body.card.expiryDate, `${String(card.expiry.month).padStart(2, '0')}${card.expiry.year % 100}`);
    } else {
      const encryptedCustomerInput = await client.encrypt(session, card, options);
      const { status, body } = await server('POST', '/payments', {
        order,
        encryptedCustomerInput,
        cardPaymentMethodSpecificInput: { authorizationMode: 'SALE' },
      });
      assert.equal(status, 201, JSON.stringify(body));
      assert.equal(body.payment.statusOutput.statusCode, 9);
    }
  }
});

test('what jose encrypts of our payload the sandbox opens, too', async () => {
  const session = await clientSession();
  const client = new OnlinePayments();
  const { keyId: kid, publicKey: spki } = await client.publicKey(session);
  const token = await client.encrypt(session, VISA, { paymentProductId: 1, kind: 'tokenize' });
  const rsa = await importSPKI(
    `-----BEGIN PUBLIC KEY-----\n${spki.replace(/.{64}/g, '$&\n')}\n-----END PUBLIC KEY-----`,
    'RSA-OAEP',
  );
  const vector = vectors.jwe.find(({ id }) => id.includes('token')).plaintext_json;
  const payload = { ...vector, clientSessionId: session.clientSessionId };
  const theirs = await new CompactEncrypt(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'RSA-OAEP', enc: 'A256CBC-HS512', kid })
    .encrypt(rsa);
  assert.equal(theirs.split('.')[0], token.split('.')[0]);
  assert.deepEqual(
    [1, 2, 4].map((part) => theirs.split('.')[part].length),
    [1, 2, 4].map((part) => token.split('.')[part].length),
  );
  for (const encryptedCustomerInput of [token, theirs]) {
    const { status, body } = await server('POST', '/tokens', { paymentProductId: 1, encryptedCustomerInput });
    assert.ok(status === 200 || status === 201, JSON.stringify(body));
    const again = await server('POST', '/tokens', { paymentProductId: 1, encryptedCustomerInput });
    assert.equal(again.status, 400, 'it can be used once');
  }
});

test("the platform's own library asks the same, and encrypts the same", async () => {
  // It wants a browser; what it reads of one is what it will say of it.
  const page = { screen: { colorDepth: 24, height: 1080, width: 1920 }, innerHeight: 720, innerWidth: 1280 };
  Object.assign(globalThis, page, { window: globalThis, document: { location: { href: 'http://127.0.0.1/' } } });
  const asked = [];
  const real = globalThis.fetch;
  globalThis.fetch = (url, options) => {
    asked.push({
      url: String(url?.url ?? url),
      method: options?.method ?? url?.method ?? 'GET',
      headers: new Headers(options?.headers ?? url?.headers),
    });
    return real(url, options);
  };
  try {
    // Where it finds Node it wants Node's own source of random numbers, which its bundle lacks.
    const versions = Object.getOwnPropertyDescriptor(process, 'versions');
    Object.defineProperty(process, 'versions', { ...versions, value: {} });
    const { CreditCardTokenRequest, PaymentRequest, Session } = await import('onlinepayments-sdk-client-js').finally(
      () => Object.defineProperty(process, 'versions', versions),
    );
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const session = await clientSession();
    const theirs = new Session(session);
    const details = {
      countryCode: CONTEXT.countryCode,
      amountOfMoney: { amount: CONTEXT.amount, currencyCode: CONTEXT.currencyCode },
      isRecurring: false,
    };
    const product = await theirs.getPaymentProduct(1, details);
    const request = new PaymentRequest();
    request.setPaymentProduct(product);
    for (const [name, value] of [
      ['cardNumber', '4567 3500 0042 7977'],
      ['cardholderName', VISA.holder],
      ['expiryDate', '12/2030'],
      ['cvv', '123'],
    ])
      request.setValue(name, value);
    assert.deepEqual(request.getErrorMessageIds?.() ?? [], []);
    const their = await theirs.getEncryptor().encrypt(request);
    const client = new OnlinePayments();
    const our = await client.encrypt(session, VISA, { product: await client.product(session, 1, CONTEXT) });
    const [a, b] = [their, our].map((token) => token.split('.'));
    assert.equal(a[0], b[0]);
    assert.deepEqual(
      [1, 2, 3, 4].map((part) => a[part].length),
      [1, 2, 3, 4].map((part) => b[part].length),
    );
    for (const encryptedCustomerInput of [their, our]) {
      const { status, body } = await server('POST', '/payments', { order, encryptedCustomerInput });
      assert.equal(status, 201, JSON.stringify(body));
    }
    const calls = asked.filter(({ url }) => url.startsWith(session.clientApiUrl));
    const half = calls.length / 2;
    const path = ({ url, method }) => `${method} ${new URL(url).pathname}`;
    assert.deepEqual(calls.slice(half).map(path).sort(), calls.slice(0, half).map(path).sort());
    for (const { headers } of calls) {
      assert.equal(headers.get('authorization'), `GCS v1Client:${session.clientSessionId}`);
      assert.match(headers.get('x-gcs-clientmetainfo'), /^[A-Za-z\d+/]+=*$/);
    }
    // The same in full, with a key that can be opened here.
    const spki = rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    globalThis.fetch = async (url, options) =>
      String(url?.url ?? url).includes('publickey')
        ? Response.json({ keyId: 'k', publicKey: spki })
        : real(url, options);
    const fresh = new Session(session);
    const token = new CreditCardTokenRequest();
    token.setCardNumber('4567350000427977');
    token.setCardholderName(VISA.holder);
    token.setExpiryDate('122030');
    token.setSecurityCode(VISA.cvc);
    token.setProductPaymentId(1);
    const ours = new OnlinePayments();
    for (const [official, own] of [
      [await fresh.getEncryptor().encrypt(request), await ours.encrypt(session, VISA, { paymentProductId: 1 })],
      [
        await fresh.getEncryptor().encryptTokenRequest(token),
        await ours.encrypt(session, VISA, { paymentProductId: 1, kind: 'tokenize' }),
      ],
    ]) {
      const [theirText, ourText] = [official, own].map((input) =>
        open(input, rsa.privateKey).text.replace(/"nonce":"[0-9a-f]{32}"/, '"nonce":""'),
      );
      assert.match(theirText, /"nonce":""/);
      assert.equal(ourText, theirText);
    }
    // What else it asks for, of a shopper with a stored card.
    const {
      body: { token: stored },
    } = await server('POST', '/tokens', {
      paymentProductId: 1,
      card: {
        data: {
          card: {
            cardNumber: '4567350000427977',
            cardholderName: VISA.holder,
            expiryDate: '1230',
            cvv: '123',
          },
        },
      },
    });
    const { body: known } = await server('POST', '/sessions', { tokens: [stored] });
    const shopper = new Session(known);
    const [account] = (await shopper.getPaymentProduct(1, details)).accountsOnFile;
    assert.deepEqual(
      ['cardNumber', 'cardholderName', 'expiryDate'].map(
        (name) => account.attributes.find(({ key: id }) => id === name).value,
      ),
      ['456735XXXXXX7977', VISA.holder, '1230'],
    );
    assert.equal((await shopper.getIinDetails('4567 3500 0042', details)).status, 'SUPPORTED');
    assert.ok((await shopper.getPaymentProductNetworks(302, details)).networks.includes('VISA'));
    const surcharges = async (card) =>
      (await shopper.getSurchargeCalculation(details.amountOfMoney, card)).surcharges.map(({ result }) => result);
    assert.deepEqual(await surcharges({ partialCreditCardNumber: '53000000', paymentProductId: 3 }), ['OK']);
    assert.deepEqual(await surcharges(stored), ['NO_SURCHARGE']);
    const quote = await shopper.getCurrencyConversionQuote(details.amountOfMoney, {
      partialCreditCardNumber: '40120000',
    });
    assert.deepEqual([quote.result.result, quote.proposal.baseAmount], ['Allowed', details.amountOfMoney]);
  } finally {
    globalThis.fetch = real;
    for (const name of [...Object.keys(page), 'window', 'document']) delete globalThis[name];
  }
});

test('says which product a card belongs to, and why it is refused', async () => {
  const client = new OnlinePayments();
  const session = await clientSession();
  const details = await client.iinDetails(session, '4567350000427977', CONTEXT);
  assert.deepEqual(details, {
    status: 'supported',
    paymentProductId: 1,
    countryCode: '99',
    cardType: 'Credit',
    coBrands: [],
  });
  assert.equal((await client.iinDetails(session, '999999', CONTEXT)).status, 'unknown');
  const products = await client.products(session, CONTEXT);
  assert.ok(products.length > 2 && products.every(({ id, fields }) => id > 0 && fields === undefined));
  await assert.rejects(client.product(session, 9999, CONTEXT), {
    code: 'platform_rejected',
    platformCode: '1007',
    status: 404,
  });
  await assert.rejects(client.product(session, 1, {}), { code: 'platform_rejected', status: 400 });
  await assert.rejects(client.publicKey({ ...session, customerId: '9991-0' }), {
    code: 'session_expired',
    status: 403,
  });
  await assert.rejects(client.publicKey({ ...session, clientSessionId: 'x' }), {
    code: 'platform_rejected',
    platformCode: '9002',
    status: 403,
  });
  await assert.rejects(client.encrypt(session, { ...VISA, number: '2200 0000 0000 0004' }, { context: CONTEXT }), {
    code: 'platform_rejected',
    platformCode: 'unknown',
  });
});

test("a product's own validators are applied to what would be sent", async () => {
  const session = await clientSession();
  const client = new OnlinePayments();
  const product = await client.product(session, 1, CONTEXT);
  const changed = structuredClone(product);
  const field = (id) => changed.fields.find((one) => one.id === id);
  field('cardholderName').dataRestrictions.validators.length.maxLength = 5;
  field('cvv').dataRestrictions.validators.regularExpression.regularExpression = '^9';
  await assert.rejects(client.encrypt(session, VISA, { product: changed }), ({ code, problems }) => {
    assert.equal(code, 'card_invalid');
    assert.deepEqual(problems.map((problem) => problem.code).sort(), ['cvc_not_digits', 'holder_too_long']);
    return true;
  });
  const expiry = product.fields.find(({ id }) => id === 'expiryDate');
  expiry.displayHints.mask = '{{99}}/{{99}}';
  expiry.dataRestrictions.validators.regularExpression.regularExpression = '^(0[1-9]|1[0-2])\\d\\d$';
  const short = await offline().encrypt(SESSION, VISA, { product });
  assert.equal(JSON.parse(open(short).text).paymentValues[2].value, '1230');
});

test('a description that cannot be read here is left to the platform', async () => {
  const encrypted = async (fields) =>
    JSON.parse(open(await offline().encrypt(SESSION, VISA, { product: { id: 1, fields } })).text).paymentValues;
  for (const fields of [undefined, null, {}, [null], [{ id: 'cvv' }], [{}]])
    assert.equal((await encrypted(fields))[2].value, '122030');
  // Patterns of other languages, which JavaScript does not know.
  for (const pattern of ['^[0-9]++$', '(?i)x(', '[', '^(?<!a']) {
    const validators = { regularExpression: { regularExpression: pattern } };
    assert.deepEqual(checkField({ id: 'x', dataRestrictions: { validators } }, '123'), [], pattern);
    const fields = ['cardNumber', 'expiryDate', 'cvv'].map((id) => ({ id, dataRestrictions: { validators } }));
    assert.equal((await encrypted(fields))[2].value, '122030', pattern);
  }
});

for (const failing of [undefined, 'encrypt', 'sign', 'importKey'])
  test(`what was in the clear on the way is wiped, ${failing ? `also when ${failing} fails` : 'when it went well'}`, async () => {
    const { subtle } = webcrypto;
    const held = [];
    const view = (data) => new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
    const hold = (name, data) => {
      const bytes = view(data);
      assert.ok(bytes.some(Boolean), `${name}: wiped before its time`);
      held.push([name, bytes]);
    };
    const replaced = {
      importKey: async (format, data, ...more) => {
        const [{ name }] = more;
        if (format === 'raw') hold(`key for ${name}`, data);
        if (failing === 'importKey' && name === 'HMAC') throw new Error('no');
        return subtle.importKey(format, data, ...more);
      },
      encrypt: async (how, key, data) => {
        hold(how.name === 'RSA-OAEP' ? 'content key' : 'payload', data);
        if (failing === 'encrypt' && how.name !== 'RSA-OAEP') throw new Error('no');
        return subtle.encrypt(how, key, data);
      },
      sign: async (...given) => {
        if (failing === 'sign') throw new Error('no');
        return subtle.sign(...given);
      },
    };
    const original = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
    Object.defineProperty(globalThis, 'crypto', {
      configurable: true,
      value: {
        getRandomValues: (array) => webcrypto.getRandomValues(array),
        subtle: new Proxy(subtle, { get: (real, name) => replaced[name] ?? real[name].bind(real) }),
      },
    });
    try {
      const encrypted = offline().encrypt(SESSION, VISA, { paymentProductId: 1 });
      if (failing) await assert.rejects(encrypted, { code: 'encryption_failed' });
      else assert.match(open(await encrypted).text, /4567350000427977/);
    } finally {
      Object.defineProperty(globalThis, 'crypto', original);
    }
    assert.deepEqual(
      held.map(([name, { length }]) => [name, length > 32]),
      [
        ['content key', true],
        ['key for AES-CBC', false],
        ['payload', true],
        ...(failing === 'encrypt' ? [] : [['key for HMAC', false]]),
      ],
    );
    for (const [name, bytes] of held)
      assert.ok(
        bytes.every((byte) => byte === 0),
        name,
      );
  });

test('masks and validators, as the platform describes them', () => {
  const masked = (mask, text, caret) => maskField({ id: 'x', displayHints: { mask } }, text, caret);
  const AMEX = '{{9999}} {{999999}} {{99999}}';
  assert.deepEqual(masked(AMEX, '378282246310005'), { text: '3782 822463 10005', value: '378282246310005', caret: 17 });
  assert.deepEqual(masked(AMEX, '3782 822463 10005 99'), {
    text: '3782 822463 10005',
    value: '378282246310005',
    caret: 17,
  });
  assert.deepEqual(masked(AMEX, '37a82'), { text: '3782', value: '3782', caret: 4 });
  assert.deepEqual(masked(AMEX, '37828', 4), { text: '3782 8', value: '37828', caret: 5 });
  assert.deepEqual(masked('{{9999}} {{9999}}', '4567XXXX'), { text: '4567 XXXX', value: '4567XXXX', caret: 9 });
  assert.deepEqual(masked('{{99}}/{{9999}}', '122030'), { text: '12/2030', value: '122030', caret: 7 });
  assert.deepEqual(masked('({{**}})-{{*}}', 'a1b'), { text: '(a1)-b', value: 'a1b', caret: 6 });
  assert.deepEqual(masked(undefined, 'a b'), { text: 'a b', value: 'a b', caret: 3 });
  assert.deepEqual(masked(AMEX, ''), { text: '', value: '', caret: 0 });
  const now = () => Date.UTC(2026, 10, 21, 12);
  const check = (validators, value, isRequired = true) =>
    checkField({ id: 'x', dataRestrictions: { isRequired, validators } }, value, { now });
  assert.deepEqual(check({ luhn: {} }, ''), ['required']);
  assert.deepEqual(check({ luhn: {} }, undefined, false), []);
  for (const [validators, good, bad] of [
    [{ luhn: {} }, ['4567 3500-0042 7977', '378282246310005'], ['4567350000427978', '0', '12a4']],
    [{ length: { minLength: 2, maxLength: 4 } }, ['12', '1234'], ['1', '12345']],
    [{ range: { minValue: 5, maxValue: 9 } }, ['5', '9'], ['4', '10', 'x']],
    [{ regularExpression: { regularExpression: '^[0-9]*$' } }, ['1'], ['a']],
    [
      { expirationDate: {} },
      ['1126', '112026', '112051', '1227'],
      ['1026', '102026', '122051', '1326', '0030', '12/30', '12'],
    ],
    [{ emailAddress: {} }, ['a@b.example'], ['a@b', 'a b@c.example', '@b.example']],
    [{ fixedList: { allowedValues: ['a', 'b'] } }, ['a'], ['c']],
    [{ iban: {} }, ['DE89 3704 0044 0532 0130 00', 'gb82west12345698765432'], ['DE89370400440532013001', 'DE', '12']],
    [{ termsAndConditions: {} }, ['true'], ['false']],
    [{ later: {}, toString: {} }, ['anything'], []],
  ]) {
    for (const value of good) assert.deepEqual(check(validators, value), [], value);
    for (const value of bad) assert.deepEqual(check(validators, value), Object.keys(validators), value);
  }
});
