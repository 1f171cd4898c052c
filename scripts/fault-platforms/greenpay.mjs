import { GreenPay } from '../../pkg/node.js';
import { cents, EXPIRY, stored } from '../fault-platforms.mjs';
import { isNumbered } from '../fault-subscriptions.mjs';

export const platform = {
  route: 'merchant/tokenPayment',
  settles: 'notification',
  subscriptions: ['merchant/subscriptions', 'merchant/subscriptions/pay'],
  ...stored((session) => {
    const card = { number: '4242424242424242', expiry: EXPIRY, cvc: '123', holder: 'Ana Mora', nickname: 'My Visa' };
    return new GreenPay({ publicKey: session.public_key }).tokenizeRequest(session, card);
  }),
  book: ({ transactions }) =>
    transactions
      .filter((one) => one.state === 'approved' && !isNumbered(one))
      .map((one) => ({ reference: one.order_reference, cents: cents(one.amount), authorization: one.authorization })),
};
