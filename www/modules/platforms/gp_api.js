// Global Payments GP API: the card goes from the page to the platform, as clear JSON over TLS, and never through the
// shop's server. What is kept is a network token.

import { testCard } from '../test-cards.js';

export const platform = {
  id: 'gp_api',
  name: 'Global Payments',
  hint: 'The card goes from this page straight to Global Payments, over TLS.',
  promise: 'Your card goes to Global Payments only',
  promiseAtButton: 'Sent from this page to Global Payments over TLS. The number never reaches the shop.',
  ways: ['direct'],
  anyCurrency: true,
  currencies: ['USD', 'EUR', 'GBP', 'CAD', 'JPY'],
  paysOnce: false,
  updates: false,
  parts: true,
  /** The platform can be asked about a payment whose answer was lost. */
  answersLater: true,
  steps: { seal: 'Sending your card to Global Payments…' },
  undo: {
    void: 'The payment is reversed as if it had never been made.',
    refund: 'The money goes back to the card. You can refund the rest later.',
    capture: 'The bank holds this amount. Capture it to be paid, or capture less if the order became smaller.',
  },
  unknown: 'The shop is asking Global Payments about this payment. The answer appears',

  /** For result codes when it declines while the card is verified, and for detailed error codes. */
  failures: {
    101: ['Your bank declined this card.', 'Please use another card.'],
    102: [
      'Your bank wants to speak with you first.',
      'Please call the number on the back of the card, or use another card.',
    ],
    103: ['Your bank has blocked this card.', 'Please call the number on its back.'],
    111: ['Your bank wants you to confirm this payment.', 'This shop’s page cannot ask you. Please use another card.'],
    40212: [
      'The shop’s account is not allowed to do this at the platform.',
      'The platform has to enable it first. Please tell the shop.',
    ],
    not_verified: ['Your bank did not confirm this card.', 'Please use another card.'],
    no_token_returned: [
      'The card is good, but the platform did not store it.',
      'The shop’s account may lack network tokens. Please tell the shop.',
    ],
  },

  /** Where the platform's own format wants the card in clear. Anywhere else a card number in clear is a mistake. */
  takesClearCard: (facts, url) =>
    typeof facts.base_url === 'string' && url === `${facts.base_url.replace(/\/+$/, '')}/payment-methods`,

  cards: {
    approved: [
      testCard('4263970000005262', 'Visa'),
      testCard('5425230000004415', 'Mastercard'),
      testCard('374101000000608', 'Amex', '1234'),
      testCard('36256000000725', 'Diners'),
      testCard('6011000000000087', 'Discover'),
      testCard('3566000000000000', 'JCB'),
      testCard('4622943123052970', 'Visa, network token', '999'),
      testCard('5186151950000055', 'MC, network token'),
    ],
    declined: [
      testCard('4000120000001154', 'Visa, declined (101)'),
      testCard('5114610000004778', 'Mastercard, declined (101)'),
      testCard('376525000000010', 'Amex, declined (101)', '1234'),
      testCard('4000130000001724', 'Call the bank (102)'),
      testCard('4000160000004147', 'Lost or stolen (103)'),
      testCard('4242420000000091', 'Strong authentication needed (111)'),
      testCard('4009830000001985', 'The platform fails (502)'),
    ],
  },
};
