import { WorldlineAcquiring } from '../../pkg/node.js';
import { EXPIRY } from '../fault-platforms.mjs';

export const platform = {
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
};
