// What scripts/faults.mjs needs for each platform: how a merchant charges there, what the platform has recorded, and who
// settles a payment whose outcome is unknown.

import { CcBill, GpApi, GreenPay, OnlinePayments, WorldlineAcquiring } from '../pkg/node.js';

const EXPIRY = '12/2035';
/** From the documentation's block of addresses. */
const CUSTOMER_IP = '192.0.2.7';
const CUSTOMER = { firstName: 'Ana', lastName: 'Mora', email: 'ana@shop.example', postalCode: '85281', country: 'US' };

/** A stored card that the merchant charges: `store` makes the request that hands it over to the server. */
const stored = (store, more = {}) => ({
  async prepare(shop, platform) {
    const session = await shop.merchant('POST', '/v1/sessions', { platform, ...more });
    const { id } = await shop.send(await store(session));
    return async (order) => ({ body: { token: id, ...order, ...more } });
  },
});

/**
 * By platform:
 * - `route`: the sandbox's name of the call that charges;
 * - `prepare`: gives a function that makes the request for one order, which is then repeated word for word;
 * - `book`: what the platform has charged, as `{ reference, cents, authorization }`;
 * - `settles`: `server` asks the platform itself, `notification` waits for the platform's word and then for the
 *   merchant's, `merchant` waits for the merchant's alone.
 */
export const PLATFORMS = {
  greenpay: {
    route: 'merchant/tokenPayment',
    settles: 'notification',
    ...stored((session) => {
      const card = { number: '4242424242424242', expiry: EXPIRY, cvc: '123', holder: 'Ana Mora', nickname: 'My Visa' };
      return new GreenPay({ publicKey: session.public_key }).tokenizeRequest(session, card);
    }),
    book: ({ transactions }) =>
      transactions
        .filter(({ state }) => state === 'approved')
        .map((one) => ({ reference: one.order_reference, cents: cents(one.amount), authorization: one.authorization })),
  },
  gp_api: {
    route: 'transactions',
    settles: 'server',
    ...stored(async (session) => {
      const client = new GpApi({ environment: { base: session.base_url } });
      const card = { number: '4263970000005262', expiry: EXPIRY, cvc: '123' };
      return client.confirmTokenRequest(session, await client.tokenize(session, card));
    }),
    book: ({ transactions }) =>
      transactions
        .filter(({ status }) => status === 'CAPTURED')
        .map((one) => ({ reference: one.reference, cents: Number(one.captured) })),
  },
  online_payments: {
    route: 'payments',
    settles: 'server',
    ...stored((session) => {
      const card = { number: '4567350000427977', expiry: EXPIRY, cvc: '123', holder: 'Ana Mora' };
      return new OnlinePayments().tokenizeRequest(session, card, { paymentProductId: 1 });
    }),
    book: ({ payments }) =>
      payments
        .filter(({ status }) => status === 'CAPTURED')
        .map((one) => ({ reference: one.merchant_reference, cents: one.amount })),
  },
  worldline_acquiring: {
    route: 'payments',
    settles: 'server',
    /** A stored card charges nothing by itself here: each order has a session, and the card is sealed for it. */
    async prepare(shop, platform) {
      const client = new WorldlineAcquiring();
      return async (order) => {
        const session = await shop.merchant('POST', '/v1/sessions', { platform, kind: 'payment', ...order });
        const { body } = await client.payRequest(session, { number: '4176669999000104', expiry: EXPIRY, cvc: '012' });
        return { body: JSON.parse(body), fromPage: true };
      };
    },
    book: ({ payments }) =>
      payments
        .filter(({ captured }) => captured > 0)
        .map((one) => ({ reference: one.merchant_reference, cents: one.captured })),
  },
  ccbill: {
    route: 'transactions',
    settles: 'merchant',
    ...stored(
      async (session) => {
        const client = new CcBill({ environment: { base: session.base_url } });
        const card = { number: '4473707989493598', expiry: EXPIRY, cvc: '123', holder: 'Ana Mora' };
        const token = await client.createPaymentToken(session, card, { customer: CUSTOMER });
        return client.confirmTokenRequest(session, token);
      },
      { customer_ip: CUSTOMER_IP },
    ),
    book: ({ transactions }) =>
      transactions
        .filter(({ approved }) => approved)
        .map((one) => ({ reference: one.pass_through[0].value, cents: one.cents })),
  },
};

const cents = (text) => Math.round(Number(text) * 100);
