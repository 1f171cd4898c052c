// The lists of the desk: payments whose outcome is not known, all payments, subscriptions, stored cards, and events.

import { isPage } from './away.js';
import { Board, rowHead, tokenHead } from './board.js';
import { brandName } from './brands.js';
import { ask, byId, make } from './dom.js';
import { exceeds, isZero, minus, parseAmount, showMoney } from './money.js';
import { platformOf } from './platforms.js';
import * as server from './server.js';
import { cardWords, moment } from './stored-card.js';
import { subscriptionsOf } from './subscriptions.js';
import { adviceFor, declineWords, eventWords, outcomesOf, stateWords } from './words.js';

/** How soon the lists are read again by themselves: while something is not known, and otherwise. */
const SOON_MS = 4000;
const LATER_MS = 15_000;

/** What nobody knows yet. */
const isOpen = ({ status }) => status === 'unknown' || status.endsWith('_unknown');
/** What can be done with a payment, by its status. */
const FOLLOW_UPS = { approved: ['void', 'refund'], authorized: ['capture', 'void'], partially_refunded: ['refund'] };
/** Some platforms have none of it, and some void only what is not captured yet. */
const followUpsOf = ({ platform, status }) => {
  const { undo = {}, voids = [status] } = platformOf(platform);
  return (FOLLOW_UPS[status] ?? []).filter((how) => how in undo && (how !== 'void' || voids.includes(status)));
};
const VERBS = { capture: 'Capture', void: 'Void', refund: 'Refund' };

/** `brandOf(token)` gives a brand where the platform names none. */
export function openDesk({ brandOf, several, onAction }) {
  /** The same key for the same wish. */
  const keys = new Map();
  const board = new Board({
    lists: {
      open: ({ payments }) => payments.filter(isOpen).map(openRow),
      payments: ({ payments }) => payments.map(paymentRow),
      subscriptions: (facts) => facts.subscriptions.map(subscriptions.row),
      tokens: ({ tokens }) => tokens.map(tokenRow),
      events: ({ events }) => events.map(eventRow),
    },
    read: async () => {
      const [payments, subscribed, tokens, events] = await Promise.all([
        server.payments(),
        server.subscriptions(),
        server.allTokens(),
        server.events(),
      ]);
      byId('open-section').hidden = !payments.some(isOpen);
      byId('subscriptions-section').hidden = subscribed.length === 0;
      return {
        payments,
        subscriptions: subscribed,
        tokens: tokens.filter(({ status }) => status !== 'deleted'),
        events,
      };
    },
    pause: ({ payments, subscriptions: subscribed, events }) =>
      payments.some(isOpen) || subscribed.some(isOpen) || events.some(({ state }) => state === 'pending')
        ? SOON_MS
        : LATER_MS,
    trouble: { box: 'desk-notice', words: 'The lists could not be read.' },
    several,
    onAction,
  });
  const subscriptions = subscriptionsOf(board, (id) => {
    const token = board.facts?.tokens.find((one) => one.id === id);
    return token ? cardWords(token, brandOf(token), platformOf(token.platform)).which : 'a card that was deleted';
  });

  // ------------------------------------------------------------------------------------------------ payments

  function head(payment) {
    const { words, tone } = stateWords(payment.status);
    const token = board.facts?.tokens.find(({ id }) => id === payment.token);
    const facts = [
      payment.last4 ? `${brandName(payment.brand ?? brandOf(token))} •••• ${payment.last4}` : null,
      moment(payment.created_at),
      payment.authorization ? `authorization ${payment.authorization}` : null,
    ];
    return rowHead({
      name: [showMoney(payment.amount, payment.currency), board.label(platformOf(payment.platform))],
      lines: [
        facts.filter(Boolean).join(', '),
        partsOf(payment),
        payment.order_reference ? make('p', { class: 'quiet small reference' }, payment.order_reference) : null,
      ],
      chip: [words, tone],
    });
  }

  /** Of a payment that is not known: what it waits for, and what to do. */
  function openRow(payment) {
    const money = showMoney(payment.amount, payment.currency);
    const platform = platformOf(payment.platform);
    const waits = payment.status === 'unknown' && isPage(payment.redirect?.url);
    const { now, next } = adviceFor(payment, platform, waits);
    return make(
      'li',
      { class: 'row', 'data-open': payment.id, 'data-status': payment.status },
      head(payment),
      make('p', { class: 'small' }, now),
      make('p', { class: 'small' }, make('strong', {}, 'What to do: '), next),
      make(
        'div',
        { class: 'row-buttons' },
        platform.answersLater
          ? board.button(`check-${payment.id}`, 'Check again', `about ${money}`, () => checkAgain(payment))
          : null,
        waits ? null : board.button(`settle-${payment.id}`, 'Settle by hand', money, () => settle(payment, platform)),
      ),
    );
  }

  function paymentRow(payment) {
    const money = showMoney(payment.amount, payment.currency);
    const followUps = followUpsOf(payment);
    return make(
      'li',
      { class: 'row', 'data-payment': payment.id, 'data-status': payment.status },
      head(payment),
      payment.decline
        ? make(
            'p',
            { class: 'small' },
            declineWords(payment.decline),
            payment.decline.code ? ` (code ${payment.decline.code})` : '',
          )
        : null,
      followUps.length > 0
        ? make(
            'div',
            { class: 'row-buttons' },
            ...followUps.map((how) =>
              board.button(`${how}-${payment.id}`, VERBS[how], money, () => follow(payment, how)),
            ),
          )
        : null,
    );
  }

  async function follow(payment, how) {
    const platform = platformOf(payment.platform);
    const inParts = platform.parts && how !== 'void';
    const { currency } = payment;
    const most =
      how === 'refund' ? minus(payment.captured ?? payment.amount, payment.refunded ?? '0', currency) : payment.amount;
    const money = showMoney(inParts ? most : payment.amount, currency);
    const words = {
      heading: inParts ? `${VERBS[how]} up to ${money}` : `${VERBS[how]} ${money}?`,
      text: platform.undo?.[how] ?? '',
      yes: `${VERBS[how]} it`,
      no: 'Leave it',
    };
    const read = (text) => {
      const amount = parseAmount(text, currency);
      if (amount === null) throw new Error(`Type an amount above zero, such as ${most}.`);
      if (exceeds(amount, most, currency)) throw new Error(`At most ${money}.`);
      return amount;
    };
    const answer = await ask(inParts ? { ...words, amount: { value: most, read } } : words);
    if (!answer) return;
    const details = inParts ? { amount: answer } : {};
    // One key for the same wish, so that pressing again after a lost answer does it once; another one after a word.
    const wish = JSON.stringify([payment.id, how, details, payment.refunded]);
    const key = keys.get(wish) ?? crypto.randomUUID();
    keys.set(wish, key);
    await board.act(
      { platform: payment.platform, box: 'payments-notice', heading: 'payments-heading' },
      async () => {
        const now = await server.follow(payment.id, how, details, key).catch(async (error) => {
          if (error.code !== 'field_missing' || error.field !== 'bin') throw error;
          const bin = await ask({
            heading: 'Which card was it?',
            yes: words.yes,
            no: 'Leave it',
            digits: 6,
            text: 'This card was not saved, so the shop knows only its last four digits. The platform also needs the first six.',
          });
          return bin && server.follow(payment.id, how, { bin }, crypto.randomUUID());
        });
        return now && `${money}: ${stateWords(now.status).words}.`;
      },
      (error) => {
        if (error.status > 0 && error.status < 500) keys.delete(wish);
      },
    );
  }

  /** The lists show what came of it. */
  async function checkAgain({ id, platform }) {
    await board.act({ platform, box: 'open-notice', heading: 'payments-heading' }, async () => {
      const { status } = await server.refresh(id);
      return isOpen({ status }) ? 'The platform does not say yet.' : stateWords(status).words;
    });
  }

  async function settle(payment, { name, id: platform, parts }) {
    const money = showMoney(payment.amount, payment.currency);
    const status = await ask({
      heading: `How did ${money} end?`,
      text: `Look at ${name}’s own records first, for order ${payment.order_reference}. Nothing is sent to the platform after this.`,
      choices: outcomesOf(payment.status, parts),
      yes: 'Settle it',
      no: 'Leave it',
    });
    if (!status) return;
    await board.act({ platform, box: 'open-notice', heading: 'payments-heading' }, async () => {
      const now = await server.resolve(payment.id, status);
      return `${money}: ${stateWords(now.status).words}.`;
    });
  }

  // ---------------------------------------------------------------------------------------------- stored cards

  function tokenRow(token) {
    const brand = brandOf(token);
    const platform = platformOf(token.platform);
    const { which } = cardWords(token, brand, platform);
    return make(
      'li',
      { class: 'row', 'data-token': token.id },
      tokenHead(board, token, brand, token.customer ? `Customer ${token.customer}` : 'No customer'),
      make(
        'div',
        { class: 'row-buttons' },
        platform.subscribes && token.status === 'active'
          ? board.button(`subscribe-${token.id}`, 'Subscribe', which, () => subscriptions.subscribe(token, which))
          : null,
        board.button(`remove-${token.id}`, 'Delete', which, () => remove(token, which, platform), {
          tone: 'small small-danger',
        }),
      ),
    );
  }

  async function remove(token, which, platform) {
    const { deleting = 'It is deleted at the payment platform too.' } = platform;
    const answer = await ask({ heading: 'Delete this card?', text: `${which}. ${deleting}`, yes: 'Delete it' });
    if (!answer) return;
    await board.act({ platform: token.platform, box: 'tokens-notice', heading: 'tokens-heading' }, async () => {
      await server.deleteToken(token.id);
      return `${which} was deleted.`;
    });
  }

  // ---------------------------------------------------------------------------------------------------- events

  function eventRow(event) {
    const { words, tone } = eventWords(event.state);
    const { amount, currency, last4 } = event.body?.data ?? {};
    const facts = [
      amount && currency ? showMoney(amount, currency) : last4 ? `•••• ${last4}` : null,
      moment(event.created_at),
      event.state !== 'delivered' && event.attempts > 0 ? `sent ${event.attempts} times` : null,
      event.problem,
    ];
    return make(
      'li',
      { class: 'row', 'data-event': event.id, 'data-state': event.state },
      rowHead({ name: [make('code', {}, event.type)], lines: [facts.filter(Boolean).join(', ')], chip: [words, tone] }),
      event.state === 'pending'
        ? null
        : make(
            'div',
            { class: 'row-buttons' },
            board.button(`replay-${event.id}`, 'Send again', event.type, () => sendAgain(event)),
          ),
    );
  }

  async function sendAgain({ id, type }) {
    await board.act({ box: 'events-notice', heading: 'events-heading' }, async () => {
      await server.replay(id);
      return `${type} is sent again.`;
    });
  }

  return board;
}

/** How much of a payment was taken and given back, where that is not simply all or nothing. */
function partsOf({ platform, amount, captured, refunded, currency, status }) {
  if (
    !platformOf(platform).parts ||
    captured === undefined ||
    captured === null ||
    ['unknown', 'declined', 'failed', 'voided'].includes(status)
  )
    return null;
  const parts = [`captured ${showMoney(captured, currency)} of ${showMoney(amount, currency)}`];
  if (refunded && !isZero(refunded)) parts.push(`refunded ${showMoney(refunded, currency)}`);
  return make('p', { class: 'small parts' }, parts.join(', '));
}
