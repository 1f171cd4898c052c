// The state of the checkout page, in one object, and what follows from it. Nothing here changes the page.

import { byId } from './dom.js';
import { parseAmount, showMoney } from './money.js';
import { platformOf } from './platforms.js';

export const CUSTOMER = 'demo-shopper';
export const DESCRIPTION = 'House blend coffee';

export const state = {
  /** What `GET /v1/demo` returned. */
  demo: {},
  /** The platforms that the server offers, and the chosen one. */
  platforms: [],
  platform: null,
  /** The way chosen by hand. It is used again as soon as the chosen platform offers it. */
  preferredWay: 'relay',
  /** Whether a payment is in progress. */
  busy: false,
  /** The payment that the form will make. It lives until it has an outcome or its details change. */
  intent: null,
  /** The token of the card in the form, if it was saved before its charge failed. A second try does not save it again. */
  savedToken: null,
  /** The saved card that the form replaces, or null. */
  updating: null,

  // The parts of the page. They exist once the module is loaded.
  form: null,
  person: null,
  frame: null,
  checkout: null,
  lists: null,
  panel: null,
  /** The brand of a saved card, or null. */
  brandOf: () => null,
};

export const payForm = byId('pay-form');
export const payButton = byId('pay');
export const notice = byId('notice');

/** The next payment is another one, and its card has not been saved. */
export function newPayment() {
  state.intent = null;
  state.savedToken = null;
}

/** How the card travels: `relay`, `direct`, `page` or `frame`. */
export const way = () => document.querySelector('input[name="way"]:checked').value;

/** Whether the card is typed into a page or a form of the platform. */
export const elsewhere = () => !state.updating && ['page', 'frame'].includes(way());

export const saves = () =>
  way() !== 'page' && (!state.platform.paysOnce || way() === 'frame' || byId('save-card').checked);

/** The kind of the session that the form needs. */
export const kind = () => {
  if (state.updating) return 'update';
  return saves() ? 'tokenize' : 'payment';
};

/** The options of a session that stores the card in the form. */
export const storeOptions = () => ({
  platform: state.platform.id,
  ...(state.updating
    ? { kind: 'update', mode: way(), token: state.updating.id }
    : { kind: 'tokenize', mode: way(), customer: CUSTOMER }),
});

/** `later`, or undefined for a payment that is captured at once. Most platforms authorize only saved cards. */
export const capture = (platform) =>
  platform.parts && state.platform.parts && (saves() || state.platform.holdsOnce) && byId('capture-later').checked
    ? 'later'
    : undefined;

/** The typed amount, or null if it is not valid, with its currency. */
export function readMoney() {
  const currency = byId('currency').value;
  return { amount: parseAmount(byId('amount').value, currency), currency };
}

export const chargeWords = (verb, amount, currency) => (amount ? `${verb} ${showMoney(amount, currency)}` : verb);

/** Asks the platforms in turn: the first answer that is not empty, or null. */
export function firstOf(ask) {
  for (const platform of state.platforms) {
    const answer = ask(platform);
    if (answer) return answer;
  }
  return null;
}

/** The public settings of a platform. */
export const settingsOf = ({ id }) => state.demo.platforms?.[id] ?? {};

/** The currencies of the shop's account, if the server knows them, or else those that the platform may accept. */
export function currenciesOf(platform) {
  const { currencies } = settingsOf(platform);
  const known = Array.isArray(currencies) ? currencies : [];
  const list =
    known.length === 0 || platform.anyCurrency ? [...new Set([...known, ...(platform.currencies ?? [])])] : known;
  // The first one is preselected.
  return list.includes('USD') ? ['USD', ...list.filter((code) => code !== 'USD')] : list;
}

/** The name of the platform whose own format has the card in clear text at this address, or null. */
export const takesClearCard = (url) =>
  state.platforms.find((platform) => platform.takesClearCard?.(settingsOf(platform), url))?.name ?? null;

/** What a call to a platform does, in words, or null. */
export const callOf = (url) =>
  firstOf((platform) => platform.calls?.find(([pattern]) => pattern.test(url.pathname))?.[1]);

/** What the Charge button of a saved card would do. */
export function chargeOn(id) {
  const { amount, currency } = readMoney();
  const platform = platformOf(id);
  if (platform.cardAgain) return { charge: 'Needs the card again', offered: false };
  if (!currenciesOf(platform).includes(currency)) return { charge: `Not in ${currency}`, offered: false };
  const verb = capture(platform) === 'later' ? 'Authorize' : 'Charge';
  return { charge: chargeWords(verb, amount, currency), offered: true };
}
