// The clients that the Online Payments platform publishes for Node and Python, as they are published, against the sandbox. Its
// client for pages is in online_payments.test.mjs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { npmClients, python } from './clients/install.mjs';
import { startSandbox } from './sandbox.mjs';

let sandbox;
let shop;
let sdk;
let client;
before(async () => {
  const require = await npmClients();
  sandbox = await startSandbox();
  shop = sandbox.info.platforms.online_payments;
  sdk = require('onlinepayments-sdk-nodejs');
  const { hostname: host, port } = new URL(shop.base_url);
  client = sdk.init({
    host,
    port: Number(port),
    scheme: 'http',
    integrator: 'Cardseal tests',
    authorizationType: 'V1HMAC',
    apiKeyId: shop.credentials.api_key_id,
    secretApiKey: shop.credentials.secret_api_key,
  });
});
after(() => sandbox?.stop());

const merchant = () => shop.merchant_id;
const order = (amount = 1000) => ({
  amountOfMoney: { amount, currencyCode: 'EUR' },
  references: { merchantReference: 'order-1' },
});
const card = { cardNumber: '4012000033330026', cardholderName: 'Wile E. Coyote', cvv: '123', expiryDate: '0530' };
const payment = (change) => ({
  order: order(),
  cardPaymentMethodSpecificInput: {
    paymentProductId: 1,
    authorizationMode: 'FINAL_AUTHORIZATION',
    card: { ...card, ...change },
  },
});

function good({ isSuccess, status, body }, wanted) {
  assert.equal(isSuccess, true, JSON.stringify(body));
  assert.equal(status, wanted);
  return body;
}

function bad({ isSuccess, status, body }, wanted, id) {
  assert.deepEqual([isSuccess, status, body.errors[0].id], [false, wanted, id], JSON.stringify(body));
  return body;
}

async function control(path, body) {
  const response = await fetch(`${sandbox.info.control_url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
}

test("the platform's own Node client: a payment, from the connection to the refund", async () => {
  const { services, payments, captures, refunds, tokens, sessions } = client;
  assert.deepEqual(good(await services.testConnection(merchant(), null), 200), { result: 'OK' });
  const made = good(await payments.createPayment(merchant(), payment(), { idempotence: { key: 'node-1' } }), 201);
  const { id } = made.payment;
  const context = { idempotence: { key: 'node-1' } };
  const again = good(await payments.createPayment(merchant(), payment(), context), 201);
  assert.equal(again.payment.id, id);
  assert.match(String(context.idempotence.requestTimestamp), /^\d{13}$/);
  assert.equal(
    good(await payments.capturePayment(merchant(), id, { amount: 1000, isFinal: true }, null), 201).status,
    'CAPTURE_REQUESTED',
  );
  assert.equal(good(await payments.getPayment(merchant(), id, null), 200).status, 'CAPTURED');
  assert.equal(good(await captures.getCaptures(merchant(), id, null), 200).captures.length, 1);
  const part = (amount) => ({ amountOfMoney: { amount, currencyCode: 'EUR' } });
  bad(await payments.refundPayment(merchant(), id, part(1001), null), 400, 'ACTION_NOT_ALLOWED_ON_TRANSACTION');
  assert.equal(good(await payments.refundPayment(merchant(), id, part(400), null), 201).status, 'REFUND_REQUESTED');
  assert.equal(good(await refunds.getRefunds(merchant(), id, null), 200).refunds.length, 1);
  assert.equal(good(await payments.getPaymentDetails(merchant(), id, null), 200).Operations.length, 3);
  const held = good(await payments.createPayment(merchant(), payment(), null), 201).payment.id;
  assert.equal(good(await payments.cancelPayment(merchant(), held, {}, null), 200).payment.status, 'CANCELLED');

  const stored = good(
    await tokens.createToken(merchant(), { paymentProductId: 1, card: { data: { card } } }, null),
    201,
  );
  assert.equal(typeof stored.externalTokenLinked.ComputedToken, 'string');
  assert.equal(good(await tokens.getToken(merchant(), stored.token, null), 200).id, stored.token);
  assert.ok(good(await sessions.createSession(merchant(), { tokens: [stored.token] }, null), 201).clientSessionId);
  good(await tokens.deleteToken(merchant(), stored.token, null), 204);
  bad(await tokens.getToken(merchant(), stored.token, null), 404, 'UNKNOWN_TOKEN_ID');
});

test("the platform's own Node client: declines and mistakes", async () => {
  const { payments, payouts } = client;
  const declined = await payments.createPayment(merchant(), payment({ cardNumber: '4321456998744563' }), null);
  assert.deepEqual(
    [declined.isSuccess, declined.status, declined.body.paymentResult.payment.status],
    [false, 402, 'REJECTED'],
  );
  bad(await payments.createPayment(merchant(), payment({ cardNumber: '123' }), null), 400, 'INVALID_VALUE');
  bad(await payments.createPayment('000000', payment(), null), 403, 'ACCESS_TO_MERCHANT_NOT_ALLOWED');
  bad(await payments.getPayment(merchant(), '9999999999_0', null), 404, 'UNKNOWN_PAYMENT_ID');
  const payout = {
    amountOfMoney: order().amountOfMoney,
    cardPayoutMethodSpecificInput: { paymentProductId: 1, card: { ...card, cardNumber: '4321456998744563' } },
  };
  const refused = await payouts.createPayout(merchant(), payout, null);
  assert.deepEqual([refused.status, refused.body.payoutResult.status], [402, 'REJECTED_CREDIT']);
  // Whichever comes second finds the first at work.
  await control('/faults', { platform: 'online_payments', route: 'payments', kind: 'delay', ms: 3000, times: 2 });
  const both = [1, 2].map(() => payments.createPayment(merchant(), payment(), { idempotence: { key: 'node-2' } }));
  const [first, second] = (await Promise.all(both)).sort((one, other) => one.status - other.status);
  good(first, 201);
  bad(second, 409, 'DUPLICATE_REQUEST_IN_PROGRESS');
});

test("the platform's own Node client: hosted pages, services, payouts, links, mandates", async () => {
  const {
    hostedCheckout,
    hostedTokenization,
    products,
    productGroups,
    services,
    privacyPolicy,
    payouts,
    paymentLinks,
    mandates,
  } = client;
  const checkout = good(
    await hostedCheckout.createHostedCheckout(
      merchant(),
      { order: order(), hostedCheckoutSpecificInput: { locale: 'en_GB', returnUrl: 'https://shop.example' } },
      null,
    ),
    200,
  );
  const progress = good(await hostedCheckout.getHostedCheckout(merchant(), checkout.hostedCheckoutId, null), 200);
  assert.equal(progress.status, 'IN_PROGRESS');
  assert.ok(progress.createdPaymentOutput);
  const hosted = good(await hostedTokenization.createHostedTokenization(merchant(), { locale: 'de_DE' }, null), 201);
  assert.deepEqual(
    good(await hostedTokenization.getHostedTokenization(merchant(), hosted.hostedTokenizationId, null), 200),
    {},
  );
  const context = { countryCode: 'DE', currencyCode: 'EUR' };
  assert.ok(good(await products.getPaymentProducts(merchant(), context), 200).paymentProducts.length > 2);
  assert.equal(good(await products.getPaymentProduct(merchant(), 1, context), 200).id, 1);
  assert.ok(good(await products.getPaymentProductNetworks(merchant(), 320, context), 200).networks.includes('VISA'));
  assert.equal(good(await productGroups.getProductGroup(merchant(), 'cards', context), 200).id, 'Cards');
  assert.equal(good(await services.getIINDetails(merchant(), { bin: '401200' }, null), 200).cardScheme, 'Visa');
  const cardSource = { card: { cardNumber: '5425233430109903' } };
  assert.equal(
    good(
      await services.surchargeCalculation(merchant(), { amountOfMoney: order().amountOfMoney, cardSource }, null),
      200,
    ).surcharges[0].result,
    'OK',
  );
  const conversion = {
    transaction: { amount: order().amountOfMoney },
    cardSource: { card: { cardNumber: card.cardNumber } },
  };
  assert.equal(good(await services.getDccRateInquiry(merchant(), conversion, null), 200).result.result, 'Allowed');
  assert.ok(
    good(await privacyPolicy.getPrivacyPolicy(merchant(), { locale: 'fr_FR', paymentProductId: 1 }), 200).htmlContent,
  );

  const payout = good(
    await payouts.createPayout(
      merchant(),
      { amountOfMoney: order().amountOfMoney, cardPayoutMethodSpecificInput: { paymentProductId: 1, card } },
      null,
    ),
    201,
  );
  assert.equal(good(await payouts.getPayout(merchant(), payout.id, null), 200).statusOutput.statusCode, 8);
  const link = good(
    await paymentLinks.createPaymentLink(merchant(), { order: order(), isReusableLink: true }, null),
    201,
  );
  good(await paymentLinks.cancelPaymentLinkById(merchant(), link.paymentLinkId, null), 204);
  assert.equal(
    good(await paymentLinks.getPaymentLinkById(merchant(), link.paymentLinkId, null), 200).paymentLinkEvents[1].type,
    'CANCELLED',
  );
  const request = {
    customer: { bankAccountIban: { iban: 'BE45000253450589' } },
    customerReference: 'c',
    recurrenceType: 'UNIQUE',
    signatureType: 'UNSIGNED',
    uniqueMandateReference: 'NODE1',
  };
  assert.equal(good(await mandates.createMandate(merchant(), request, null), 201).mandate.status, 'ACTIVE');
  assert.equal(good(await mandates.blockMandate(merchant(), 'NODE1', null), 200).mandate.status, 'BLOCKED');
  assert.equal(good(await mandates.revokeMandate(merchant(), 'NODE1', {}, null), 200).mandate.status, 'REVOKED');
});

test("the platform's own Node client accepts the signatures of the events, and no others", async () => {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    requests.push({ headers: request.headers, body });
    response.end();
    server.emit('event');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await control('/online_payments/settings', { webhook_url: `http://127.0.0.1:${server.address().port}/` });
    const { key_id: keyId, secret } = shop.webhook_key;
    sdk.webhooks.inMemorySecretKeyStore.storeSecretKey(keyId, secret);
    const webhooks = sdk.webhooks.init(sdk.webhooks.inMemorySecretKeyStore);
    good(await client.payments.createPayment(merchant(), payment(), null), 201);
    while (requests.length < 2) await once(server, 'event');
    const types = await Promise.all(
      requests.map(async ({ headers, body }) => {
        const event = await webhooks.unmarshal(body, headers);
        assert.equal(event.merchantId, merchant());
        await assert.rejects(webhooks.unmarshal(`${body} `, headers));
        return event.type;
      }),
    );
    assert.deepEqual(types, ['payment.created', 'payment.pending_capture']);
  } finally {
    await control('/online_payments/settings', { webhook_url: null });
    server.close();
  }
});

test("the platform's own Python client makes its main calls, and its types have every member of the answers", async () => {
  await control('/reset', {});
  const input = JSON.stringify({ shop, control_url: sandbox.info.control_url });
  const told = JSON.parse(await python('online_payments.py', [], { input, ms: 120_000 }));
  // `status` of errors was recorded of the platform, though its client has no such member.
  assert.deepEqual(
    told.lost.filter((path) => !/^(?:Payment|Payout|Refund)?ErrorResponse\.status$/.test(path)),
    [],
  );
  assert.deepEqual(told.calls, [
    'block_mandate',
    'cancel_payment',
    'cancel_payment_link_by_id',
    'capture_payment',
    'complete_payment',
    'create_hosted_checkout',
    'create_hosted_tokenization',
    'create_mandate',
    'create_payment',
    'create_payment_link',
    'create_payment_product_session',
    'create_payout',
    'create_session',
    'create_token',
    'delete_token',
    'get_captures',
    'get_dcc_rate_inquiry',
    'get_hosted_checkout',
    'get_hosted_tokenization',
    'get_iin_details',
    'get_mandate',
    'get_payment',
    'get_payment_details',
    'get_payment_link_by_id',
    'get_payment_product',
    'get_payment_product_networks',
    'get_payment_products',
    'get_payout',
    'get_privacy_policy',
    'get_product_directory',
    'get_product_group',
    'get_product_groups',
    'get_refunds',
    'get_token',
    'refund_payment',
    'revoke_mandate',
    'send_test_webhook',
    'subsequent_payment',
    'surcharge_calculation',
    'test_connection',
    'unblock_mandate',
    'validate_webhook_credentials',
  ]);
});
