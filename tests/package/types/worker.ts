// Compiled only, never run: the worker's API as a page uses it.

import type * as page from 'cardseal';
import type {
  Brand,
  CardInput,
  CardsealRequest,
  CardToken,
  KeyWarning,
  Packed,
  PaymentOutcome,
  Validation,
} from 'cardseal/worker';
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
  terminate,
  validateCard,
  WorldlineAcquiring,
} from 'cardseal/worker';

/** Nothing of the page's API may be missing. */
type Missing = Exclude<keyof typeof page, keyof typeof import('cardseal/worker')>;
export const missing: Missing[] = [];

const trusted = { toString: () => '/worker-host.js', toJSON: () => '/worker-host.js' };
export const loaded: Promise<void>[] = [
  load(),
  load({ worker: '/worker-host.js' }),
  load({ worker: new URL('https://shop.example/w.js') }),
  load({ worker: trusted }),
];
export const own: Promise<void> = load({ worker: new Worker('/worker-host.js', { type: 'module' }) });

export async function checkout(card: CardInput, input: HTMLInputElement): Promise<CardToken | PaymentOutcome> {
  const validation: Validation = await validateCard(card, { platform: 'greenpay' });
  const brands: Brand[] = await candidateBrands('4242');
  const texts: string[] = [
    (await formatCardNumber('42')).text,
    (await formatExpiry('12')).text,
    (await formatSecurityCode('1')).text,
  ];
  const typed: Brand[] = await formatCardNumberInput(input);
  await formatExpiryInput(input);
  await formatSecurityCodeInput(input, '4242');
  const session = await openSession({ platform: 'greenpay', kind: 'tokenize' });
  const request: CardsealRequest = await openSessionRequest({ kind: 'tokenize' });
  const greenpay = new GreenPay({ publicKey: session.public_key });
  // @ts-expect-error A function cannot be handed to a worker.
  new GreenPay({ publicKey: '', now: Date.now });
  // @ts-expect-error Whatever is asked of the worker comes later.
  const early: Packed = greenpay.pack({ card });
  const packed: Packed = await greenpay.pack({ card }, { counter: 'byte' });
  const warnings: KeyWarning[] = await greenpay.warnings;
  const token: CardToken = await greenpay.tokenize(session, card, { signal: new AbortController().signal });
  const gp: GpApi = new GpApi();
  const clear: CardsealRequest = await gp.tokenizeRequest(await openSession({ platform: 'gp_api' }), card);
  await gp.free();
  const ccbill: CcBill = new CcBill();
  const ccSession = await openSession({ platform: 'ccbill' });
  const needed: boolean = await ccbill.threeDsRequired(ccSession, card);
  console.log(
    needed,
    (await checkCustomer({})).length,
    (await ccbill.createPaymentToken(ccSession, card, { threeDs: needed })).subscriptionId,
  );
  await ccbill.free();
  const online: OnlinePayments = new OnlinePayments();
  const sealed: string = await online.encrypt(await openSession({ platform: 'online_payments' }), card, {
    paymentProductId: 1,
  });
  await online.free();
  const acquiring: WorldlineAcquiring = new WorldlineAcquiring();
  const jwe: string = await acquiring.seal(await openSession({ platform: 'worldline_acquiring' }), card);
  await acquiring.free();
  console.log(jwe, sealed, (await maskField({ id: 'cvv' }, '1')).text, await checkField({ id: 'cvv' }, '1'));
  const outcome: PaymentOutcome = await greenpay.pay(session, card);
  const own: GreenPay = greenpay;
  await own.free();
  terminate();
  console.log(
    validation.valid,
    brands,
    texts,
    typed,
    request.url,
    early,
    packed.ld,
    warnings.length,
    clear.url,
    CardsealError,
  );
  return outcome.id ? outcome : token;
}
