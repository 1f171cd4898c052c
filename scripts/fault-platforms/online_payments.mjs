import { OnlinePayments } from '../../pkg/node.js';
import { EXPIRY, stored } from '../fault-platforms.mjs';

export const platform = {
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
};
