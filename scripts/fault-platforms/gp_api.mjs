import { GpApi } from '../../pkg/node.js';
import { EXPIRY, stored } from '../fault-platforms.mjs';

export const platform = {
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
};
