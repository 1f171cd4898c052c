// Worldline Acquiring: the platform takes cards from servers alone, so the card is sealed in the page to the shop's own
// key, and the shop's server opens it. What is kept of a card refers to it later and charges nothing by itself.

import { testCard } from '../test-cards.js';

/** The parts of what is sealed, with what each of them is; the second of the five is empty. */
function partsOf(sealed) {
  const [header, , vector, text, tag] = sealed.split('.');
  const bytes = (part) => Math.floor((part.length * 3) / 4);
  return [
    ['header', 'for which session, to which of the shop’s keys, and the key made for this card, as base64url', header],
    ['vector', `the initialization vector, new each time: ${bytes(vector)} bytes`, vector],
    ['text', `the card, AES-256-GCM encrypted: ${bytes(text)} bytes`, text],
    ['tag', `proves that neither it nor the header was changed: ${bytes(tag)} bytes`, tag],
  ];
}

export const platform = {
  id: 'worldline_acquiring',
  name: 'Worldline Acquiring',
  hint: 'The card is sealed on this page to the shop’s own key.',
  /** What the person who runs the shop has to know before anything else. */
  warning:
    'With this platform the shop’s server opens the card and passes it on, so it is in full PCI DSS scope (SAQ D). It is off unless a shop turns it on.',
  promise: 'Your card is sealed to this shop',
  promiseAtButton:
    'Sealed in this page for one use. The shop’s server opens it, passes it to Worldline, and does not keep it.',
  relayHint: 'The shop’s server opens the sealed card for one call to Worldline.',
  saveHint:
    'The bank checks the card. The shop keeps a reference for later payments and the last four digits, never the number.',
  savedLine: 'For reference; you type it again',
  savedNote: 'Cannot be charged alone: Worldline needs the card again for each payment.',
  deleting: 'Only the shop has stored anything about it.',
  sealedWords: 'The sealed card goes to the shop’s server, which opens it and passes it to Worldline',
  ways: ['relay'],
  anyCurrency: true,
  currencies: ['USD', 'EUR', 'GBP', 'CHF', 'JPY'],
  paysOnce: true,
  /** A card that is charged once may be held as well. */
  holdsOnce: true,
  /** A payment names the stored card and brings the card itself. */
  cardAgain: true,
  updates: false,
  parts: true,
  /** What is captured is refunded, not voided. */
  voids: ['authorized'],
  answersLater: true,
  steps: { seal: 'Sealing your card…', charge: 'Sealing your card, asking your bank…' },
  undo: {
    void: 'The bank releases the amount that it holds.',
    refund: 'The money goes back to the card. You can refund the rest later.',
    capture:
      'The bank holds this amount. Capture it to be paid, or capture less if the order became smaller: the rest is released.',
  },
  unknown: 'If the answer stays lost, the shop reverses this payment. The result appears',

  failures: {
    5: ['Your bank declined this card.', 'Please use another card.'],
  },

  /** What is sealed in a request, part by part, or null. */
  sealed: (body) => (typeof body?.sealed === 'string' ? partsOf(body.sealed) : null),

  cards: {
    approved: [testCard('4176669999000104', 'Visa', '012'), testCard('5555555555554444', 'Mastercard')],
    declined: [
      testCard('4176669999000203', 'Visa, declined (5)'),
      testCard('5555559999000204', 'Mastercard, declined (5)'),
    ],
  },
};
