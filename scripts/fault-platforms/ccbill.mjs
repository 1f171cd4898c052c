import { CcBill } from '../../pkg/node.js';
import { CUSTOMER, CUSTOMER_IP, EXPIRY, stored } from '../fault-platforms.mjs';

export const platform = {
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
};
