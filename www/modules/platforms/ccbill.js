// CCBill: the card goes from the page to the platform, as clear JSON over TLS, with who the customer is. What is kept is a
// payment token. Whether a bank wants to be asked first, the platform says.

import { ask } from '../dom.js';
import { showMoney } from '../money.js';
import { ServerError } from '../server.js';
import { testCard } from '../test-cards.js';

/** Where no stub is. */
const HOST = 'https://api.ccbill.com';

/**
 * 3-D Secure is run by CCBill's own script, which nobody else may serve and of which the inside is not known. The
 * simulation has a stub in its place, which resolves to what the person says here.
 */
async function authenticate(session) {
  if (session.base_url === HOST) throw new ServerError('threeds_missing');
  const confirmed = await ask({
    heading: 'Your bank asks you to confirm',
    text: `Do you want to pay ${showMoney(session.amount, session.currency)} at Cerro Alto Coffee? This question replaces your bank’s page and CCBill’s own script.`,
    yes: 'Confirm',
    no: 'Refuse',
    tone: 'good',
  });
  const response = await fetch(`${session.base_url}/_stub/authenticate-customer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${session.access_token}` },
    body: JSON.stringify({
      clientAccnum: session.client_accnum,
      clientSubacc: session.client_subacc_3ds ?? session.client_subacc,
      amount: session.amount,
      currencyCode: session.currency_code,
      outcome: confirmed ? 'Y' : 'N',
    }),
    signal: AbortSignal.timeout(60_000),
  }).catch(() => null);
  if (!response?.ok) throw new ServerError('threeds_failed');
  return response.json();
}

export const platform = {
  id: 'ccbill',
  name: 'CCBill',
  hint: 'The card goes from this page straight to CCBill, over TLS.',
  promise: 'Your card goes to CCBill only',
  promiseAtButton: 'Sent from this page to CCBill over TLS. The number never reaches the shop.',
  ways: ['direct'],
  anyCurrency: false,
  currencies: ['USD', 'EUR', 'GBP', 'CAD', 'AUD', 'JPY'],
  paysOnce: true,
  updates: false,
  parts: false,
  answersLater: false,
  steps: { seal: 'Sending your card to CCBill…' },
  unknown: 'CCBill cannot be asked about a single payment. The shop looks it up by hand, and the answer appears',
  saveHint: 'The shop keeps a token, never the number; not even its last digits.',
  deleting: 'The shop forgets it. CCBill cannot delete it, but nobody can use it there without the shop’s credentials.',

  failures: {
    100106: [
      'The shop’s account at CCBill is not set up for this.',
      'Please tell the shop; trying again will not help.',
    ],
    100107: [
      'CCBill does not accept calls from the shop’s address.',
      'Please tell the shop; trying again will not help.',
    ],
    100110: ['CCBill accepts no more payments from this shop for a while.', 'Please try again later.'],
    200000: ['CCBill does not accept what was typed.', 'Please check the card and your details.'],
    threeds_missing: [
      'Your bank needs to confirm this payment.',
      'CCBill’s own script does that, and this demo does not load it. Please choose another currency or save the card.',
    ],
    threeds_failed: ['Your bank could not be asked.', 'Please try again in a moment.'],
  },

  authenticate,

  /** Where the platform's own format wants the card in clear. Anywhere else a card number in clear is a mistake. */
  takesClearCard: (facts, url) =>
    typeof facts.base_url === 'string' &&
    /^\/payment-tokens\/merchant-only(-verify)?$/.test(url.replace(facts.base_url.replace(/\/+$/, ''), '')),
  /** What else the page asks the platform. */
  calls: [
    [/\/payment-tokens\/threeds-required$/, 'CCBill says whether your bank must confirm, from ten digits of the card'],
    [/\/_stub\/authenticate-customer$/, 'Your answer goes to the stub for CCBill’s own script'],
  ],

  cards: {
    // CCBill publishes no test cards; these are the examples of its documents.
    approved: [
      testCard('4473707989493598', 'Visa', '123', 'Ana Mora'),
      testCard('3530111333300000', 'JCB', '822', 'Ana Mora'),
    ],
    /** In the simulation the bank decides by the cents. */
    declined: [
      { amount: '24.31', label: 'Not enough money (31)' },
      { amount: '24.29', label: 'Expired card (29)' },
      { amount: '24.05', label: 'The bank says no (24)' },
      { amount: '24.22', label: 'The bank cannot be reached (22)' },
      { amount: '24.15', label: 'Still being processed (15)' },
      { amount: '1000.06', label: 'The account is not set up (100106)' },
    ],
  },
};
