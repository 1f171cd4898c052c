// GreenPay: the card is encrypted in the page and may pass through the shop's server.

import { testCard } from '../test-cards.js';

/** For the platform's web form; the card form brings its own. */
async function clientOf(publicKey) {
  const { GreenPay, load } = await import('/pkg/greenpay-inline.js');
  await load();
  return new GreenPay({ publicKey });
}

export const platform = {
  id: 'greenpay',
  name: 'GreenPay',
  hint: 'The card is encrypted on this page before it goes anywhere.',
  promise: 'Your card is encrypted on this device',
  promiseAtButton: 'Encrypted by WebAssembly in this page. The number never reaches the shop.',
  /** `page` leads to the platform's own web form. */
  ways: ['relay', 'direct', 'page'],
  anyCurrency: false,
  currencies: ['USD', 'CRC', 'GTQ'],
  hasNickname: true,
  /** A card can be charged without being kept. */
  paysOnce: true,
  /** A stored card can be replaced by another. */
  updates: true,
  /** A stored card can be charged every month by the platform itself. */
  subscribes: true,
  /** Authorize now and capture later; refund parts. */
  parts: false,
  /** Nobody but the platform's own notification tells about a payment whose answer was lost. */
  answersLater: false,
  steps: { seal: 'Encrypting your card…', leave: 'Going to GreenPay…' },
  undo: {
    void: 'The payment is cancelled as if it had never been made. Possible for about three hours.',
    refund: 'The whole amount goes back to the card. Possible for about seven days, and not with every bank.',
  },
  unknown: 'The answer appears',
  waitsFor: 'GreenPay’s notification says how it ended, and this page shows it.',

  /** Where the web form sends the customer: its answer is the rest of the path. */
  returnPath: '/return',
  /** The web form of a session. The session is noted too: the answer is read with it. */
  async pageOf(session) {
    const { id, kind, mode, public_key, return_url } = session;
    const client = await clientOf(public_key);
    const url = client.formUrl(session);
    client.free();
    return { url, page: { id, kind, mode, public_key, return_url } };
  },
  /** What the address says of somebody who comes back from the web form, or null. */
  returned: (_, { pathname, href }) => (pathname.startsWith('/return/') ? { address: href } : null),
  /** The request that hands over what the web form answered. */
  async confirmRequest({ page, key, returned }) {
    const client = await clientOf(page.public_key);
    try {
      const outcome = client.returnedPayment(page, returned.address);
      return client.confirmPaymentRequest(page, outcome, { idempotencyKey: key });
    } finally {
      client.free();
    }
  },

  /** What is sealed in a request, part by part, or null. */
  sealed: (body) =>
    typeof body?.ld === 'string' && typeof body?.lk === 'string'
      ? [
          ['ld', `the card, AES-128-CTR encrypted: ${body.ld.length / 2} bytes, as hex`, body.ld],
          ['lk', `the key of ld, wrapped with the shop’s RSA key: ${atob(body.lk).length} bytes, as base64`, body.lk],
        ]
      : null,

  cards: {
    approved: [
      testCard('4242424242424242', 'Visa'),
      testCard('5555555555554444', 'Mastercard'),
      testCard('2223003122003222', 'MC 2-series'),
      testCard('378282246310005', 'Amex', '1234'),
      testCard('6011111111111117', 'Discover'),
      testCard('4532314168813859', 'Visa'),
    ],
    // GreenPay's documented decline cards. Two of them fail the check digit, which is only a warning here.
    declined: [
      testCard('4094394314664828', 'Not enough money (51)'),
      testCard('4485970366452449', 'Do not honour (05)'),
      testCard('4539610492212483', 'Expired card (54)'),
      testCard('4929639391534299', 'Lost card (41)'),
      testCard('4716178359021988', 'Keep the card and call (43)'),
      testCard('4556500081329277', 'Pick up the card (04)'),
      testCard('4539790114303785', 'Refer to issuer (01)'),
      testCard('4319593393858768', 'Invalid merchant (03)'),
      testCard('4485684474633390', 'Invalid transaction (12)'),
      testCard('4024007189880601', 'Invalid amount (13)'),
      testCard('4916402417466144', 'Invalid card (14)'),
      testCard('4539935161849723', 'Enter again (19)'),
      testCard('4345967438617249', 'Bank not supported (31)'),
      testCard('4556710706281072', 'Wrong PIN (55)'),
      testCard('4556592228753727', 'Not allowed (58), bad check digit'),
      testCard('4929518506489375', 'BNCR 262, bad check digit'),
      testCard('4024007105223894', 'Cannot authorize (63)'),
      testCard('4716342493980323', 'Cannot authorize (65)'),
      testCard('4929597009464475', 'Cannot authorize (78)'),
      testCard('4539740270025870', 'Invalid terminal (89)'),
      testCard('4929942460623880', 'Issuer silent (91)'),
      testCard('4916869335186964', 'Not supported (96)'),
    ],
  },
};
