// The state of the page, in one object, and what follows from it. Nothing here changes the page.

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
  /** The payment that is being made. */
  intent: null,
  /** The number of the order. Each try to pay has one of its own. */
  order: newOrder(),
  /** Whether the card's fields stand in a frame of another address. */
  isolated: false,
  /** The saved card that the form replaces, or null. */
  updating: null,
  /** The platform that was chosen before. */
  before: null,

  // The parts of the page. They exist once the module is loaded.
  card: null,
  frame: null,
  checkout: null,
  lists: null,
  panel: null,
  /** The brand of a saved card, or null. */
  brandOf: () => null,
};

/** Short enough to be read out, and of letters and digits that nobody mixes up. */
export function newOrder() {
  const letters = 'ABCDEFGHJKMNPQRSTVWXYZ23456789';
  const picked = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => letters[byte % letters.length]);
  return `CA-${picked.slice(0, 4).join('')}-${picked.slice(4).join('')}`;
}

export const payForm = byId('pay-form');
export const payButton = byId('pay');
export const notice = byId('notice');

/** How the card travels: `relay`, `direct`, `page` or `frame`. */
export const way = () => document.querySelector('input[name="way"]:checked').value;

/** Whether the card is typed into a page or a form of the platform. */
export const elsewhere = () => !state.updating && ['page', 'frame'].includes(way());

/** A card that is typed again to be charged cannot also be kept where this page does not have it. */
export const offersSaving = () =>
  way() !== 'page' && !(state.isolated && state.platform.cardAgain && way() !== 'frame');

/** Whether the shopper wants the card saved. */
export const keeps = () => offersSaving() && byId('save-card').checked;

/** Whether the card is stored to be charged. Where the platform charges nothing else, that is not the shopper's choice. */
export const stores = () => keeps() || (offersSaving() && (!state.platform.paysOnce || way() === 'frame'));

/**
 * The options of the session that the card form needs, to `store` or to `pay`, or by the choice on the page. Null while
 * it needs none: that of a payment fixes the amount, so most are opened when somebody pays.
 */
export function sessionOptions(purpose) {
  const { platform, updating, intent } = state;
  // A card that is replaced is typed here, also where payments are made at the platform.
  const mode = ['page', 'frame'].includes(way()) ? platform.ways[0] : way();
  if (elsewhere()) return null;
  if (updating) return { platform: platform.id, kind: 'update', mode, token: updating.id };
  if ((purpose ?? (stores() ? 'store' : 'pay')) === 'store')
    return { platform: platform.id, kind: 'tokenize', mode, customer: CUSTOMER };
  if (purpose === null && !platform.opensEarly) return null;
  const { amount, currency } = readMoney();
  if (amount === null) return null;
  const { token, capture: how = capture(platform) } = intent ?? {};
  return {
    platform: platform.id,
    kind: 'payment',
    mode,
    amount,
    currency,
    ...(how && { capture: how }),
    description: DESCRIPTION,
    orderReference: state.order,
    customer: CUSTOMER,
    ...(token && { token }),
  };
}

/** `later`, or undefined for a payment that is captured at once. Most platforms authorize only saved cards. */
export const capture = (platform) =>
  platform.parts && state.platform.parts && (stores() || state.platform.holdsOnce) && byId('capture-later').checked
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

/** What the Pay button of a saved card says, and whether it can be pressed. */
export function payWith(id) {
  const { amount, currency } = readMoney();
  const platform = platformOf(id);
  if (platform.cardAgain) return { words: 'Needs the card again', offered: false };
  if (!currenciesOf(platform).includes(currency)) return { words: `Not in ${currency}`, offered: false };
  const verb = capture(platform) === 'later' ? 'Authorize' : 'Pay';
  return { words: chargeWords(verb, amount, currency), offered: true };
}
