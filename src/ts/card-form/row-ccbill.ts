// What the card form does with a card at CCBill.

import type { CcBillCustomer, SendOptions } from '../types.js';
import { type Extras, given, type Of, once, type Row, send } from './row.js';

type Module = typeof import('../ccbill-inline.js');

export const row: Row<'ccbill', Module, Of<Module, 'CcBill'>> = {
  load: () => import('../ccbill-inline.js'),
  needs: { holder: 'required', nickname: false, customer: true },
  client: ({ CcBill }, _, where) => new CcBill(given(where)),
  checkCustomer: ({ checkCustomer }, customer) => checkCustomer(customer),
  tokenize: (client, session, card, extras) => client.createPaymentToken(session, card, withCustomer(extras)),
  confirmToken: (client, session, token, how) => client.confirmToken(session, token, how),
  async pay(client, session, card, extras) {
    const { authenticate } = extras;
    const threeDs = authenticate ? await client.threeDsRequired(session, card, send(extras)) : false;
    const token = await client.createPaymentToken(session, card, { ...withCustomer(extras), threeDs });
    const threedsInformation = threeDs ? await authenticate?.(session) : undefined;
    return client.confirmPayment(session, token, {
      ...send(extras),
      ...once(extras),
      ...(threedsInformation && { threedsInformation }),
    });
  },
};

const withCustomer = (extras: Extras): SendOptions & { customer?: CcBillCustomer } => ({
  ...send(extras),
  ...(extras.customer && { customer: extras.customer }),
});
