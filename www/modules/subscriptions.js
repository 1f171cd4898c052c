// Subscriptions at the desk: stored cards that the platform charges by itself, and what the merchant can do about one.

import { rowHead } from './board.js';
import { ask, make } from './dom.js';
import { parseAmount, showMoney } from './money.js';
import { platformOf } from './platforms.js';
import * as server from './server.js';
import { currenciesOf } from './state.js';
import { stateWords, subscriptionWords } from './words.js';

const NOTICE = { box: 'subscriptions-notice', heading: 'subscriptions-heading' };
/** What is at the platform and not over. */
const LIVE = ['pending', 'active', 'not_paid', 'on_hold'];
/** What the dialog offers first. */
const USUAL = '12.50';

/** `cardOf(token)` says which card it is. */
export function subscriptionsOf(board, cardOf) {
  /** The same key for the same wish, until the server has said no to it. */
  const keys = new Map();
  const keyOf = (wish) => {
    const key = keys.get(wish) ?? crypto.randomUUID();
    keys.set(wish, key);
    return key;
  };
  const answered = (wish) => (error) => {
    if (error.status > 0 && error.status < 500) keys.delete(wish);
  };

  function row(subscription) {
    const { words, tone } = subscriptionWords(subscription.status);
    const money = showMoney(subscription.amount, subscription.currency);
    const often = subscription.months === 1 ? 'every month' : `every ${subscription.months} months`;
    const facts = [
      cardOf(subscription.token),
      subscription.customer ? `customer ${subscription.customer}` : null,
      subscription.next_payment ? `next payment on ${subscription.next_payment}` : null,
    ];
    return make(
      'li',
      { class: 'row', 'data-subscription': subscription.id, 'data-status': subscription.status },
      rowHead({
        name: [`${money} ${often}`, board.label(platformOf(subscription.platform))],
        lines: [facts.filter(Boolean).join(', ')],
        chip: [words, tone],
      }),
      LIVE.includes(subscription.status)
        ? make(
            'div',
            { class: 'row-buttons' },
            board.button(`pay-now-${subscription.id}`, 'Pay now', money, () => pay(subscription, money)),
            board.button(
              `cancel-${subscription.id}`,
              'Cancel',
              `${money} ${often}`,
              () => cancel(subscription, money),
              {
                tone: 'small small-danger',
              },
            ),
          )
        : null,
    );
  }

  /** Asks for what a stored card is to be charged every month, and has the platform do it. */
  async function subscribe(token, which) {
    const [currency] = currenciesOf(platformOf(token.platform));
    const read = (text) => {
      const amount = parseAmount(text, currency);
      if (amount === null) throw new Error(`Type an amount above zero, such as ${USUAL}.`);
      return amount;
    };
    const amount = await ask({
      heading: `Charge this card every month, in ${currency}`,
      text: `${which}. The payment platform does it by itself, the first time in a month.`,
      amount: { value: USUAL, read },
      yes: 'Subscribe',
      no: 'Leave it',
      tone: 'good',
    });
    if (!amount) return;
    const wish = JSON.stringify([token.id, amount, board.facts?.subscriptions.length]);
    await board.act(
      { platform: token.platform, box: 'tokens-notice', heading: 'tokens-heading' },
      async () => {
        const made = await server.subscribe({ token: token.id, amount, currency }, keyOf(wish));
        return `${showMoney(amount, currency)} every month: ${subscriptionWords(made.status).words}.`;
      },
      answered(wish),
    );
  }

  async function pay(subscription, money) {
    const { id, platform } = subscription;
    const answer = await ask({
      heading: `Charge ${money} now?`,
      text: 'The payment platform counts it as the payment that is due next.',
      yes: 'Pay now',
      no: 'Leave it',
    });
    if (!answer) return;
    // Another payment is another wish as soon as there is one more.
    const made = board.facts?.payments.filter(({ subscription: of }) => of === id).length;
    const wish = JSON.stringify([id, made]);
    await board.act(
      { platform, ...NOTICE },
      async () => {
        const payment = await server.paySubscription(id, keyOf(wish));
        return `${money}: ${stateWords(payment.status).words}.`;
      },
      answered(wish),
    );
  }

  async function cancel({ id, platform }, money) {
    const answer = await ask({
      heading: 'Cancel this subscription?',
      text: `${money} will not be charged again. This cannot be undone.`,
      yes: 'Cancel it',
      no: 'Keep it',
    });
    if (!answer) return;
    await board.act({ platform, ...NOTICE }, async () => {
      const { status } = await server.cancelSubscription(id);
      return `${money}: ${subscriptionWords(status).words}.`;
    });
  }

  return { row, subscribe };
}
