// What a run needs that no schema can say: stored cards and payments in every state, made over HTTP as a shop makes them.

import assert from 'node:assert/strict';
import {
  constants,
  createCipheriv,
  createHash,
  createPublicKey,
  publicEncrypt,
  randomBytes,
  randomUUID,
} from 'node:crypto';

const MONEY = { amount: '12.34', currency: 'USD' };
const CUSTOMER_IP = '192.0.2.7';
/** How many there are of what a call uses up: more than a run takes in its examples. */
const SPARE = 24;

async function send(method, url, body, headers = {}) {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Each member with its value as the only choice. */
const browserWords = (browser) => Object.fromEntries(Object.entries(browser).map(([name, value]) => [name, [value]]));

/** A card as the module packs it for GreenPay: AES in counter mode from 1, and the key for RSA. */
function packed(publicKey, card) {
  const key = randomBytes(16);
  const counter = Buffer.alloc(16);
  counter[15] = 1;
  const cipher = createCipheriv('aes-128-ctr', key, counter);
  const ld = Buffer.concat([cipher.update(JSON.stringify({ card })), cipher.final()]).toString('hex');
  const wrapped = Buffer.from(JSON.stringify({ k: [...key], s: 1 }));
  const rsa = createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' });
  const lk = publicEncrypt({ key: rsa, padding: constants.RSA_PKCS1_PADDING }, wrapped).toString('base64');
  return { ld, lk };
}

/**
 * The seeds of `hooks.py`. The sandbox is told to lose answers, so that there are payments of which nobody knows what became.
 */
export async function seeds({ url, apiKey, sandbox }) {
  const settings = sandbox.info.server_settings;
  await sandbox.gp.settings({ delete_permission: true });
  const call = (method, path, body) => send(method, url + path, body, { authorization: `Bearer ${apiKey}` });
  const session = (body) => call('POST', '/v1/sessions', body);
  const many = (count, make) => Promise.all(Array.from({ length: count }, () => make()));

  /** A card at GP API, sent there as a page sends it. */
  const singleUse = (access_token, reference) =>
    send(
      'POST',
      `${settings.gp_api.base_url}/payment-methods`,
      {
        reference,
        usage_mode: 'SINGLE',
        card: { number: '4263970000005262', cvv: '123', expiry_month: '05', expiry_year: '30' },
      },
      { authorization: `Bearer ${access_token}`, 'x-gp-version': '2021-03-22' },
    );
  const gpCard = async () => {
    const opened = await session({ platform: 'gp_api' });
    return { session: opened.id, answer: await singleUse(opened.access_token, opened.reference) };
  };
  const gpToken = async () => (await call('POST', '/v1/tokens', await gpCard())).id;
  const pay = async (token, more) => call('POST', '/v1/payments', { token, ...MONEY, ...more });

  /** CCBill cannot be asked what became of a payment: one whose answer is lost stays unknown. */
  const ccbillToken = async () => {
    const opened = await session({ platform: 'ccbill', customer_ip: CUSTOMER_IP });
    const answer = await send(
      'POST',
      `${opened.base_url}/payment-tokens/merchant-only-verify`,
      {
        clientAccnum: opened.client_accnum,
        clientSubacc: opened.client_subacc,
        subscriptionId: 0,
        customerInfo: {
          customerFname: 'Tyler',
          customerLname: 'Thomas',
          zipcode: '85281',
          country: 'US',
          email: 'tthomas@shop.example',
          ipAddress: CUSTOMER_IP,
        },
        paymentInfo: {
          creditCardPaymentInfo: {
            cardNum: '4473707989493598',
            nameOnCard: 'Tyler Thomas',
            expMonth: '04',
            expYear: '2030',
            cvv2: '739',
          },
        },
      },
      {
        authorization: `Bearer ${opened.access_token}`,
        accept: 'application/vnd.mcn.transaction-service.api.v.2+json',
      },
    );
    return (await call('POST', '/v1/tokens', { session: opened.id, answer })).id;
  };

  /** What a page tells of its browser. */
  const browser = {
    language: 'en-US',
    color_depth: 24,
    screen_width: 1920,
    screen_height: 1080,
    timezone_offset: '-60',
    method: 'completed',
    accept_header: 'text/html',
    user_agent: 'Mozilla/5.0',
    customer_ip: CUSTOMER_IP,
  };
  const greenpayToken = async () => {
    const opened = await session({ platform: 'greenpay' });
    const card = {
      cardHolder: 'Ada Lovelace',
      expirationDate: { month: 12, year: 30 },
      cardNumber: '4242424242424242',
      cvc: '123',
      nickname: 'My Visa',
    };
    return (await call('POST', '/v1/tokens', { session: opened.id, ...packed(opened.public_key, card) })).id;
  };

  const greenpay = await greenpayToken();
  const subscribe = async () => (await call('POST', '/v1/subscriptions', { token: greenpay, ...MONEY })).id;
  const [subscribed, changing, cancelling, listed, paying, paid] = await many(6, subscribe);
  const subscriptions = await many(SPARE, subscribe);
  const tokens = await many(SPARE, gpToken);
  const [kept, changed, refreshed, deleted] = await many(4, gpToken);
  const payment = async (more) => (await pay(kept, more)).id;
  const [shown, voided, refunded, looked] = await many(4, payment);
  const authentication = async () => (await call('POST', '/v1/authentications', { token: kept, ...MONEY })).id;
  const [seen, initiated, ended] = await many(3, authentication);
  await call('POST', `/v1/authentications/${ended}/initiate`, browser);
  const authentications = await many(SPARE, authentication);
  const captured = await payment({ capture: 'later' });
  const payments = [...(await many(SPARE, payment)), ...(await many(SPARE, () => payment({ capture: 'later' })))];
  const ccbill = await ccbillToken();
  const unknown = [];
  await sandbox.of('ccbill').fault({ route: 'transactions', kind: 'drop_after_commit', times: 0 });
  for (let at = 0; at < SPARE; at++) {
    const { id, status } = await pay(ccbill, { customer_ip: CUSTOMER_IP });
    assert.equal(status, 'unknown');
    unknown.push(id);
  }
  await sandbox.clearFaults();
  const [resolved, ...unresolved] = unknown;

  const exchange = async () => {
    const { data } = await call('GET', '/config');
    return (await singleUse(data.accessToken, randomUUID())).id;
  };
  const sampleToken = await call('POST', '/create-network-token', { payment_reference: await exchange() });
  const open = await many(SPARE, async () => (await session({ platform: 'gp_api' })).id);
  const secret = settings.gp_api.webhook_path_secret;
  const signed = (text) =>
    createHash('sha512')
      .update(text + settings.gp_api.app_key)
      .digest('hex');
  const [{ id: transaction }] = (await sandbox.gp.state()).transactions;
  const event = JSON.stringify({ id: transaction, status: 'CAPTURED' });
  const query = `id=${transaction}&status=CAPTURED`;
  const events = (await call('GET', '/v1/events')).data.map(({ id }) => id);
  const id = (value) => ({ path_parameters: { id: value } });
  const json = (body) => ({ body, media_type: 'application/json' });
  return {
    examples: {
      createSession: [
        json({}),
        ...['greenpay', 'gp_api', 'online_payments', 'ccbill'].map((platform) =>
          json({ platform, ...(platform === 'ccbill' && { customer_ip: CUSTOMER_IP }) }),
        ),
        json({ kind: 'payment', platform: 'greenpay', ...MONEY, order_reference: 'contract-1' }),
      ],
      showSession: [id(open[0])],
      createToken: [json(await gpCard())],
      showToken: [id(kept)],
      changeToken: [{ ...id(changed), ...json({ expiry: { month: 12, year: 2030 }, holder: 'Ada Lovelace' }) }],
      refreshToken: [id(refreshed)],
      deleteToken: [id(deleted)],
      createAuthentication: [json({ token: kept, ...MONEY })],
      showAuthentication: [id(seen)],
      initiateAuthentication: [{ ...id(initiated), ...json(browser) }],
      showAuthenticationResult: [id(ended)],
      createPayment: [json({ token: kept, ...MONEY }), json({ token: kept, ...MONEY, capture: 'later' })],
      showPayment: [id(shown)],
      capturePayment: [{ ...id(captured), ...json({ ...MONEY }) }],
      voidPayment: [id(voided)],
      refundPayment: [{ ...id(refunded), ...json({ amount: '1.00' }) }],
      refreshPayment: [id(looked)],
      createSubscription: [json({ token: greenpay, ...MONEY, months: 3 })],
      showSubscription: [id(subscribed)],
      changeSubscription: [{ ...id(changing), ...json({ amount: '20.00' }) }],
      cancelSubscription: [{ ...id(cancelling), ...json({ reason: 'moved away' }) }],
      refreshSubscription: [id(listed)],
      paySubscription: [id(paying)],
      listSubscriptionPayments: [id(paid)],
      showEvent: [id(events[0])],
      replayEvent: [id(events[0])],
      resolvePayment: [{ ...id(resolved), ...json({ status: 'approved' }) }],
      sampleCreateNetworkToken: [json({ payment_reference: await exchange() })],
      sampleProcessPayment: [json({ pmt_id: sampleToken.data.id, amount: 12.34 })],
      receiveNotification: [
        {
          path_parameters: { platform: 'gp_api', secret },
          headers: { 'x-gp-signature': signed(event) },
          text: event,
        },
      ],
      receiveQueryNotification: [
        {
          path_parameters: { platform: 'gp_api', secret },
          query: { id: transaction, status: 'CAPTURED', 'X-GP-Signature': signed(query) },
        },
      ],
    },
    ids: {
      '/v1/events/{id}': { id: events },
      '/v1/events/{id}/replay': { id: events },
      '/v1/sessions/{id}': { id: open },
      ...Object.fromEntries(
        ['', '/initiate', '/result'].map((end) => [`/v1/authentications/{id}${end}`, { id: authentications }]),
      ),
      ...Object.fromEntries(['', '/refresh'].map((end) => [`/v1/tokens/{id}${end}`, { id: tokens }])),
      ...Object.fromEntries(
        ['', '/capture', '/void', '/refund', '/refresh', '/resolve'].map((end) => [
          `/v1/payments/{id}${end}`,
          { id: end === '/resolve' ? unresolved : payments },
        ]),
      ),
      ...Object.fromEntries(
        ['', '/cancel', '/refresh', '/payments'].map((end) => [`/v1/subscriptions/{id}${end}`, { id: subscriptions }]),
      ),
      '/v1/notifications/{platform}/{secret}': { platform: ['gp_api'], secret: [secret] },
      '/v1/notifications/{platform}/{secret}/{event}': {
        platform: ['greenpay'],
        secret: [settings.greenpay.webhook_path_secret],
        event: ['newCard'],
      },
    },
    whole: {
      createToken: await many(SPARE, gpCard),
      createPayment: tokens.map((token) => ({ token, ...MONEY })),
      createAuthentication: tokens.map((token) => ({ token, ...MONEY })),
      initiateAuthentication: [browser],
      createSubscription: [{ token: greenpay, ...MONEY }],
      changeSubscription: [{ token: greenpay }, { amount: '12.34' }],
      changeToken: [{ holder: 'Ada Lovelace' }, { expiry: { month: 12, year: 2031 } }],
      sampleCreateNetworkToken: (await many(SPARE, exchange)).map((reference) => ({ payment_reference: reference })),
    },
    bodies: {
      createSession: { token: tokens, amount: ['12.34'], currency: ['USD'] },
      createToken: { session: open },
      createAuthentication: { token: tokens, amount: ['12.34'], currency: ['USD'] },
      initiateAuthentication: browserWords(browser),
      createPayment: { token: tokens, amount: ['12.34'], currency: ['USD'] },
      capturePayment: { amount: ['12.34', '1.00'], currency: ['USD'] },
      refundPayment: { amount: ['12.34', '1.00'], currency: ['USD'] },
      sampleProcessPayment: { pmt_id: [sampleToken.data.id], amount: ['12.34'], currency: ['USD'] },
    },
  };
}
