// Where a card may go: to a published host of its platform, to the one that the page has named, or from this machine to
// this machine. A session, which comes over the network, names no other.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { afterEach, before, test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const vectors = JSON.parse(readFileSync(path.join(root, 'tests/vectors/greenpay.json'), 'utf8'));
const publicKey = vectors.rsa_keys.t1024.public_spki_base64_one_line;
const NOW = 1_795_219_200_000;
const now = () => NOW;
const CARD = { number: '4242424242424242', expiry: '12/30', cvc: '123', holder: 'Ana Mora', nickname: 'My Visa' };
const CUSTOMER = { firstName: 'Ana', lastName: 'Mora', email: 'ana@x.example', postalCode: '85281', country: 'US' };
const direct = (platform, more) => ({
  id: 'ses_1',
  platform,
  kind: 'tokenize',
  mode: 'direct',
  created_at: NOW,
  expires_at: NOW + 60_000,
  ...more,
});

let cardseal;
before(async () => {
  cardseal = await import('../../pkg/node.js');
  await cardseal.load();
});
afterEach(() => {
  delete globalThis.location;
});

/** Each platform whose session names a host: the request for one, with or without one that the page names. */
const PLATFORMS = {
  gp_api: {
    field: 'base_url',
    hosts: [
      'https://apis.sandbox.globalpay.com/ucp',
      'https://apis.globalpay.com/ucp',
      'https://apis.sandbox.eu.globalpay.com/ucp',
      'https://apis.eu.globalpay.com/ucp',
      'https://apis.sandbox.boipagateway.com/ucp',
    ],
    request: (base_url, named) =>
      new cardseal.GpApi({
        now,
        environment: named && { base: named },
      }).tokenizeRequest(direct('gp_api', { access_token: 't', reference: 'r', base_url }), CARD),
  },
  ccbill: {
    field: 'base_url',
    hosts: ['https://api.ccbill.com'],
    request: (base_url, named) =>
      new cardseal.CcBill({ now, environment: named && { base: named } }).createPaymentTokenRequest(
        direct('ccbill', { access_token: 't', base_url, client_accnum: 1, client_subacc: 2 }),
        CARD,
        { customer: CUSTOMER },
      ),
  },
  greenpay: {
    field: 'checkout_url',
    hosts: ['https://sandbox-checkout.greenpay.me', 'https://checkout.greenpay.me'],
    request: (checkout_url, named) =>
      new cardseal.GreenPay({ now, publicKey, environment: named && { checkout: named } }).tokenizeRequest(
        direct('greenpay', { session: 's', token: 't', checkout_url }),
        CARD,
      ),
  },
  online_payments: {
    field: 'clientApiUrl',
    hosts: [
      'https://payment.preprod.payone.com/client',
      'https://payment.payone.com',
      'https://payment.preprod.direct.worldline-solutions.com/client',
      'https://payment.direct.worldline-solutions.com/client',
    ],
    request: (clientApiUrl, named) =>
      new cardseal.OnlinePayments({ now, environment: named && { base: named } }).publicKeyRequest(
        direct('online_payments', { clientSessionId: 'c', customerId: '1', clientApiUrl }),
      ),
  },
};

function refusal(work) {
  try {
    return work().url;
  } catch (error) {
    assert.equal(error.name, 'CardsealError', error.stack);
    return error;
  }
}

for (const [platform, { field, hosts, request }] of Object.entries(PLATFORMS)) {
  test(`${platform}: a session names a published host or none`, () => {
    for (const host of hosts) assert.ok(request(host).url.startsWith(new URL(host).origin), host);
    for (const host of [
      'https://evil.example',
      'https://evil.example/ucp',
      `${new URL(hosts[0]).origin}.evil.example`,
      `${new URL(hosts[0]).origin}:8443`,
      `${new URL(hosts[0]).origin}%2eevil.example`,
      `https://evil.example/${new URL(hosts[0]).hostname}`,
      'https:evil.example',
      'https:///evil.example',
      `https://${new URL(hosts[0]).hostname}.`,
    ]) {
      const error = refusal(() => request(host));
      // What is no base URL at all is malformed, as it always was.
      const codes = ['session_host_refused', 'option_invalid', 'session_malformed'];
      assert.ok(codes.includes(error.code), `${host}: ${error.code ?? error}`);
      assert.deepEqual([error.field, error.platform], [field, platform], host);
      if (/^https:\/\/[a-z]/.test(host)) assert.equal(error.code, 'session_host_refused', host);
    }
    const error = refusal(() => request('https://evil.example'));
    assert.match(error.message, /https:\/\/evil\.example.*environment/);
    assert.equal(error.retryable, false);
    // Whatever is wrong with the card: it has not been looked at.
    assert.doesNotMatch(JSON.stringify(error), /card|4242/);
  });

  test(`${platform}: the page may name another host`, () => {
    const named = 'https://pay.example';
    assert.ok(request(platform === 'online_payments' ? `${named}/client` : named, named).url.startsWith(named));
    assert.equal(refusal(() => request('https://evil.example', 'http://evil.example')).field, 'environment');
  });

  test(`${platform}: a session names this machine only for a page of this machine`, () => {
    const local = [
      'http://127.0.0.1:8080',
      'http://127.4.5.6',
      'http://localhost:1',
      'http://[::1]:9',
      'https://localhost',
    ];
    for (const base of local) assert.ok(request(base).url.startsWith(base), base);
    for (const origin of ['http://127.0.0.1:3000', 'http://localhost:3000', 'https://localhost', 'http://[::1]']) {
      globalThis.location = { origin };
      for (const base of local) assert.ok(request(base).url.startsWith(base), `${base} from ${origin}`);
    }
    for (const origin of [
      'https://shop.example',
      'https://localhost.shop.example',
      'https://127.0.0.1.shop.example',
      'null',
      undefined,
    ]) {
      globalThis.location = { origin };
      for (const base of local)
        assert.equal(refusal(() => request(base)).code, 'session_host_refused', `${base} from ${origin}`);
      // A page that names this machine itself means it.
      assert.ok(request('http://127.0.0.1:8080', 'http://127.0.0.1:8080').url.startsWith('http://127.0.0.1:8080'));
    }
  });
}

test('a session that names no host needs a page that does, and the error says so', () => {
  for (const work of [
    () => new cardseal.GpApi({ now }).tokenizeRequest({ access_token: 't' }, CARD),
    () =>
      new cardseal.CcBill({ now }).threeDsRequiredRequest(
        { access_token: 't', client_accnum: 1, client_subacc: 2, currency_code: 840 },
        CARD,
      ),
  ]) {
    const error = refusal(work);
    assert.deepEqual([error.code, error.field], ['option_invalid', 'environment']);
    assert.match(error.message, /session.*base_url.*environment/);
  }
});

test('Online Payments: the page may say which environment it means', () => {
  const ask = (environment, clientApiUrl) =>
    refusal(() =>
      new cardseal.OnlinePayments({ environment }).publicKeyRequest({
        clientSessionId: 'c',
        customerId: '1',
        clientApiUrl,
      }),
    );
  assert.match(
    ask('production', 'https://payment.payone.com/client'),
    /^https:\/\/payment\.payone\.com\/client\/v1\/1\//,
  );
  assert.equal(ask('sandbox', 'https://payment.payone.com/client').code, 'session_host_refused');
  assert.equal(ask({ base: 'https://pay.example' }, 'https://payment.payone.com/client').code, 'session_host_refused');
  assert.equal(ask('live', 'https://payment.payone.com/client').code, 'option_invalid');
});

test('Online Payments: the customer is sent to https, or to this machine', async () => {
  for (const [url, taken] of [
    ['https://bank.example/3ds?x=1', true],
    ['http://127.0.0.1:8080/x?y', true],
    ['http://localhost/x', true],
    ['http://bank.example/3ds', false],
    ['http://127.0.0.1.bank.example/', false],
    ['javascript:alert(1)', false],
    ['https:bank.example', false],
    [['https://bank.example'], false],
  ]) {
    const body = JSON.stringify({ id: 'pay_1', status: 'unknown', redirect: { url } });
    const fetch = async () => ({ status: 202, text: async () => body });
    const { redirect } = await new cardseal.OnlinePayments({ fetch }).confirmPayment(
      { id: 'ses_1' },
      { RETURNMAC: 'm' },
    );
    assert.deepEqual(redirect, taken ? { url } : null, `${url}`);
  }
});

test('no redirect takes a card elsewhere', async (t) => {
  const seen = [];
  const elsewhere = createServer((request, response) => {
    seen.push(request.url);
    response.end('{}');
  }).listen(0, '127.0.0.1');
  const platform = createServer((request, response) => {
    request.resume();
    request.on('end', () =>
      response
        .writeHead(+request.url.split('/')[1], { location: `http://127.0.0.1:${elsewhere.address().port}/` })
        .end(),
    );
  }).listen(0, '127.0.0.1');
  t.after(() => {
    for (const server of [elsewhere, platform]) {
      server.closeAllConnections();
      server.close();
    }
  });
  await Promise.all([once(elsewhere, 'listening'), once(platform, 'listening')]);
  for (const status of [301, 302, 303, 307, 308]) {
    const base = `http://127.0.0.1:${platform.address().port}/${status}`;
    const gp = new cardseal.GpApi({ environment: { base }, server: base });
    for (const work of [
      () => gp.tokenize({ access_token: 't' }, CARD),
      () =>
        new cardseal.GreenPay({ publicKey, environment: { checkout: base } }).tokenize(
          { session: 's', token: 't' },
          CARD,
        ),
      () =>
        new cardseal.CcBill({ environment: { base } }).createPaymentToken(
          { access_token: 't', client_accnum: 1, client_subacc: 2 },
          CARD,
          { customer: CUSTOMER },
        ),
      () => cardseal.openSession({ server: base }),
    ])
      await assert.rejects(work, { name: 'CardsealError', code: 'network_failed' });
  }
  assert.deepEqual(seen, []);
});
