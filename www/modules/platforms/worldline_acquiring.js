// Worldline Acquiring: the platform takes cards from servers alone, so the card is sealed in the page to the shop's own
// key, and the shop's server opens it. What is kept of a card refers to it later and charges nothing by itself.

import { testCard } from '../test-cards.js';

/** The parts of what is sealed, with what each of them is; the second of the five is empty. */
function partsOf(sealed) {
  const [header, , vector, text, tag] = sealed.split('.');
  const bytes = (part) => Math.floor((part.length * 3) / 4);
  return [
    [
      'header',
      'for which session, to which key of the shop’s, and the key made for this card alone, as base64url',
      header,
    ],
    ['vector', `what the text begins with, new each time: ${bytes(vector)} bytes`, vector],
    ['text', `the card, AES-256-GCM encrypted: ${bytes(text)} bytes`, text],
    ['tag', `shows that nobody has changed it, nor the header: ${bytes(tag)} bytes`, tag],
  ];
}

export const platform = {
  id: 'worldline_acquiring',
  name: 'Worldline Acquiring',
  hint: 'The card is sealed on this page to the shop’s own key.',
  /** What the person who runs the shop has to know before anything else. */
  warning:
    'With this platform the shop’s server opens the card and hands it on: it is in full PCI DSS scope (SAQ D). This way is off until a shop turns it on.',
  promise: 'Your card is sealed to this shop',
  promiseAtButton:
    'Sealed in this page for this one use. The shop’s server opens it to hand it to Worldline, and does not keep it.',
  relayHint: 'The shop’s server opens the sealed card for the one call to Worldline.',
  saveHint:
    'The bank checks the card. The shop keeps what its next payments refer to and the last four digits, never the number.',
  savedLine: 'To refer to; you type it again',
  savedNote: 'Cannot be charged by itself: Worldline wants the card again for each payment.',
  deleting: 'The shop alone has kept what it knows of it.',
  sealedWords: 'The sealed card goes to the shop’s server, which opens it and hands it to Worldline',
  ways: ['relay'],
  anyCurrency: true,
  currencies: ['USD', 'EUR', 'GBP', 'CHF', 'JPY'],
  holderOptional: true,
  hasNickname: false,
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
    void: 'The bank lets go of the amount that it has set aside.',
    refund: 'The money goes back to the card. You can refund the rest later.',
    capture:
      'The bank has set this amount aside. Capture it to be paid, or less if the order became smaller: the rest is let go.',
  },
  unknown: 'If the answer stays lost, the shop has this very payment undone; what it hears shows',

  failures: {
    5: ['Your bank declined this card.', 'Please use another card.'],
  },

  client: ({ WorldlineAcquiring }, _session, options) => new WorldlineAcquiring(options),
  clientKey: () => '',

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
