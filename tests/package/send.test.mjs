// The verbs that send, against a server that behaves in every way that servers do.

import assert from 'node:assert/strict';
import { createSign } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import {
  CardsealError,
  GpApi,
  GreenPay,
  load,
  OnlinePayments,
  openSession,
  openSessionRequest,
} from '../../pkg/node.js';

const { t1024 } = JSON.parse(readFileSync(new URL('../vectors/greenpay.json', import.meta.url), 'utf8')).rsa_keys;
const CARD = { number: '4242 4242 4242 4242', expiry: '12/30', cvc: '123', holder: 'Ana Núñez', nickname: 'My Visa' };
const ORDER = { session: '2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90', token: '7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11' };

let server;
let base;
let answer;
let seen;

before(async () => {
  await load();
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      answer(response);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${server.address().port}`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  seen = [];
  answer = json(200, {});
});

const json = (status, body) => (response) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const direct = (options = {}) =>
  new GreenPay({ publicKey: t1024.public_spki_pem, environment: { checkout: base }, ...options });
const relay = (options = {}) => new GreenPay({ publicKey: t1024.public_spki_pem, server: base, ...options });
const session = (kind = 'tokenize', more = {}) => ({
  id: 'ses_0123456789abcdef',
  platform: 'greenpay',
  kind,
  mode: 'relay',
  created_at: new Date().toISOString(),
  expires_at: new Date(Date.now() + 1_800_000).toISOString(),
  expires_in: 1800,
  public_key: t1024.public_spki_base64_one_line,
  ...more,
});
const signed = (body, field = 'requestId') => {
  const text = `status:${body.status},${field}:${body.requestId ?? body.orderId}`;
  return { ...body, _signature: createSign('RSA-SHA256').update(text).sign(t1024.private_pkcs1_pem, 'hex') };
};
const TOKEN = {
  status: 201,
  requestId: 'r-1',
  result: { token: '1c3a0f89-1515-402c-88e5-50814f854706', last_digits: '4242', bin: '424242' },
  expiration_date: '3012',
  brand: 'Visa',
  nickname: 'My Visa',
  errors: [],
  somethingNew: { kept: true },
};

async function refused(promise, code, more = {}) {
  const error = await promise.then(
    () => assert.fail('no error'),
    (thrown) => thrown,
  );
  assert.ok(error instanceof CardsealError && error instanceof Error, String(error));
  assert.equal(error.code, code, error.message);
  for (const [name, value] of Object.entries(more)) assert.deepEqual(error[name], value, name);
  const everything = `${error.stack} ${JSON.stringify(error)} ${JSON.stringify(Object.getOwnPropertyNames(error).map((name) => String(error[name])))}`;
  assert.doesNotMatch(everything, /4242|Núñez|My Visa/);
  return error;
}

test('a direct token is read, its signature checked and its unknown fields kept', async () => {
  answer = json(200, signed(TOKEN));
  const token = await direct().tokenize(ORDER, CARD);
  const { raw, ...rest } = token;
  assert.deepEqual(rest, {
    id: TOKEN.result.token,
    platform: 'greenpay',
    brand: 'visa',
    bin: '424242',
    last4: '4242',
    expiry: { month: 12, year: 2030 },
    holder: null,
    nickname: 'My Visa',
    status: 'unconfirmed',
    signature: { verified: true, signedFields: ['status', 'requestId'] },
    warnings: [],
  });
  assert.deepEqual(raw.somethingNew, { kept: true });
  assert.equal(seen[0].url, '/tokenize');
  assert.equal(seen[0].headers['liszt-token'], ORDER.token);
  assert.deepEqual(Object.keys(JSON.parse(seen[0].body)), ['session', 'ld', 'lk']);
});

test('a wrong or missing signature refuses a token, unless that is only to be warned of', async () => {
  for (const body of [
    TOKEN,
    { ...signed(TOKEN), status: 200 },
    { ...signed(TOKEN), requestId: 'r-2' },
    { ...TOKEN, _signature: 'zz' },
  ]) {
    answer = json(200, body);
    await refused(direct().tokenize(ORDER, CARD), 'signature_invalid');
    const token = await direct({ signature: 'warn' }).tokenize(ORDER, CARD);
    assert.deepEqual(token.signature, { verified: false, signedFields: [] });
  }
});

test('HTTP status and body status both count', async () => {
  const refusal = { status: 500, requestId: 'r-1', errors: ['Error: Session not exists or is wrong'] };
  for (const status of [200, 500]) {
    answer = json(status, refusal);
    await refused(direct().tokenize(ORDER, CARD), 'platform_rejected', {
      platform: 'greenpay',
      platformCode: 'not_decryptable',
      status: 500,
    });
  }
  answer = json(500, signed(TOKEN));
  await refused(direct().tokenize(ORDER, CARD), 'platform_rejected');
});

test('what the platform echoes is masked', async () => {
  answer = json(500, { status: 500, requestId: 'r-1', errors: ['Invalid_pan 4242 4242-42424242'] });
  const error = await refused(direct().tokenize(ORDER, CARD), 'platform_rejected', { platformCode: 'invalid_pan' });
  assert.equal(error.platformMessage, 'Invalid_pan ****************');
});

test('answers that are none', async () => {
  const cases = [
    [200, '<html>', 'answer_malformed'],
    [502, '<html>', 'platform_unavailable'],
    [504, '', 'platform_unavailable'],
    [200, '{"status":201,"result":{"tok', 'answer_malformed'],
    [200, 'null', 'answer_malformed'],
    [200, '[]', 'answer_malformed'],
    [200, '{"status":{},"result":7}', 'answer_malformed'],
    [200, `{"status":201,"x":"${'y'.repeat(2 << 20)}"}`, 'answer_malformed'],
  ];
  for (const [status, body, code] of cases) {
    answer = (response) => response.writeHead(status, { 'content-type': 'text/html' }).end(body);
    await refused(direct().tokenize(ORDER, CARD), code, { status });
  }
});

test('a payment that was not answered is unknown, never a failure', async () => {
  for (const [status, body] of [
    [504, ''],
    [502, '<html>'],
    [200, '{'],
    [500, '{"status":500,"orderId":"o","result":null,"errors":[]}'],
  ]) {
    answer = (response) => response.writeHead(status).end(body);
    assert.equal((await direct().pay(ORDER, CARD)).status, 'unknown', body);
  }
  const paid = {
    status: 200,
    orderId: 'o-1',
    authorization: '533793',
    last4: '4242',
    brand: 'Visa',
    result: { success: true, resp_code: '00' },
    errors: [],
  };
  answer = json(200, signed(paid, 'orderId'));
  const outcome = await direct().pay(ORDER, CARD, { kountSession: 'k-1' });
  assert.equal(outcome.status, 'approved');
  assert.deepEqual(outcome.signature, { verified: true, signedFields: ['status', 'orderId'] });
  assert.deepEqual(
    seen.map(({ url }) => url),
    ['/', '/', '/', '/', '/kount'],
  );
  answer = json(500, {
    ...paid,
    status: 500,
    authorization: null,
    result: { success: false, resp_code: '51', reserved_private4: 'FONDOS INSUFICIENTES' },
  });
  assert.deepEqual((await direct().pay(ORDER, CARD)).decline, {
    code: '51',
    reason: 'insufficient_funds',
    message: 'FONDOS INSUFICIENTES',
  });
});

test('time-out, abort and broken connections are told apart', async () => {
  answer = () => {};
  await refused(direct().tokenize(ORDER, CARD, { timeoutMs: 60 }), 'request_timeout', { retryable: true });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('4242424242424242')), 40);
  await refused(direct().tokenize(ORDER, CARD, { signal: controller.signal }), 'request_aborted', { retryable: false });
  await refused(direct().tokenize(ORDER, CARD, { signal: AbortSignal.abort() }), 'request_aborted');
  answer = (response) => response.socket.destroy();
  await refused(direct().tokenize(ORDER, CARD), 'network_failed', { retryable: true });
  answer = (response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{');
    response.socket.destroy();
  };
  await refused(direct().tokenize(ORDER, CARD), 'network_failed');
  answer = (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  await refused(direct().tokenize(ORDER, CARD), 'network_failed');
});

test('what may stand between a page and a server is named, and of a platform no more than its origin', async () => {
  answer = (response) => response.socket.destroy();
  const gone = await refused(direct().tokenize(ORDER, CARD), 'network_failed');
  assert.equal(gone.message, `no answer from ${base}: it cannot be reached, or it redirects`);
  const own = await refused(openSession({ server: base }), 'network_failed');
  assert.equal(own.message, `no answer from ${base}/v1/sessions: it cannot be reached, or it redirects`);
  answer = (response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{', () => response.socket.end());
  };
  const broken = await refused(openSession({ server: base }), 'network_failed', { status: 200 });
  assert.equal(broken.message, `the connection to ${base}/v1/sessions broke during the answer`);
  const nowhere = await refused(openSession(), 'network_failed');
  assert.match(nowhere.message, /^\/v1\/sessions is not a full address: set server/);
  globalThis.location = { origin: 'https://shop.example', href: 'https://shop.example/cart' };
  try {
    answer = (response) => response.socket.destroy();
    const foreign = await refused(openSession({ server: base }), 'network_failed');
    assert.match(foreign.message, /redirects, or its allowed_origins lacks https:\/\/shop\.example$/);
    const platform = await refused(direct().tokenize(ORDER, CARD), 'network_failed');
    assert.match(platform.message, /redirects, or it does not allow https:\/\/shop\.example$/);
  } finally {
    delete globalThis.location;
  }
});

test('an address of the server that cannot be one is refused before anything is sent', () => {
  for (const server of ['localhost:8080', 'shop.example', '//shop.example', 'ftp://shop.example', 'https://']) {
    assert.throws(() => openSessionRequest({ server }), { code: 'option_invalid', field: 'server' }, server);
  }
  for (const [server, url] of [
    ['', '/v1/sessions'],
    ['/pay', '/pay/v1/sessions'],
    ['https://shop.example/pay/', 'https://shop.example/pay/v1/sessions'],
  ]) {
    assert.equal(openSessionRequest({ server }).url, url);
  }
});

test('through the server the platform token never reaches the page', async () => {
  const resource = {
    id: 'tok_1',
    platform: 'greenpay',
    brand: 'visa',
    bin: '424242',
    last4: '4242',
    expiry: { month: 12, year: 2030 },
    holder: null,
    nickname: 'My Visa',
    status: 'active',
  };
  answer = json(201, resource);
  const token = await relay().tokenize(session(), CARD);
  assert.deepEqual({ ...token, raw: 0 }, { ...resource, signature: null, raw: 0, warnings: [] });
  assert.equal(seen[0].url, '/v1/tokens');
  assert.equal(seen[0].headers['liszt-token'], undefined);
  const body = JSON.parse(seen[0].body);
  assert.deepEqual(Object.keys(body), ['session', 'ld', 'lk']);
  assert.equal(body.session, 'ses_0123456789abcdef');
});

test('a relayed payment carries its idempotency key', async () => {
  answer = json(202, { id: 'pay_1', platform: 'greenpay', status: 'unknown', order_reference: 'o' });
  const outcome = await relay().pay(session('payment'), CARD, { idempotencyKey: 'key-1', kountSession: 'k' });
  assert.equal(outcome.status, 'unknown');
  assert.equal(seen[0].url, '/v1/payments');
  assert.equal(seen[0].headers['idempotency-key'], 'key-1');
  assert.equal(JSON.parse(seen[0].body).kount, true);
  await refused(relay().pay(session('payment'), CARD, { idempotencyKey: 'a b' }), 'option_invalid', {
    field: 'idempotencyKey',
  });
  assert.equal(seen.length, 1);
});

test('what the server refuses keeps its code', async () => {
  answer = json(429, {
    type: 'about:blank',
    title: 'Too many requests',
    status: 429,
    code: 'rate_limited',
    detail: 'wait',
  });
  await refused(relay().tokenize(session(), CARD), 'server_rejected', {
    platformCode: 'rate_limited',
    status: 429,
    retryable: true,
  });
  answer = json(429, { title: 'x', status: 429, code: 'too_many_attempts', detail: 'try again later', retry_after: 7 });
  await refused(relay().tokenize(session(), CARD), 'too_many_attempts', {
    status: 429,
    retryable: true,
    retryAfter: 7,
  });
  // The session has had its cards: waiting does not help.
  answer = json(429, { title: 'x', status: 429, code: 'too_many_attempts', detail: 'open a new session' });
  await refused(relay().tokenize(session(), CARD), 'too_many_attempts', {
    status: 429,
    retryable: false,
    retryAfter: undefined,
  });
  answer = json(409, { title: 'x', status: 409, code: 'session_expired', detail: 'open a new one' });
  await refused(relay().tokenize(session(), CARD), 'session_expired', { status: 409 });
  answer = json(422, {
    title: 'x',
    status: 422,
    code: 'platform_rejected',
    platform_code: 'invalid_pan',
    platform_message: 'Invalid_pan',
  });
  await refused(relay().tokenize(session(), CARD), 'platform_rejected', {
    platformCode: 'invalid_pan',
    platformMessage: 'Invalid_pan',
  });
  answer = json(422, { title: 'x', status: 422, code: 'card_declined', platform_code: '51' });
  await refused(relay().tokenize(session(), CARD), 'card_declined', { platformCode: '51', retryable: false });
  answer = json(502, { title: 'x', status: 502, code: 'platform_setup', platform_code: 'merchant_unknown' });
  await refused(relay().tokenize(session(), CARD), 'server_rejected', {
    platformCode: 'platform_setup',
    retryable: false,
  });
  answer = (response) => response.writeHead(200).end('<html>');
  await refused(relay().tokenize(session(), CARD), 'answer_malformed');
});

test('sessions of another kind, platform or age are refused before anything is sent', async () => {
  await refused(relay().tokenize(session('payment'), CARD), 'session_wrong_kind');
  await refused(relay().tokenize(session('tokenize', { platform: 'other' }), CARD), 'session_wrong_platform');
  await refused(relay().tokenize(session('tokenize', { created_at: 'yesterday' }), CARD), 'session_malformed');
  await refused(relay().tokenize({ mode: 'relay' }, CARD), 'session_malformed');
  await refused(relay().tokenize(null, CARD), 'session_malformed');
  await refused(relay().tokenize({ session: 'x' }, CARD), 'session_malformed', { field: 'token' });
  const late = { now: () => Date.now() + 1_800_001 };
  await refused(relay(late).tokenize(session(), CARD), 'session_expired');
  await refused(direct(late).tokenize({ ...ORDER, created_at: Date.now() }, CARD), 'session_expired');
  assert.equal(seen.length, 0);
});

test('an update puts the stored token into the encrypted text', async () => {
  await refused(direct().updateToken(ORDER, CARD), 'option_invalid', { field: 'token' });
  const bare = direct().pack({ card: CARD }).ld.length;
  const request = direct().updateTokenRequest(ORDER, CARD, { token: TOKEN.result.token });
  assert.equal(new URL(request.url).pathname, '/tokenize/update');
  assert.equal(JSON.parse(request.body).ld.length, bare + 2 * `,"token":"${TOKEN.result.token}"`.length);
  const own = relay().updateTokenRequest(session('update', { card_token: TOKEN.result.token }), CARD);
  assert.equal(JSON.parse(own.body).ld.length, bare + 2 * `,"token":"${TOKEN.result.token}"`.length);
});

test('a direct answer is handed to the server as it came', async () => {
  answer = json(201, { id: 'tok_1', platform: 'greenpay', status: 'unconfirmed' });
  const handed = await relay().confirmToken(session('tokenize', { mode: 'direct' }), { raw: signed(TOKEN) });
  assert.equal(handed.status, 'unconfirmed');
  assert.deepEqual(JSON.parse(seen[0].body), { session: 'ses_0123456789abcdef', answer: signed(TOKEN) });
});

test('a direct payment is handed to the server as it came', async () => {
  answer = json(201, { id: 'pay_1', platform: 'greenpay', status: 'approved', order_reference: 'o' });
  const raw = { status: 200, orderId: 'o' };
  const handed = await relay().confirmPayment(
    session('payment', { mode: 'direct' }),
    { raw },
    { idempotencyKey: 'key-1' },
  );
  assert.equal(seen[0].headers['idempotency-key'], 'key-1');
  assert.equal(handed.id, 'pay_1');
  assert.equal(seen[0].url, '/v1/payments');
  assert.deepEqual(JSON.parse(seen[0].body), { session: 'ses_0123456789abcdef', answer: raw });
});

test('opening a session moves its times to this clock', async () => {
  answer = json(
    201,
    session('tokenize', { created_at: '2020-01-01T00:00:00.000Z', expires_at: '2020-01-01T00:30:00.000Z' }),
  );
  const opened = await openSession({ server: `${base}/`, customer: 'c-1' });
  assert.ok(Math.abs(Date.parse(opened.created_at) - Date.now()) < 5_000);
  assert.ok(Math.abs(Date.parse(opened.expires_at) - Date.now() - 1_800_000) < 5_000);
  assert.equal(seen[0].url, '/v1/sessions');
  assert.deepEqual(JSON.parse(seen[0].body), { customer: 'c-1' });
  assert.equal(openSessionRequest().url, '/v1/sessions');
});

test('the request is a plain value that fetch takes', async () => {
  answer = json(200, signed(TOKEN));
  const request = direct().tokenizeRequest(ORDER, CARD);
  assert.deepEqual(Object.keys(request).sort(), ['body', 'headers', 'method', 'url', 'warnings']);
  assert.equal(Object.getPrototypeOf(request.headers), Object.prototype);
  const response = await fetch(request.url, request);
  assert.equal(response.status, 200);
});

const GP_CARD = { number: '4263 9700 0000 5262', expiry: '5/30', cvc: '123', holder: 'Jane Doe' };
const ACCESS = { access_token: 'AbCdEf0123456789', reference: 'r-1' };
const METHOD = {
  id: 'PMT_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea',
  status: 'ACTIVE',
  usage_mode: 'SINGLE',
  reference: 'r-1',
  somethingNew: 1,
  card: { masked_number_last4: 'XXXXXXXXXXXX5262', brand: 'VISA', expiry_month: '05', expiry_year: '30' },
  action: { type: 'PAYMENT_METHOD_CREATE', result_code: 'SUCCESS' },
};
const gp = (options = {}) => new GpApi({ environment: { base }, server: base, ...options });

test('GP API: the card goes to the platform in its own format, and only there', async () => {
  answer = json(200, METHOD);
  const { raw, ...token } = await gp().tokenize(ACCESS, GP_CARD);
  assert.deepEqual(token, {
    id: METHOD.id,
    platform: 'gp_api',
    brand: 'visa',
    bin: null,
    last4: '5262',
    expiry: { month: 5, year: 2030 },
    holder: null,
    nickname: null,
    status: 'unconfirmed',
    signature: null,
    warnings: [],
  });
  assert.equal(raw.somethingNew, 1);
  assert.equal(seen[0].url, '/payment-methods');
  assert.equal(seen[0].headers.authorization, 'Bearer AbCdEf0123456789');
  assert.equal(seen[0].headers['x-gp-version'], '2021-03-22');
  assert.deepEqual(JSON.parse(seen[0].body), {
    reference: 'r-1',
    usage_mode: 'SINGLE',
    card: { number: '4263970000005262', cvv: '123', expiry_month: '05', expiry_year: '30' },
    name: 'Jane Doe',
  });
  answer = json(201, { id: 'tok_1', platform: 'gp_api', status: 'active' });
  const own = session('tokenize', {
    platform: 'gp_api',
    mode: 'direct',
    access_token: 't',
    base_url: base,
    reference: 'r-1',
    public_key: undefined,
  });
  const kept = await gp().confirmToken(own, { raw });
  assert.equal(kept.status, 'active');
  assert.equal(seen[1].url, '/v1/tokens');
  assert.doesNotMatch(seen[1].body, /4263970000005262|"123"/);
});

test('GP API: the session says where, and its age and platform are checked', async () => {
  const own = (more = {}) =>
    session('tokenize', {
      platform: 'gp_api',
      mode: 'direct',
      access_token: 't0',
      base_url: base,
      reference: 'r-1',
      ...more,
    });
  assert.equal(new GpApi().tokenizeRequest(own(), GP_CARD, { useNetworkToken: true }).url, `${base}/payment-methods`);
  await refused((async () => new GpApi().tokenize(ACCESS, GP_CARD))(), 'option_invalid', {
    field: 'environment',
    platform: 'gp_api',
  });
  await refused(gp().tokenize(own({ expires_at: new Date(Date.now() - 1).toISOString() }), GP_CARD), 'session_expired');
  await refused(gp().tokenize(session(), GP_CARD), 'session_wrong_platform');
  await refused(gp().tokenize(own({ access_token: 'a\r\nb' }), GP_CARD), 'session_malformed', {
    field: 'access_token',
  });
  await refused(gp().tokenize({}, GP_CARD), 'session_malformed');
  assert.equal(seen.length, 0);
});

test('GP API: errors keep the detailed code', async () => {
  const fail = (status, error_code, detailed_error_code, detailed_error_description) =>
    json(status, { error_code, detailed_error_code, detailed_error_description });
  answer = fail(
    400,
    'MANDATORY_DATA_MISSING',
    '40005',
    'Request expects the following fields : number 4242424242424242',
  );
  const error = await refused(gp().tokenize(ACCESS, GP_CARD), 'platform_rejected', {
    platform: 'gp_api',
    platformCode: '40005',
    status: 400,
  });
  assert.match(error.platformMessage, /number \*{16}$/);
  answer = fail(401, 'NOT_AUTHENTICATED', '40002', 'Access token expired');
  await refused(gp().tokenize(ACCESS, GP_CARD), 'session_expired', { platformCode: '40002' });
  answer = fail(502, 'SYSTEM_ERROR_DOWNSTREAM', '50013', 'eCom error');
  await refused(gp().tokenize(ACCESS, GP_CARD), 'platform_unavailable', { retryable: true });
  for (const body of ['<html>', '{}', '{"id":"PMT_../../x"}', '{"id":7}', 'null']) {
    answer = (response) => response.writeHead(200).end(body);
    await refused(gp().tokenize(ACCESS, GP_CARD), 'answer_malformed');
  }
});

test('every request has a key of its own', () => {
  const greenpay = direct();
  const packed = Array.from({ length: 200 }, () => greenpay.pack({ card: CARD }));
  assert.equal(new Set(packed.map(({ ld }) => ld)).size, 200);
  assert.equal(new Set(packed.map(({ lk }) => lk)).size, 200);
});

test('load is idempotent, also when called twice at once', async () => {
  await Promise.all([load(), load()]);
  await load();
  assert.equal(load(), load());
});

test('what an answer contradicts is unknown, whatever else it says', async () => {
  const result = (success, resp_code) => ({ success, resp_code });
  const approved = { orderId: 'o', authorization: '533793' };
  const cases = [
    [200, { ...approved, status: 200, result: result(true, '51') }, 'unknown'],
    [200, { ...approved, status: 200, result: result(true, '000') }, 'unknown'],
    [502, { ...approved, status: 200, result: result(true, '51') }, 'unknown'],
    [500, { ...approved, status: 500, result: result(true, '00'), errors: ['Invalid token'] }, 'unknown'],
    [500, { orderId: 'o', status: 500, result: null, errors: ['Error: something'] }, 'unknown'],
    [200, { orderId: 'o', status: 500, authorization: null, result: result(false, '51') }, 'declined'],
    // Types that nobody documented do not make a payment unreadable.
    [
      200,
      {
        orderId: 7,
        status: 200,
        authorization: 533793,
        result: { ...result(true, 0), resp_code: '00', merchant_id: '485', mti: {} },
        callback: [],
      },
      'approved',
    ],
  ];
  for (const [status, body, expected] of cases) {
    answer = json(status, body);
    assert.equal((await direct().pay(ORDER, CARD)).status, expected, JSON.stringify(body));
  }
});

const online = () => new OnlinePayments({ server: base });
const fromPage = (kind) => session(kind, { platform: 'online_payments', mode: 'direct' });

test("Online Payments: after the platform's own form there is nothing to hand over but the session", async () => {
  answer = json(201, {
    id: 'tok_1',
    platform: 'online_payments',
    status: 'active',
    brand: 'visa',
    last4: '7977',
    expiry: { month: 12, year: 2030 },
  });
  const token = await online().confirmToken(fromPage('tokenize'));
  assert.deepEqual(
    [token.id, token.platform, token.status, token.last4],
    ['tok_1', 'online_payments', 'active', '7977'],
  );
  assert.equal(seen[0].url, '/v1/tokens');
  assert.deepEqual(JSON.parse(seen[0].body), { session: 'ses_0123456789abcdef', answer: {} });
  answer = (response) => response.socket.destroy();
  await refused(online().confirmToken(fromPage('tokenize'), { timeoutMs: 5000 }), 'network_failed', {
    retryable: true,
  });
  await refused(online().confirmToken(), 'type_invalid', { field: 'session' });
});

test("Online Payments: after the platform's page its return code is handed over, and nothing else of the address", async () => {
  answer = json(201, { id: 'pay_1', platform: 'online_payments', status: 'approved', order_reference: 'o' });
  const paid = await online().confirmPayment(
    { id: 'ses_1' },
    { RETURNMAC: 'mac', hostedCheckoutId: '325', note: CARD.number },
    { idempotencyKey: 'key-1' },
  );
  assert.deepEqual([paid.id, paid.status, paid.orderReference, paid.redirect], ['pay_1', 'approved', 'o', null]);
  assert.equal(seen[0].url, '/v1/payments');
  assert.equal(seen[0].headers['idempotency-key'], 'key-1');
  assert.deepEqual(JSON.parse(seen[0].body), { session: 'ses_1', answer: { RETURNMAC: 'mac' } });
  for (const [url, redirect] of [
    ['https://bank.example/3ds', { url: 'https://bank.example/3ds' }],
    ['javascript:alert(1)', null],
    [5, null],
  ]) {
    answer = json(202, { id: 'pay_1', platform: 'online_payments', status: 'unknown', redirect: { url } });
    const waiting = await online().confirmPayment({ id: 'ses_1' }, { RETURNMAC: 'mac' });
    assert.deepEqual([waiting.status, waiting.redirect], ['unknown', redirect]);
  }
  seen = [];
  for (const returned of [undefined, null, {}, { RETURNMAC: '' }, { RETURNMAC: null }]) {
    await refused(online().confirmPayment({ id: 'ses_1' }, returned), 'answer_malformed', {
      field: 'RETURNMAC',
      platform: 'online_payments',
    });
  }
  await refused(online().confirmPayment({ id: 'ses_1' }, { RETURNMAC: 5 }), 'type_invalid', { field: 'RETURNMAC' });
  await refused(online().confirmPayment(undefined, { RETURNMAC: 'mac' }), 'type_invalid', { field: 'session' });
  assert.equal(seen.length, 0);
});

test('wrong calls are errors of ours, too', async () => {
  await refused(openSession({ server: 5 }), 'type_invalid', { field: 'server' });
  answer = json(201, { id: 'ses_1' });
  await refused(openSession({ server: base }), 'answer_malformed');
  answer = json(201, {});
  await refused(relay().tokenize(session(), CARD), 'answer_malformed');
  await refused(relay().pay(session('payment'), CARD), 'answer_malformed');
  const throws = (work) => refused((async () => work())(), 'type_invalid');
  await throws(() => relay().confirmTokenRequest(session()));
  await throws(() => relay().confirmTokenRequest({}, { raw: {} }));
  const freed = relay();
  freed.free();
  freed.free();
  await throws(() => freed.pack({ card: CARD }));
  await refused((async () => new GreenPay(null))(), 'key_missing');
  assert.equal(openSessionRequest(null).url, '/v1/sessions');
  for (const kountSession of ['', 'a b', '\u0000', 'é', 'x'.repeat(256)]) {
    await refused((async () => direct().payRequest(ORDER, CARD, { kountSession }))(), 'option_invalid', {
      field: 'kountSession',
    });
  }
});

test('a payment whose answer was lost is not to be tried again', async () => {
  answer = () => {};
  const unknown = { retryable: false, outcomeUnknown: true };
  await refused(direct().pay(ORDER, CARD, { timeoutMs: 60 }), 'request_timeout', unknown);
  answer = (response) => response.socket.destroy();
  await refused(relay().pay(session('payment'), CARD), 'network_failed', unknown);
  // A token is no payment.
  await refused(relay().tokenize(session(), CARD), 'network_failed', { retryable: true, outcomeUnknown: undefined });
});

test('a payment whose answer the module fails to read is not to be tried again, but a token is', async () => {
  const { decode } = TextDecoder.prototype;
  const broken = (status, body) => (response) => {
    // Something breaks in the middle of the next call of the module.
    TextDecoder.prototype.decode = function (...given) {
      if (this.ignoreBOM) throw new Error('broken');
      return decode.apply(this, given);
    };
    json(status, body)(response);
  };
  try {
    answer = broken(200, { status: 200 });
    await refused(direct().pay(ORDER, CARD), 'module_failed', { retryable: false });
    TextDecoder.prototype.decode = decode;
    answer = broken(200, { status: 200 });
    await refused(direct().tokenize(ORDER, CARD), 'module_failed', { retryable: true });
  } finally {
    TextDecoder.prototype.decode = decode;
  }
  // The module is a fresh one by now.
  assert.ok(direct().payRequest(ORDER, CARD).body);
});
