// Global Payments' own clients against the simulated GP API: `globalpayments-api` of npm and
// `globalpayments.api` of PyPI, as published. The calls and what they must give are those of the clients' own
// tests, as far as the sandbox plays them.
//
// The Node client takes a service URL, but always over TLS, and for one call goes to Global Payments' host
// whatever the URL says. Node's own agent for HTTPS decides where its connections lead: to a listener here that
// passes them on to the sandbox.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { npmClients, python } from './clients/install.mjs';
import { startSandbox } from './sandbox.mjs';

const USD = 'USD';
const VISA = '4263970000005262';
const year = new Date().getFullYear() + 1;

let sandbox;
let gp;
let gate;
const hosts = new Set();

before(async () => {
  const require = await npmClients();
  sandbox = await startSandbox();
  await set({ delete_permission: true, refund_percent: 115 });
  const { port } = new URL(sandbox.info.platforms.gp_api.base_url);
  gate = http.createServer((request, response) => {
    hosts.add(request.headers.host);
    const path = request.url.replace(/^\/ucp(?=\/)/, '/gp_api/ucp');
    const forward = http.request(
      { host: '127.0.0.1', port, method: request.method, path, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      },
    );
    request.pipe(forward);
  });
  await new Promise((resolve) => {
    gate.listen(0, '127.0.0.1', resolve);
  });
  https.globalAgent.createConnection = () => net.connect(gate.address().port, '127.0.0.1');
  gp = require('globalpayments-api');
  gp.ServicesContainer.configureService(config());
});
after(() => {
  https.globalAgent.destroy();
  gate?.close();
  return sandbox?.stop();
});

async function set(change) {
  const response = await fetch(`${sandbox.info.control_url}/gp_api/settings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(change),
  });
  assert.equal(response.status, 200);
}

function config() {
  const { credentials } = sandbox.info.platforms.gp_api;
  const made = new gp.GpApiConfig();
  Object.assign(made, {
    appId: credentials.app_id,
    appKey: credentials.app_key,
    environment: gp.Environment.Test,
    channel: gp.Channel.CardNotPresent,
    country: 'US',
    serviceUrl: 'https://127.0.0.1/gp_api/ucp',
    accessTokenInfo: new gp.AccessTokenInfo(),
  });
  made.accessTokenInfo.transactionProcessingAccountName = 'transaction_processing';
  return made;
}

function card(number = VISA, more = {}) {
  return Object.assign(new gp.CreditCardData(), {
    number,
    expMonth: '05',
    expYear: String(year),
    cvn: '123',
    cardHolderName: 'James Mason',
    ...more,
  });
}

function stored(token) {
  return Object.assign(new gp.CreditCardData(), { token });
}

function good(response, message) {
  assert.deepEqual([response.responseCode, response.responseMessage], ['SUCCESS', message]);
  return response;
}

async function refused(promise, code, message) {
  const error = await promise.then(
    () => assert.fail('it went through'),
    (thrown) => thrown,
  );
  assert.ok(error instanceof gp.GatewayError, String(error));
  assert.equal(error.responseCode, code, error.message);
  if (message) assert.ok(error.message.includes(message), error.message);
  return error;
}

const charge = (amount = 69, paid = card()) => paid.charge(amount).withCurrency(USD).withAllowDuplicates(true);
const authorize = (amount = 69, paid = card()) => paid.authorize(amount).withCurrency(USD).withAllowDuplicates(true);

test('Node: charges, authorizes, captures at once, in parts and above the amount', async () => {
  const sale = good(await charge().execute(), 'CAPTURED');
  assert.equal(sale.balanceAmount, '69');
  assert.equal(sale.cardLast4, 'XXXXXXXXXXXX5262');
  assert.equal(sale.cvnResponseMessage, 'MATCHED');
  const held = good(await authorize().execute(), 'PREAUTHORIZED');
  assert.equal(held.authorizedAmount, '69');
  good(await held.capture(69).execute(), 'CAPTURED');
  good(await (await authorize(55).execute()).capture(63.25).execute(), 'CAPTURED');
  await refused(
    (await authorize(30).execute()).capture(50).execute(),
    '50020',
    "Can't settle for more than 115% of that which you authorised",
  );
  const parts = good(await authorize(14).withMultiCapture(true).execute(), 'PREAUTHORIZED');
  assert.ok(parts.multiCapture);
  for (const amount of [3, 5, 7]) good(await parts.capture(amount).execute(), 'CAPTURED');
});

test('Node: says that a security code matched only if one was sent', async () => {
  assert.equal((await charge(5, card(VISA, { cvn: undefined })).execute()).cvnResponseMessage, 'NOT_CHECKED');
  const { token } = await card().tokenize().execute();
  assert.equal((await charge(5, stored(token)).execute()).cvnResponseMessage, 'NOT_CHECKED');
});

test('Node: refunds and reverses', async () => {
  good(await card().refund(16).withCurrency(USD).withAllowDuplicates(true).execute(), 'CAPTURED');
  const sale = await charge(50).execute();
  const part = good(await sale.refund(20).withCurrency(USD).execute(), 'CAPTURED');
  assert.equal(part.balanceAmount, '20');
  await refused(
    sale.refund(60).withCurrency(USD).execute(),
    '40087',
    'You may only refund up to 115% of the original amount',
  );
  await refused((await authorize(5).execute()).refund(5).withCurrency(USD).execute(), '40087');
  good(await (await charge(12).execute()).reverse(12).execute(), 'REVERSED');
  good(await (await charge(12).execute()).reverse().execute(), 'REVERSED');
  await refused((await charge(10).execute()).reverse(1.29).execute(), '40214', 'partial reversal not supported');
  const unknown = Object.assign(new gp.Transaction(), {
    transactionReference: Object.assign(new gp.TransactionReference(), { transactionId: randomUUID() }),
  });
  await refused(unknown.refund(10).withCurrency(USD).execute(), '40008', 'RESOURCE_NOT_FOUND');
  await refused(unknown.reverse(10).execute(), '40008', 'RESOURCE_NOT_FOUND');
});

test('Node: more on an authorization, another amount, and a reversed charge once more', async () => {
  const held = await authorize(50).execute();
  const more = good(await held.additionalAuth(10).withCurrency(USD).execute(), 'PREAUTHORIZED');
  assert.equal(more.authorizedAmount, '60');
  const captured = good(await held.capture().execute(), 'CAPTURED');
  assert.equal(captured.balanceAmount, '60');
  await refused(held.additionalAuth(10).execute(), '40290', 'does not have a status of PREAUTHORIZED');

  const sale = await charge(10).execute();
  const manage = (type) => new gp.ManagementBuilder(type).withPaymentMethod(sale.transactionReference);
  const edited = good(await manage(gp.TransactionType.Edit).withAmount(10.01).withGratuity(5.01).execute(), 'CAPTURED');
  assert.equal(edited.balanceAmount, '10.01');
  good(await manage(gp.TransactionType.Edit).withGratuity(1).execute(), 'CAPTURED');
  await refused(
    manage(gp.TransactionType.Edit).execute(),
    '40005',
    'Request expects the following fields [amount or tag or gratuityAmount]',
  );

  await refused(
    manage(gp.TransactionType.Reauth).withAmount(15).execute(),
    '40044',
    '36, Invalid original transaction for reauthorization',
  );
  good(await sale.reverse().execute(), 'REVERSED');
  const again = good(await manage(gp.TransactionType.Reauth).withAmount(15).execute(), 'CAPTURED');
  assert.equal(again.balanceAmount, '15');
});

test('Node: a key that was seen is refused with what it made', async () => {
  const seen = async (first, again, id) => {
    const key = randomUUID();
    const made = await first(key);
    await refused(again(key), '40039', `DUPLICATE_ACTION - Idempotency Key seen before: id=${id(made)}`);
  };
  const of = ({ transactionId }) => transactionId;
  const sale = (key) => charge().withIdempotencyKey(key).execute();
  await seen(sale, sale, of);
  await seen(
    (key) => authorize().withIdempotencyKey(key).execute(),
    async (key) => (await authorize().execute()).capture(69).withIdempotencyKey(key).execute(),
    of,
  );
  await seen(sale, async (key) => (await charge().execute()).reverse(69).withIdempotencyKey(key).execute(), of);
  const token = (key) => card().tokenize().withIdempotencyKey(key).execute();
  await seen(token, token, (made) => made.token);
  // The second lacks its currency, which is said only to a key that is new.
  await seen(
    (key) => card().verify().withCurrency(USD).withIdempotencyKey(key).execute(),
    (key) => card().verify().withIdempotencyKey(key).execute(),
    of,
  );
});

test('Node: verifies, tokenizes, charges, changes and deletes', async () => {
  good(await card().verify().withCurrency(USD).execute(), 'VERIFIED');
  const made = good(await card().tokenize().execute(), 'ACTIVE');
  assert.match(made.token, /^PMT_/);
  good(await stored(made.token).verify().withCurrency(USD).execute(), 'VERIFIED');
  good(await charge(19.99, stored(made.token)).execute(), 'CAPTURED');

  const single = good(await card().tokenize(true, gp.PaymentMethodUsageMode.SINGLE).execute(), 'ACTIVE');
  const first = good(await charge(19.99, stored(single.token)).withRequestMultiUseToken(true).execute(), 'CAPTURED');
  assert.match(first.token, /^PMT_/);
  await refused(charge(1, stored(single.token)).execute(), '40116');
  good(await charge(19.99, stored(first.token)).execute(), 'CAPTURED');

  const change = stored(made.token);
  Object.assign(change, { expMonth: '12', expYear: String(year + 1) });
  assert.equal(await change.updateTokenExpiry(), true);
  const renamed = good(
    await Object.assign(stored(made.token), {
      cardHolderName: 'New Name',
      number: '5425230000004415',
      expMonth: '12',
      expYear: String(year),
    })
      .updateToken()
      .withPaymentMethodUsageMode(gp.PaymentMethodUsageMode.MULTIPLE)
      .execute(),
    'ACTIVE',
  );
  assert.equal(renamed.token, made.token);
  await refused(
    stored(made.token).updateToken().withPaymentMethodUsageMode(gp.PaymentMethodUsageMode.SINGLE).execute(),
    '50020',
    'Tokentype can only be MULTI',
  );
  await refused(
    stored(`PMT_${randomUUID()}`).updateToken().execute(),
    '50021',
    'Mandatory Fields missing [card expdate] See Developers Guide',
  );
  const key = randomUUID();
  await new gp.ManagementBuilder(gp.TransactionType.TokenUpdate)
    .withPaymentMethod(change)
    .withIdempotencyKey(key)
    .execute();
  good(await change.verify().withCurrency(USD).withIdempotencyKey(key).execute(), 'VERIFIED');

  const deleted = await new gp.ManagementBuilder(gp.TransactionType.TokenDelete)
    .withPaymentMethod(stored(made.token))
    .execute();
  good(deleted, 'DELETED');
  await refused(
    stored(made.token).verify().withCurrency(USD).execute(),
    '40116',
    `payment_method ${made.token} not found at this location.`,
  );
});

test('Node: gives fingerprints on request', async () => {
  const customer = Object.assign(new gp.Customer(), { deviceFingerPrint: 'ALWAYS' });
  const [made, paid] = [
    await card().tokenize().withCustomerData(customer).execute(),
    await charge().withCustomerData(customer).execute(),
  ];
  assert.ok(made.fingerprint && made.fingerprintIndicator);
  assert.deepEqual([paid.fingerprint, paid.fingerprintIndicator], [made.fingerprint, made.fingerprintIndicator]);
  customer.deviceFingerPrint = 'NOT_ALWAYS';
  await refused(charge().withCustomerData(customer).execute(), '40213', 'fingerprint_mode contains unexpected data');
});

test("Node: reads the platform's errors in the words of its own tests", async () => {
  await refused(card().verify().execute(), '40005', 'Request expects the following fields currency');
  await refused(
    card(VISA, { cvn: '1234' }).verify().withCurrency(USD).execute(),
    '40085',
    'Security Code/CVV2/CVC must be 3 digits',
  );
  await refused(
    card(VISA, { cvn: 'SMA' }).verify().withCurrency(USD).execute(),
    '50018',
    'does not conform to the schema',
  );
  await refused(charge(1, card(VISA, { expYear: '2020' })).execute(), '40085', 'Expiry date invalid');
  await refused(card('').tokenize().execute(), '40005', 'Request expects the following fields : number');
  await refused(charge(1, stored(`PMT_${randomUUID()}`)).execute(), '40116');
  for (const [number, code, text] of [
    ['4009830000001985', '50013', '205,Timeout error—Action failed unexpectedly.'],
    ['30450000000985', '50013', '200,eCom error—Developers are notified'],
    ['135400000007187', '50020', 'Transaction not supported Please contact support'],
  ])
    await refused(charge(3.99, card(number)).execute(), code, text);
  await refused(
    card('4009830000001985').charge(3.99).withCurrency('XXX').execute(),
    '50024',
    'currency card combination not allowed',
  );
  for (const [number, result] of [
    ['4000120000001154', '101'],
    ['5114630000009791', '102'],
    ['343452000000306', '103'],
  ]) {
    const declined = await charge(10, card(number, number.length === 15 ? { cvn: '1234' } : {})).execute();
    assert.deepEqual(
      [declined.responseCode, declined.responseMessage, declined.cardIssuerResponse.result],
      ['DECLINED', 'DECLINED', result],
    );
  }
});

test('Node: the code of an unknown route is not lost', async () => {
  const gateway = gp.ServicesContainer.instance().getClient();
  // Holding is on the platform, but not in this client; the sandbox plays it all the same.
  const held = JSON.stringify(
    await gateway.doTransaction(
      'POST',
      `/transactions/${(await authorize().execute()).transactionId}/hold`,
      '{"reason_code":"FRAUD"}',
    ),
  );
  assert.match(held, /HOLD_SUCCESSFUL/);
  for (const path of ['/nothing', '/transactions/TRN_1/nothing', '/disputes//documents/DOC_1']) {
    await refused(
      gateway.doTransaction('GET', path, ''),
      '404',
      'Status Code: Invalid Resource. - Unproccesable resource found.',
    );
  }
});

test('Node: access tokens with all permissions, some, none that there are, and their lifetimes', async () => {
  const ask = (more) => gp.GpApiService.generateTransactionKey(Object.assign(config(), more));
  const all = await ask({});
  assert.ok(all.accessToken && all.riskAssessmentAccountID);
  assert.deepEqual(
    [
      all.dataAccountName,
      all.disputeManagementAccountName,
      all.tokenizationAccountName,
      all.transactionProcessingAccountName,
    ],
    ['settlement_reporting', 'dispute_management', 'tokenization', 'transaction_processing'],
  );
  const some = await ask({
    permissions: ['PMT_POST_Create', 'TRN_POST_Authorize', 'DIS_POST_Accept', 'TRN_GET_List_Funded', 'RAS_POST_Create'],
  });
  assert.ok(some.riskAssessmentAccountID && some.dataAccountID);
  const few = await ask({ permissions: ['PMT_POST_Create', 'TRN_POST_Authorize'] });
  assert.deepEqual([few.dataAccountName, few.disputeManagementAccountName], ['', '']);
  await refused(ask({ permissions: ['test_1', 'test_2'] }), '40119', 'Invalid permissions');
  for (const more of [{ secondsToExpire: 200 }, { intervalToExpire: gp.IntervalToExpire.ONE_HOUR }])
    assert.ok((await ask(more)).accessToken);
  for (const secondsToExpire of [10, 604801])
    await refused(ask({ secondsToExpire }), '40213', 'seconds_to_expire contains unexpected data');
  await refused(ask({ appId: 'nobody' }), '40004', 'App credentials not recognized');
  await refused(ask({ appKey: 'nothing' }), '40004', 'Credentials not recognized to create access token.');

  gp.ServicesContainer.configureService(Object.assign(config(), { permissions: ['TRN_POST_Capture'] }), 'narrow');
  await refused(
    card().charge(50).withCurrency(USD).execute('narrow'),
    '40212',
    'Permission not enabled to execute action',
  );
});

test('Node: lists and reads transactions and payment methods', async () => {
  const reference = randomUUID();
  const sale = await charge(12.34).withClientTransactionId(reference).execute();
  const { ReportingService, SearchCriteria, TransactionSortProperty, SortDirection } = gp;
  const detail = await ReportingService.transactionDetail(sale.transactionId).execute();
  assert.deepEqual(
    [detail.transactionId, detail.amount, detail.maskedCardNumber],
    [sale.transactionId, '12.34', '426397XXXXXX5262'],
  );
  await refused(
    ReportingService.transactionDetail(reference).execute(),
    '40118',
    `Transactions ${reference} not found at this /ucp/transactions/${reference}`,
  );

  const list = (criteria = []) =>
    criteria
      .reduce(
        (query, [name, value], index) => (index ? query.andWith(name, value) : query.where(name, value)),
        ReportingService.findTransactionsPaged(1, 10).orderBy(
          TransactionSortProperty.TIME_CREATED ?? 'TIME_CREATED',
          SortDirection.Desc,
        ),
      )
      .execute();
  const only = async (criteria) => (await list(criteria)).result.map(({ transactionId }) => transactionId);
  assert.deepEqual(await only([[SearchCriteria.ReferenceNumber, reference]]), [sale.transactionId]);
  assert.deepEqual(await only([[SearchCriteria.BrandReference, sale.cardBrandTransactionId]]), [sale.transactionId]);
  assert.deepEqual(
    await only([
      [SearchCriteria.ReferenceNumber, reference],
      [SearchCriteria.Name, 'Nobody'],
    ]),
    [],
  );
  assert.ok((await list()).totalRecordCount > 10);
  await refused(
    list([
      [SearchCriteria.TokenFirstSix, '426397'],
      [SearchCriteria.TokenLastFour, '5262'],
      [SearchCriteria.PaymentMethodName, gp.PaymentMethodName.CARD],
    ]),
    '40043',
    'Request contains unexpected fields: payment_method',
  );

  const { token } = await card().tokenize().withClientTransactionId(reference).execute();
  const method = await ReportingService.storedPaymentMethodDetail(token).execute();
  assert.deepEqual([method.paymentMethodId, method.cardNumberLastFour], [token, 'xxxxxxxxxxxx5262']);
  const methods = (name, value) => ReportingService.findStoredPaymentMethodsPaged(1, 10).where(name, value).execute();
  assert.deepEqual(
    (await methods(SearchCriteria.StoredPaymentMethodId, token)).result.map(({ paymentMethodId }) => paymentMethodId),
    [token],
  );
  assert.ok((await methods(SearchCriteria.PaymentMethod, card())).result.length > 0);
  await refused(
    methods(SearchCriteria.PaymentMethod, new gp.CreditCardData()),
    '40005',
    'Request expects the following fields : number',
  );
  const missing = `PMT_${randomUUID()}`;
  await refused(
    ReportingService.storedPaymentMethodDetail(missing).execute(),
    '40118',
    `PAYMENT_METHODS ${missing} not found at this /ucp/payment-methods/${missing}`,
  );
});

test('Node: settled transactions, deposits and disputes', async () => {
  const { ReportingService, SearchCriteria, DataServiceCriteria } = gp;
  const sale = await charge(20).execute();
  const settled = (
    await ReportingService.findSettlementTransactionsPaged(1, 100)
      .where(SearchCriteria.BrandReference, sale.cardBrandTransactionId)
      .execute()
  ).result;
  assert.deepEqual(
    settled.map(({ transactionStatus, amount }) => [transactionStatus, amount]),
    [['FUNDED', '20']],
  );
  assert.match(settled[0].aquirerReferenceNumber, /^\d{23}$/);
  const [deposit] = (
    await ReportingService.findDepositsPaged(1, 10)
      .where(DataServiceCriteria.MerchantId, settled[0].merchantId)
      .execute()
  ).result;
  assert.equal(deposit.depositId, settled[0].depositReference);
  assert.equal((await ReportingService.depositDetail(deposit.depositId).execute()).amount, deposit.amount);
  await refused(
    ReportingService.depositDetail('DEP_0000000001').execute(),
    '40118',
    'Deposits DEP_0000000001 not found at this /ucp/settlement/deposits/DEP_0000000001',
  );
  await refused(
    ReportingService.findDepositsPaged(1, 10).where(DataServiceCriteria.SystemHierarchy, randomUUID()).execute(),
    '40105',
    'Invalid Value provided in the input field - system.hierarchy',
  );

  const id = 'DIS_SAND_abcd1234';
  const dispute = await ReportingService.disputeDetail(id).execute();
  assert.equal(dispute.caseId, id);
  const byArn = (arn) =>
    ReportingService.findDisputesPaged(1, 10).where(SearchCriteria.AquirerReferenceNumber, arn).execute();
  assert.deepEqual(
    (await byArn(dispute.transactionARN)).result.map(({ caseId }) => caseId),
    [id],
  );
  await refused(byArn('874091790340471'), '40048', '105,Unable to locate dispute record for arn.');
  await refused(
    ReportingService.disputeDetail('DIS_SAND_aaaa1111').execute(),
    '40073',
    '101,Unable to locate dispute record for that ID.',
  );
  const documents = (of, document) =>
    ReportingService.documentDisputeDetail(of).where(SearchCriteria.DisputeDocumentId, document).execute();
  assert.ok((await documents('DIS_SAND_abcd1235', 'DOC_MyEvidence_234234AVCDE-1')).b64Content);
  await refused(documents('DIS_SAND_abcd1235', randomUUID()), '40071', '128,No document found');
  assert.equal((await dispute.accept().execute()).responseCode, 'SUCCESS');
  const evidence = () =>
    Object.assign(new gp.DisputeDocument(), {
      type: 'SALES_RECEIPT',
      b64_content: 'R0lGODlhigPCAXAAACwAAAAAigPCAYf///8AQnv',
    });
  assert.equal((await dispute.challenge([evidence()]).execute()).responseCode, 'SUCCESS');
  await refused(
    dispute.challenge([evidence(), evidence()]).execute(),
    '40072',
    'can be challenged with a single document only',
  );
  await refused(
    dispute.challenge([new gp.DisputeDocument()]).execute(),
    '40065',
    'Unable to challenge as No document provided',
  );
  await refused(
    Object.assign(new gp.DisputeSummary(), { caseId: 'DIS_SAND_aaaa0000' }).accept().execute(),
    '40067',
    'INVALID_DISPUTE_ACTION',
  );
  const moved = await ReportingService.findSettlementDisputesPaged(1, 10)
    .where(SearchCriteria.DisputeStatus, 'FUNDED')
    .execute();
  assert.deepEqual(
    moved.result.map(({ caseId }) => caseId),
    ['DIS_810'],
  );
  await refused(
    ReportingService.settlementDisputeDetail('DIS_010').execute(),
    '40118',
    'Disputes DIS_010 not found at this /ucp/settlement/disputes/DIS_010',
  );
});

test('Node: went nowhere else', () => {
  assert.deepEqual([...hosts].sort(), ['127.0.0.1', 'apis.sandbox.globalpay.com']);
});

test('Python: its calls, each with what it gave', async () => {
  const { base_url: url, credentials } = sandbox.info.platforms.gp_api;
  const calls = JSON.parse(await python('gp_api.py', [url, credentials.app_id, credentials.app_key]));
  for (const { name, wanted, got } of calls) assert.deepEqual(got, wanted, name);
  assert.equal(calls.length, 31);
});
