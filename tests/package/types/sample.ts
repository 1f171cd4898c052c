// Compiled only, never run: every export is used the way an integrator's page uses it, under `strict`.

import type {
  Brand,
  CardField,
  CardInput,
  CardsealQuery,
  CardsealRequest,
  CardToken,
  CcBillAccess,
  CcBillAuthenticated,
  CcBillCustomer,
  CcBillThreeDs,
  CcBillToken,
  CustomerProblem,
  DirectToken,
  ErrorCode,
  Expiry,
  Formatted,
  GpApiAccess,
  GreenPayOptions,
  GreenPayOrder,
  GreenPaySession,
  IinDetails,
  KeyWarning,
  LoadSource,
  NetworkToken,
  OnlinePaymentsServerSession,
  OnlinePaymentsSession,
  OpenSessionOptions,
  Packed,
  PackInput,
  PackOptions,
  PaymentContext,
  PaymentOutcome,
  PaymentProduct,
  Platform,
  Problem,
  ProblemCode,
  SealingKey,
  SealOptions,
  SendOptions,
  ServerSession,
  StoredToken,
  ValidateOptions,
  Validation,
  WithWarnings,
} from 'cardseal';
import {
  CardsealError,
  CcBill,
  candidateBrands,
  checkCustomer,
  checkField,
  formatCardNumber,
  formatCardNumberInput,
  formatExpiry,
  formatExpiryInput,
  formatSecurityCode,
  formatSecurityCodeInput,
  GpApi,
  GreenPay,
  load,
  maskField,
  OnlinePayments,
  openSession,
  openSessionRequest,
  validateCard,
  WorldlineAcquiring,
} from 'cardseal';
import * as inline from 'cardseal/inline';

// ------------------------------------------------------------------------------------------------ loading

const sources: LoadSource[] = [
  '/module.wasm',
  new URL('https://shop.example/module.wasm'),
  new Uint8Array(8),
  fetch('/module.wasm'),
];
export const loaded: Promise<void>[] = [
  load(),
  inline.load(),
  ...sources.map((source) => load(source)),
  load({ fallback: false, source: '/assets/cardseal_bg.wasm' }),
  inline.load({ fallback: () => import('cardseal/cardseal_fallback.js') }),
];

// ------------------------------------------------------------------------------------------------ card data

const expiry: Expiry = { month: 12, year: 2030 };
const card: CardInput = { number: '4242 4242 4242 4242', expiry, cvc: '123', holder: 'Ana Núñez', nickname: 'My Visa' };
const typed: CardInput = { number: '4242424242424242', expiry: '12/30', cvc: '123', holder: 'Ana Núñez' };
// @ts-expect-error A number would lose digits.
export const asNumber: CardInput = { ...card, number: 4242424242424242 };
// @ts-expect-error A card without its number is not one.
export const incomplete: CardInput = { expiry: '12/30', cvc: '123', holder: 'Ana Núñez' };

const options: ValidateOptions = { now: () => 0, platform: 'greenpay', kind: 'payment' };
const validation: Validation = validateCard({ number: '4242' }, options);
export const valid: boolean = validation.valid;
const brands: Brand[] = candidateBrands('4242');
const problems: Problem[] = [...validation.problems, ...validation.warnings];

/** A page's own words. The compiler tells when a field is added. */
function label(field: CardField): string {
  switch (field) {
    case 'number':
      return 'card number';
    case 'expiry':
      return 'expiry date';
    case 'cvc':
      return 'security code';
    case 'holder':
      return 'name';
    case 'nickname':
      return 'nickname';
  }
}
const words: Partial<Record<ProblemCode, string>> = { number_check_digit: 'Please check the number.' };
export const shown: string[] = problems.map(({ field, code, message }) => `${label(field)}: ${words[code] ?? message}`);

const formatted: Formatted & { brands: Brand[] } = formatCardNumber('42424', 5);
export const texts: string[] = [formatted.text, formatExpiry('123').text, formatSecurityCode('123', 3, '4242').text];
export const caret: number = formatted.caret;
export function bind(number: HTMLInputElement, date: HTMLInputElement, code: HTMLInputElement): void {
  number.addEventListener('input', () => brands.push(...formatCardNumberInput(number)));
  date.addEventListener('input', () => formatExpiryInput(date));
  code.addEventListener('input', () => formatSecurityCodeInput(code, number.value));
}

// ------------------------------------------------------------------------------------------------ requests

const platform: Platform = 'greenpay';
const ask: OpenSessionOptions = {
  server: 'https://shop.example',
  platform,
  kind: 'update',
  mode: 'relay',
  token: 'tok_1',
  customer: 'c-1',
};
const request: CardsealRequest = openSessionRequest(ask);
// @ts-expect-error A payment names an amount, so the merchant's back end opens its session.
openSessionRequest({ kind: 'payment' });
// @ts-expect-error The same.
openSessionRequest({ amount: '12.34' });
export const sent: Promise<Response> = fetch(request.url, request);

const settings: GreenPayOptions = {
  publicKey: '…',
  strict: true,
  environment: 'production',
  server: '',
  now: Date.now,
  fetch: globalThis.fetch,
};
const sending: SendOptions = { signal: new AbortController().signal, timeoutMs: 0 };
const order: GreenPayOrder = { session: '…', token: '…', created_at: 0 };

/** A page that takes what its server sends. */
export function takes(session: ServerSession): string | undefined {
  return session.platform === 'greenpay' ? session.public_key : undefined;
}

export async function checkout(): Promise<CardToken | PaymentOutcome | undefined> {
  try {
    await load();
    const session: GreenPaySession = await openSession({ platform: 'greenpay', kind: 'tokenize' });
    const gpSession = await openSession({ platform: 'gp_api' });
    const ccSession = await openSession({ platform: 'ccbill' });
    const opSession: OnlinePaymentsServerSession = await openSession({ platform: 'online_payments' });
    const waSession = await openSession({ platform: 'worldline_acquiring' });
    const greenpay = new GreenPay({
      ...settings,
      publicKey: session.public_key,
      environment: { checkout: 'http://127.0.0.1:1' },
    });
    const warnings: KeyWarning[] = greenpay.warnings;
    for (const { code, bits, message } of warnings) console.warn(code, bits + 1, message);

    const input: PackInput = { card, token: '…' };
    const how: PackOptions = { counter: 'block' };
    const packed: Packed = greenpay.pack(input, how);
    const made: CardsealRequest[] = [
      greenpay.tokenizeRequest(session, typed),
      greenpay.updateTokenRequest(order, card, { token: '…', counter: 'integer' }),
      greenpay.payRequest(order, card, { kountSession: '…', tokenize: true }),
    ];
    console.log(packed.ld, packed.lk, made.length);

    const token: WithWarnings<CardToken> = await greenpay.tokenize(session, card, { ...sending, counter: 'byte' });
    const typos: Problem[] = token.warnings;
    console.log(typos.map((typo) => typo.field));
    const confirmed: CardToken =
      token.status === 'unconfirmed' ? await greenpay.confirmToken(session, token, sending) : token;
    const handed: CardsealRequest = greenpay.confirmTokenRequest(session, token);
    const updated: CardToken = await greenpay.updateToken(order, card, { token: confirmed.id });
    const fields: string[] = updated.signature?.signedFields ?? [];
    console.log(handed.body, fields);

    const gp = new GpApi({ environment: { base: 'http://127.0.0.1:1' } });
    const access: GpApiAccess = { access_token: '…', reference: '…' };
    console.log(gp.tokenizeRequest({ access_token: '…' }, card).url);
    const clear: CardsealRequest = gp.tokenizeRequest(access, card, { useNetworkToken: true });
    const single: DirectToken = await gp.tokenize(gpSession, card, { ...sending, reference: '…' });
    console.log(
      clear.url,
      (await gp.confirmToken(gpSession, single)).id,
      gp.confirmTokenRequest(gpSession, single).method,
    );
    // @ts-expect-error It can be used once: only confirmToken makes a token of it that lasts.
    const lasting: StoredToken = await gp.tokenize(gpSession, card);
    // @ts-expect-error A session of another platform.
    gp.tokenizeRequest(session, card);
    const stored: StoredToken = await gp.confirmToken(gpSession, single);
    console.log(stored.id.startsWith('tok_'), lasting.brand);
    // @ts-expect-error Only what took a card has warnings about it.
    console.log(stored.warnings);
    gp.free();

    const ccbill = new CcBill({ environment: 'production' });
    const customer: CcBillCustomer = {
      firstName: 'Ana',
      lastName: 'Mora',
      email: 'ana@shop.example',
      postalCode: '85281',
      country: 'US',
    };
    const wrong: CustomerProblem[] = checkCustomer({ ...customer, state: 'Arizona' });
    const front: CcBillAccess = { access_token: '…', client_accnum: 900_684, client_subacc: 0, currency_code: 978 };
    const bare: CardsealRequest = ccbill.createPaymentTokenRequest(front, card, {
      customer,
      verify: false,
      timeToLive: 1,
      numberOfUse: 1,
    });
    const again: CardsealRequest = ccbill.createPaymentTokenRequest(front, null, {
      subscriptionId: '924313501000000101',
    });
    // @ts-expect-error A number would lose digits.
    ccbill.createPaymentTokenRequest(front, null, { subscriptionId: 924313501000000101 });
    const asks: CardsealQuery = ccbill.threeDsRequiredRequest(front, card);
    const threeDs: boolean = await ccbill.threeDsRequired(ccSession, card, sending);
    const made3: CcBillToken = await ccbill.createPaymentToken(ccSession, card, { ...sending, customer, threeDs });
    const result: CcBillThreeDs = {
      status: 'Y',
      success: true,
      eci: '05',
      protocolVersion: '2.1.0',
      amount: '12.34',
      currency: '978',
      clientTransactionId: 'id-…',
      dsTransId: '…',
      acsTransId: '…',
      authenticationValue: '…',
    };
    const resolved: CcBillAuthenticated = {
      paymentToken: { paymentTokenId: '…', clientAccnum: 900_684, clientSubacc: 1 },
      threedsInformation: result,
    };
    const charged: PaymentOutcome = await ccbill.confirmPayment(ccSession, made3, {
      threedsInformation: result,
      idempotencyKey: '…',
    });
    console.log(
      wrong[0]?.message,
      bare.body,
      again.url,
      asks.url,
      made3.subscriptionId,
      charged.status,
      ccbill.confirmPaymentRequest(ccSession, resolved).body,
    );
    console.log(ccbill.confirmTokenRequest(ccSession, made3).url, (await ccbill.confirmToken(ccSession, made3)).id);
    ccbill.free();

    const online = new OnlinePayments({ server: 'https://shop.example', environment: { base: 'https://pay.example' } });
    const client: OnlinePaymentsSession = {
      clientSessionId: '…',
      customerId: '…',
      clientApiUrl: 'https://pay.example/client',
    };
    const context: PaymentContext = { countryCode: 'DE', currencyCode: 'EUR', amount: 1000 };
    const queries: CardsealQuery[] = [
      online.publicKeyRequest(client),
      online.productsRequest(client, context),
      online.productRequest(client, 1, context),
    ];
    const asked: CardsealRequest | null = online.iinDetailsRequest(client, '456735', context);
    const found: IinDetails = await online.iinDetails(opSession, card.number, context, sending);
    const product: PaymentProduct = await online.product(opSession, found.paymentProductId ?? 1, context);
    const masked: string[] = (product.fields ?? []).flatMap((field) => [
      maskField(field, '4567', 4).value,
      ...checkField(field, '4567'),
    ]);
    const sealed: string = await online.encrypt(client, card, { product, kind: 'payment', tokenize: true });
    const kept: StoredToken = await online.tokenize(opSession, card, { ...sending, product });
    const paid: PaymentOutcome = await online.pay(opSession, card, { context, idempotencyKey: '…' });
    const formed: [CardToken, PaymentOutcome] = [
      await online.confirmToken(opSession),
      await online.confirmPayment({ id: '…' }, { RETURNMAC: '…' }),
    ];
    console.log(
      queries,
      asked?.body,
      (await online.publicKey(client)).keyId,
      masked,
      sealed,
      kept.id,
      paid.redirect?.url,
      formed,
      (await online.products(client)).length,
    );
    online.free();

    const acquiring = new WorldlineAcquiring({ server: 'https://shop.example' });
    const networkToken: NetworkToken = { cryptogram: '…', eci: '05', requestorId: '…' };
    const sealing: SealOptions = { networkToken };
    const key: SealingKey | undefined = waSession.seal;
    const jwe: string = await acquiring.seal(waSession, card, sealing);
    const handedOver: CardsealRequest[] = [
      await acquiring.tokenizeRequest(waSession, card),
      await acquiring.payRequest(waSession, card, { ...sealing, idempotencyKey: '…' }),
    ];
    const verified: StoredToken = await acquiring.tokenize(waSession, card, sending);
    const later: PaymentOutcome = await acquiring.pay(waSession, { ...card, cvc: '' }, { networkToken, ...sending });
    console.log(
      key?.kid,
      key?.key.x,
      jwe,
      handedOver.length,
      verified.last4,
      later.status,
      waSession.server_expires_at,
    );
    acquiring.free();

    const payment: PaymentOutcome = await greenpay.pay(session, card, { idempotencyKey: '…', timeoutMs: 180_000 });
    const told: CardsealRequest = greenpay.confirmPaymentRequest(session, payment, { idempotencyKey: '…' });
    console.log(told.headers, (await greenpay.confirmPayment(session, payment, sending)).id);
    greenpay.free();
    if (payment.status === 'declined') console.log(payment.decline?.reason, payment.decline?.message);
    return payment.status === 'approved' ? payment : confirmed;
  } catch (error) {
    if (!(error instanceof CardsealError)) throw error;
    console.error(explain(error));
    return undefined;
  }
}

/** Narrowing on the code, and every field of an error. */
function explain(error: CardsealError): string {
  const code: ErrorCode = error.code;
  switch (error.code) {
    case 'card_invalid':
      return (error.problems ?? []).map((problem) => problem.message).join(' ');
    case 'session_expired':
      return 'Please start again.';
    case 'platform_rejected':
      return error.platformMessage ?? error.platformCode ?? error.platform ?? 'refused';
    case 'network_failed':
    case 'request_timeout':
      return error.retryable ? 'Please try again.' : error.message;
    // @ts-expect-error A misspelt code is not one.
    case 'card_invalided':
      return '';
    default:
      return `${error.name} ${code} ${error.field ?? ''} ${error.status ?? 0}`;
  }
}
