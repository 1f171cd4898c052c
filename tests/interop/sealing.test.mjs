// Cards sealed to the merchant's own key: what Cardseal seals against the vectors, node:crypto and jose.

import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createECDH, createHash, generateKeyPairSync, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { before, mock, test } from 'node:test';
import { load, WorldlineAcquiring } from 'cardseal';
import { compactDecrypt, importJWK } from 'jose';
import { generator, randomCard, seed } from './cards.mjs';

const CARDS = 200;
const vectors = JSON.parse(readFileSync(new URL('../vectors/sealing.json', import.meta.url), 'utf8'));
const { kid, jwk } = vectors.key;
const { kty, crv, x, y } = jwk;
const SEAL = { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty, crv, x, y } };
const ID = 'ses_00112233445566778899aabbccddeeff';
const END = 1000 * Math.ceil(Date.now() / 1000 + 600);
const CARD = {
  number: '4176 6699 9900 0104',
  expiry: '12/2031',
  cvc: '012',
  holder: 'Zoë "Z" Müller',
  nickname: 'My Visa',
};
const TOKEN = { cryptogram: 'AgAAAAAAAIR8CQrXcIhbQAAAAAA=', eci: '05', requestorId: '40010030273' };

const own = (kind, more) => ({
  id: ID,
  platform: 'worldline_acquiring',
  kind,
  mode: 'relay',
  created_at: new Date().toISOString(),
  expires_at: new Date(END).toISOString(),
  expires_in: 60,
  seal: SEAL,
  ...more,
});

before(() => load());

const length = (number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
};
const prefixed = (text) => Buffer.concat([length(Buffer.byteLength(text)), Buffer.from(text)]);
const concatKdf = (agreed, party) =>
  createHash('sha256')
    .update(length(1))
    .update(agreed)
    .update(prefixed('A256GCM'))
    .update(prefixed(''))
    .update(prefixed(party))
    .update(length(256))
    .digest();
const bytes = (text) => Buffer.from(text, 'base64url');

/** By hand, with other code than ours. */
function open(token, key = jwk) {
  const parts = token.split('.');
  const [protectedHeader, wrapped, iv, text, tag] = parts.map(bytes);
  assert.deepEqual(
    [protectedHeader, wrapped, iv, text, tag].map((part) => part.toString('base64url')),
    parts,
  );
  assert.deepEqual([parts.length, wrapped.length, iv.length, tag.length], [5, 0, 12, 16]);
  const header = JSON.parse(protectedHeader);
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(bytes(key.d));
  const agreed = ecdh.computeSecret(Buffer.concat([Buffer.of(4), bytes(header.epk.x), bytes(header.epk.y)]));
  const aes = createDecipheriv('aes-256-gcm', concatKdf(agreed, bytes(header.apv).toString()), iv, {
    authTagLength: 16,
  });
  aes.setAAD(Buffer.from(parts[0]));
  aes.setAuthTag(tag);
  return {
    header,
    iv: iv.toString('hex'),
    card: JSON.parse(Buffer.concat([aes.update(text), aes.final()]).toString('utf8')),
  };
}

/** The members of the documented header, in no order. */
const header = (sid, exp, epk) => ({
  alg: 'ECDH-ES',
  enc: 'A256GCM',
  kid,
  epk,
  apv: Buffer.from(sid).toString('base64url'),
  typ: 'cardseal-card+jwe',
  exp,
  sid,
});

test('what others sealed of a card is what we seal of it, but for what is fresh each time', async () => {
  assert.ok(vectors.sealed.length >= 3);
  for (const { id, jwe, session, exp, card } of vectors.sealed) {
    const theirs = open(jwe);
    assert.deepEqual(theirs.card, card, id);
    const client = new WorldlineAcquiring({ now: () => 1000 * exp - 1 });
    const { number, expiry, cvc = '', holder = '', network_token: given } = card;
    // One has neither security code nor name: a page would not send it without the first.
    const networkToken = given
      ? { cryptogram: given.cryptogram, eci: given.eci, requestorId: given.requestor_id }
      : undefined;
    const typed = { number, expiry, cvc: cvc || (given ? '' : '123'), holder };
    const ours = open(
      await client.seal(own('payment', { id: session, expires_at: new Date(1000 * exp).toISOString() }), typed, {
        networkToken,
      }),
    );
    assert.deepEqual(ours.card, { ...card, ...(typed.cvc && { cvc: typed.cvc }) }, id);
    assert.deepEqual(ours.header, { ...theirs.header, epk: ours.header.epk }, id);
    assert.deepEqual(Object.keys(ours.header.epk).sort(), Object.keys(theirs.header.epk).sort());
  }
});

test('with the keys of RFC 7518, appendix C, every part is the one that its agreed secret leads to', async () => {
  const { alice, bob, z } = vectors.key_agreement;
  const { subtle } = crypto;
  const curve = { name: 'ECDH', namedCurve: 'P-256' };
  const [privateKey, publicKey] = await Promise.all([
    subtle.importKey('jwk', alice, curve, false, ['deriveBits']),
    subtle.importKey('jwk', { ...alice, d: undefined }, curve, true, []),
  ]);
  const made = mock.method(subtle, 'generateKey', async () => ({ privateKey, publicKey }));
  const drawn = mock.method(crypto, 'getRandomValues', (array) => array.fill(7));
  const text =
    '{"number":"4176669999000104","expiry":{"month":12,"year":2031},"cvc":"012","holder":"Zoë \\"Z\\" Müller"}';
  const session = own('payment', { seal: { ...SEAL, key: { kty, crv, x: bob.x, y: bob.y } } });
  let token;
  try {
    token = await new WorldlineAcquiring().seal(session, CARD);
  } finally {
    made.mock.restore();
    drawn.mock.restore();
  }
  const [protectedHeader] = token.split('.');
  assert.deepEqual(
    JSON.parse(bytes(protectedHeader)),
    header(ID, END / 1000, { kty: 'EC', crv: 'P-256', x: alice.x, y: alice.y }),
  );
  const aes = createCipheriv('aes-256-gcm', concatKdf(Buffer.from(z), ID), Buffer.alloc(12, 7));
  aes.setAAD(Buffer.from(protectedHeader));
  const sealed = Buffer.concat([aes.update(text), aes.final()]);
  const rest = [Buffer.alloc(12, 7), sealed, aes.getAuthTag()].map((part) => part.toString('base64url'));
  assert.equal(token, `${protectedHeader}..${rest.join('.')}`);
});

test(`any card opens to itself, here and in jose, and nothing comes twice (seed ${seed})`, async () => {
  const random = generator(seed + 41);
  const client = new WorldlineAcquiring();
  const key = await importJWK(jwk, 'ECDH-ES');
  const seen = new Set();
  for (let index = 0; index < CARDS; index += 1) {
    const typed = randomCard(random);
    const session = own(index % 2 ? 'tokenize' : 'payment', { id: 'a'.repeat(1 + (index % 80)) });
    const token = await client.seal(session, typed);
    assert.ok(token.length < 8192);
    const opened = open(token);
    const { number, expiry, cvc, holder } = typed;
    assert.deepEqual(opened.card, { number, expiry, cvc, holder });
    assert.deepEqual(opened.header, header(session.id, END / 1000, opened.header.epk));
    const { plaintext } = await compactDecrypt(token, key, {
      keyManagementAlgorithms: ['ECDH-ES'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    assert.deepEqual(JSON.parse(new TextDecoder().decode(plaintext)), opened.card);
    for (const fresh of [opened.header.epk.x, opened.iv]) seen.add(fresh);
    // The same card, sealed again, has nothing in common with it but the header's fixed members.
    if (index === 0) assert.notEqual(token.split('.')[3], (await client.seal(session, typed)).split('.')[3]);
  }
  assert.equal(seen.size, 2 * CARDS, 'a key or a vector was used twice');
});

test('what is sealed for one session opens for no other', async () => {
  const token = await new WorldlineAcquiring().seal(own('payment'), CARD);
  const [first, ...rest] = token.split('.');
  const bent = JSON.parse(bytes(first));
  for (const change of [
    { sid: 'ses_2' },
    { apv: Buffer.from('ses_2').toString('base64url') },
    { exp: bent.exp + 1 },
    { kid: 'other' },
  ]) {
    const other = [Buffer.from(JSON.stringify({ ...bent, ...change })).toString('base64url'), ...rest].join('.');
    assert.throws(() => open(other), JSON.stringify(change));
  }
});

test('the requests hold the session and the sealed card, and nothing else', async () => {
  const client = new WorldlineAcquiring({ server: 'https://shop.example/pay/' });
  const requests = {
    '/v1/tokens': await client.tokenizeRequest(own('tokenize'), CARD),
    '/v1/payments': await client.payRequest(own('payment'), CARD, { idempotencyKey: 'k-1', networkToken: TOKEN }),
  };
  for (const [path, { method, url, headers, body }] of Object.entries(requests)) {
    assert.deepEqual(
      [method, url, headers['idempotency-key']],
      ['POST', `https://shop.example/pay${path}`, path.endsWith('payments') ? 'k-1' : undefined],
    );
    const { session, sealed, ...more } = JSON.parse(body);
    assert.deepEqual([session, more], [ID, {}]);
    const { card } = open(sealed);
    assert.equal(card.number, '4176669999000104');
    assert.deepEqual(
      card.network_token,
      path.endsWith('payments') ? { cryptogram: TOKEN.cryptogram, eci: '05', requestor_id: '40010030273' } : undefined,
    );
    assert.equal(card.nickname, undefined);
  }
});

test("the end of the session goes out by the server's clock, and is judged by this machine's", async () => {
  // A clock that is hours behind.
  const now = () => Date.parse('2026-11-21T06:00:00Z');
  const moved = own('payment', { expires_at: '2026-11-21T06:15:00Z', server_expires_at: '2026-11-21T12:15:00.700Z' });
  const { exp } = open(await new WorldlineAcquiring({ now }).seal(moved, { ...CARD })).header;
  assert.equal(exp, Date.parse('2026-11-21T12:15:00Z') / 1000);
  await assert.rejects(new WorldlineAcquiring({ now: () => Date.parse('2026-11-21T06:15:00Z') }).seal(moved, CARD), {
    code: 'session_expired',
  });
});

test('refuses what it must not seal to, and says where it is', async () => {
  const client = new WorldlineAcquiring();
  const point = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ format: 'jwk' });
  const keyed = (key) => ({ seal: { ...SEAL, key: { ...SEAL.key, ...key } } });
  for (const [more, code, field] of [
    ...[
      undefined,
      null,
      'x',
      [],
      {},
      { ...SEAL, alg: 'ECDH-ES+A256KW' },
      { ...SEAL, alg: 'RSA-OAEP' },
      { ...SEAL, enc: 'A128GCM' },
      { ...SEAL, key: null },
    ].map((seal) => [{ seal }, 'session_malformed', 'seal']),
    // Points of no curve, of another, and what is no point at all.
    ...[
      { x: point.x },
      { x: y, y: x },
      { x: 'A'.repeat(43), y: 'A'.repeat(43) },
      { crv: 'P-384' },
      { kty: 'OKP' },
      { x: undefined },
      { y: `${y}A` },
      { x: `${x.slice(0, -1)}=` },
      { x: 7 },
    ].map((key) => [keyed(key), 'session_malformed', 'seal']),
    ...[undefined, 7].map((other) => [{ seal: { ...SEAL, kid: other } }, 'session_malformed', 'seal']),
    [{ expires_at: new Date(Date.now() - 1).toISOString() }, 'session_expired'],
    [{ expires_at: undefined }, 'session_malformed', 'expires_at'],
    [{ server_expires_at: 'soon' }, 'session_malformed', 'server_expires_at'],
    [{ platform: 'greenpay' }, 'session_wrong_platform'],
    [{ kind: 'update' }, 'session_wrong_kind'],
    [{ kind: undefined }, 'session_malformed', 'kind'],
    [{ mode: undefined }, 'session_malformed', 'mode'],
    [{ mode: 'direct' }, 'session_malformed', 'mode'],
    [{ id: 'a b' }, 'session_malformed', 'id'],
    [{ id: undefined }, 'session_malformed', 'id'],
  ]) {
    await assert.rejects(
      client.seal(own('payment', more), CARD),
      (error) => {
        assert.deepEqual(
          [error.name, error.code, error.field, error.platform],
          ['CardsealError', code, field, 'worldline_acquiring'],
          `${JSON.stringify(more)} ${error.stack}`,
        );
        assert.doesNotMatch(JSON.stringify([error, error.message]), /4176|9000104/);
        return true;
      },
      JSON.stringify(more),
    );
  }
  for (const session of [undefined, null, 'x', []])
    await assert.rejects(client.pay(session, CARD), { code: 'session_malformed' });
  await assert.rejects(client.pay(own('tokenize'), CARD), { code: 'session_wrong_kind' });
  await assert.rejects(client.tokenize(own('payment'), CARD), { code: 'session_wrong_kind' });
  client.free();
  await assert.rejects(client.seal(own('payment'), CARD), { code: 'type_invalid', field: 'this' });
});

test('a card is checked as for every platform, and a network token needs no security code', async () => {
  const client = new WorldlineAcquiring();
  const problems = async (card, options) => {
    const error = await client.seal(own('payment'), { ...CARD, ...card }, options).then(
      () => ({ problems: [] }),
      (thrown) => thrown,
    );
    return error.problems?.map(({ code }) => code) ?? [error.code, error.field];
  };
  assert.deepEqual(await problems({ holder: '' }), []);
  assert.deepEqual(await problems({ cvc: '' }), ['cvc_missing']);
  assert.deepEqual(await problems({ number: '4176669999000105', expiry: '01/20', holder: 'x'.repeat(101) }), [
    'number_check_digit',
    'expiry_past',
    'holder_too_long',
  ]);
  assert.deepEqual(await problems({ holder: '4176 6699 9900 0104' }), ['holder_is_card_number']);
  assert.deepEqual(await problems({ cvc: '', holder: '' }, { networkToken: TOKEN }), []);
  assert.deepEqual(await problems({ cvc: '1' }, { networkToken: TOKEN }), ['cvc_length']);
  assert.deepEqual(await problems({ number: 7 }), ['type_invalid', 'number']);
  for (const [more, code, field] of [
    ...[7, [], {}, { cryptogram: '' }, { cryptogram: 'a b' }, { cryptogram: 'a'.repeat(256) }, TOKEN.cryptogram].map(
      (more) => [more, 'option_invalid', 'cryptogram'],
    ),
    [{ cryptogram: 7 }, 'type_invalid', 'cryptogram'],
    [{ ...TOKEN, eci: 5 }, 'type_invalid', 'eci'],
    [{ ...TOKEN, eci: '' }, 'option_invalid', 'eci'],
    [{ ...TOKEN, requestorId: 'é' }, 'option_invalid', 'requestorId'],
  ]) {
    assert.deepEqual(await problems({}, { networkToken: more }), [code, field], JSON.stringify(more));
  }
});

test('without secure cryptography there is an error and nothing weaker', async () => {
  const original = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
  const attempt = async (value, code, words) => {
    Object.defineProperty(globalThis, 'crypto', { configurable: true, value });
    try {
      await assert.rejects(
        new WorldlineAcquiring({ fetch: () => assert.fail('sent') }).pay(own('payment'), CARD),
        (error) => {
          assert.deepEqual([error.code, error.platform, error.retryable], [code, 'worldline_acquiring', false]);
          assert.match(error.message, words);
          assert.doesNotMatch(JSON.stringify([error.message, error.stack, String(error.cause)]), /4176|9000104/);
          return true;
        },
      );
    } finally {
      Object.defineProperty(globalThis, 'crypto', original);
      delete globalThis.isSecureContext;
    }
  };
  const getRandomValues = (array) => webcrypto.getRandomValues(array);
  await attempt(undefined, 'random_unavailable', /random/);
  await attempt({ subtle: webcrypto.subtle }, 'random_unavailable', /random/);
  await attempt({ getRandomValues }, 'encryption_failed', /could not be encrypted/);
  globalThis.isSecureContext = false;
  await attempt({ getRandomValues }, 'encryption_failed', /needs a page over https/);
  for (const name of ['generateKey', 'exportKey', 'deriveBits', 'digest', 'encrypt']) {
    const subtle = new Proxy(webcrypto.subtle, {
      get: (real, key) =>
        key === name
          ? async () => {
              throw new Error('no');
            }
          : real[key].bind(real),
    });
    await attempt({ getRandomValues, subtle }, 'encryption_failed', /could not be encrypted/);
  }
});

for (const failing of [undefined, 'encrypt', 'importKey']) {
  test(`what was in the clear on the way is wiped, ${failing ? `also when ${failing} fails` : 'when it went well'}`, async () => {
    const held = [];
    const view = (data) => new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
    const hold = (data) => {
      assert.ok(view(data).some(Boolean), 'wiped before its time');
      held.push(view(data));
      return data;
    };
    const { subtle } = webcrypto;
    const replaced = {
      deriveBits: async (...args) => hold(await subtle.deriveBits(...args)),
      digest: async (name, data) => {
        hold(data);
        return hold(await subtle.digest(name, data));
      },
      encrypt: async (how, key, data) => {
        hold(data);
        if (failing === 'encrypt') throw new Error('no');
        return subtle.encrypt(how, key, data);
      },
      importKey: async (format, ...args) => {
        if (format === 'raw' && args[1].name === 'AES-GCM') {
          hold(args[0]);
          if (failing === 'importKey') throw new Error('no');
        }
        return subtle.importKey(format, ...args);
      },
    };
    const original = Object.getOwnPropertyDescriptor(globalThis, 'crypto');
    Object.defineProperty(globalThis, 'crypto', {
      configurable: true,
      value: {
        getRandomValues: (array) => webcrypto.getRandomValues(array),
        subtle: new Proxy(subtle, { get: (real, key) => replaced[key] ?? real[key].bind(real) }),
      },
    });
    try {
      const sealed = new WorldlineAcquiring().seal(own('payment'), CARD);
      if (failing) await assert.rejects(sealed, { code: 'encryption_failed' });
      else open(await sealed);
    } finally {
      Object.defineProperty(globalThis, 'crypto', original);
    }
    assert.equal(
      held.length,
      failing === 'importKey' ? 4 : 5,
      'what was agreed on, what was hashed, the key as it came and as it went, the text',
    );
    for (const bytes of held) assert.ok(bytes.every((byte) => byte === 0));
  });
}
