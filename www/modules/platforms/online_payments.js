// Worldline Online Payments: the card is encrypted in the page with the platform's key and passes through the shop's
// server. Which product a card is of, the platform says itself, by its first eight digits at most.

import { testCard } from '../test-cards.js';

/** The five parts of what is encrypted, with what each of them is. */
function partsOf(input) {
  const [header, key, vector, text, tag] = input.split('.');
  const bytes = (part) => Math.floor((part.length * 3) / 4);
  return [
    ['header', 'how it is encrypted, and with which key, as base64url', header],
    ['key', `the key of the text, wrapped with the platform’s RSA key: ${bytes(key)} bytes`, key],
    ['vector', `the initialization vector, new each time: ${bytes(vector)} bytes`, vector],
    ['text', `the card, AES-256-CBC encrypted: ${bytes(text)} bytes`, text],
    ['tag', `proves that nothing was changed: ${bytes(tag)} bytes`, tag],
  ];
}

export const platform = {
  id: 'online_payments',
  name: 'Worldline',
  hint: 'The card is encrypted on this page with Worldline’s key.',
  promise: 'Your card is encrypted on this device',
  promiseAtButton: 'Encrypted in this page with Worldline’s key. The number never reaches the shop.',
  /** `page` leads to the platform's own page, `frame` has the platform's own form in this one. */
  ways: ['relay', 'page', 'frame'],
  /** The script around the form. */
  frameScript: (facts) => facts.tokenizer_url,
  anyCurrency: true,
  currencies: ['USD', 'EUR', 'GBP', 'CHF', 'JPY'],
  paysOnce: true,
  updates: false,
  parts: true,
  /** What is captured is refunded, not voided. */
  voids: ['authorized'],
  answersLater: true,
  steps: { seal: 'Encrypting your card…', leave: 'Going to Worldline…' },
  undo: {
    void: 'The bank releases the amount that it holds.',
    refund: 'The money goes back to the card. You can refund the rest later.',
    capture: 'The bank holds this amount. Capture it to be paid, or capture less if the order became smaller.',
  },
  unknown: 'The shop is asking Worldline about this payment. The answer appears',

  failures: {
    unknown: ['The payment platform does not know this kind of card.', 'Please check the number, or use another card.'],
    existing_but_not_allowed: ['The shop does not accept this kind of card.', 'Please use another one.'],
    not_enough_digits: ['The card number is not complete.', 'Please check it.'],
  },

  /** For what comes of the platform's own page and form; the card form brings its own. */
  async client() {
    const { OnlinePayments, load } = await import('/pkg/online-payments-inline.js');
    await load();
    return new OnlinePayments();
  },
  /** Its sessions cost nothing, and tell the brands of a card while it is typed. */
  opensEarly: true,

  /** The platform's page of a session. */
  pageOf: async ({ redirectUrl }) => ({ url: redirectUrl }),
  /** The request that asks what came of it. */
  async confirmRequest({ session, key, returned }) {
    const client = await this.client();
    try {
      return client.confirmPaymentRequest({ id: session }, returned, { idempotencyKey: key });
    } finally {
      client.free();
    }
  },

  /** What the address says of somebody who comes back from a page of the platform's or of a bank, or null. */
  returned(query) {
    if (!query.has('RETURNMAC')) return null;
    return Object.fromEntries(['RETURNMAC', 'hostedCheckoutId', 'paymentId'].map((name) => [name, query.get(name)]));
  },

  /** What is sealed in a request, part by part, or null. */
  sealed: (body) =>
    typeof body?.encrypted_customer_input === 'string' ? partsOf(body.encrypted_customer_input) : null,
  /** Members that nobody should read over a shoulder. */
  secrets: ['clientSessionId', 'RETURNMAC'],
  /** What the page asks the platform itself. */
  calls: [[/\/services\/getIINdetails$/, 'The platform says what kind of card it is, from at most eight digits']],

  cards: {
    approved: [
      testCard('4012000033330026', 'Visa'),
      testCard('4567350000427977', 'Visa'),
      testCard('5300000000000006', 'Mastercard'),
      testCard('4000000000003220', 'Visa, your bank asks you to confirm (3-D Secure)'),
    ],
    declined: [
      testCard('4000000000000002', 'Visa, declined'),
      testCard('4321456998744563', 'Visa, declined, bad check digit'),
    ],
  },
};
