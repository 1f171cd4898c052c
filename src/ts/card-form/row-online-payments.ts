// What the card form does with a card at Worldline Online Payments.

import type { Brand } from '../types.js';
import { type BrandChoice, given, type Of, once, type Row, send } from './row.js';

type Module = typeof import('../online-payments-inline.js');

/** The platform's numbers of products that are brands. */
const PRODUCTS: Record<number, Brand> = {
  1: 'visa',
  2: 'amex',
  3: 'mastercard',
  117: 'maestro',
  125: 'jcb',
  128: 'discover',
  130: 'cartes_bancaires',
  132: 'diners',
  3012: 'bancontact',
};

export const row: Row<'online_payments', Module, Of<Module, 'OnlinePayments'>> = {
  load: () => import('../online-payments-inline.js'),
  needs: { holder: 'required', nickname: false, customer: false },
  client: ({ OnlinePayments }, _, where) => new OnlinePayments(given(where)),
  prepare: (client, session) => client.publicKey(session),
  async choices(client, session, number) {
    const { status, paymentProductId, coBrands } = await client.iinDetails(session, number);
    const allowed = coBrands.filter((one) => one.isAllowedInContext).map((one) => one.paymentProductId);
    // What the platform itself would take is the default, and so comes first.
    const products = new Set(status === 'supported' ? [paymentProductId, ...allowed] : allowed);
    return [...products].flatMap((id) => {
      const brand = PRODUCTS[id ?? 0];
      return id !== null && brand ? [{ brand, product: id }] : [];
    });
  },
  tokenize: (client, session, card, extras) =>
    client.tokenize(session, card, { ...send(extras), ...product(extras.choice) }),
  pay: (client, session, card, extras) =>
    client.pay(session, card, { ...send(extras), ...product(extras.choice), ...once(extras) }),
};

const product = (choice: BrandChoice | undefined): { paymentProductId?: number } =>
  choice ? { paymentProductId: choice.product } : {};
