// Subscriptions in scripts/faults.mjs: the merchant makes one with each stored card's charge and pays it at once, and the
// platform charges all of them as two months pass. At the end, what the platform has taken is compared with the payments.

import { cents } from './fault-platforms.mjs';

/** How the platform numbers the payments of a subscription. */
const NUMBERED = /^[0-9a-f]{32}_\d+$/;
/** How long the merchant asks about a subscription of which nobody knows whether there is one. */
const TRIES = 5;
const PAUSE_MS = 1000;
/** A payment by hand is the one of the first month: so each is due once at least. */
const TWO_MONTHS_S = 63 * 86_400;
/** Each question is several calls to the platform, which no fault spoils but a busy machine may delay. */
const AT_ONCE = 6;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Whether a transaction of the platform's book is one of a subscription's payments. */
export const isNumbered = ({ order_reference: reference }) => NUMBERED.test(reference);

/** Makes a subscription and pays it now, each once, whatever becomes of the answers. */
export async function subscribe(shop, token, money, number) {
  const key = { 'idempotency-key': `subscription-${number}` };
  let made = await shop.merchant('POST', '/v1/subscriptions', { token, ...money }, key);
  for (let tries = 0; made.status === 'unknown' && tries < TRIES; tries += 1) {
    await pause(PAUSE_MS);
    made = (await shop.refreshed(`/v1/subscriptions/${made.id}`)) ?? made;
  }
  // One that did not arrive is looked for by the server for a quarter of an hour.
  if (made.status === 'active') await shop.merchant('POST', `/v1/subscriptions/${made.id}/payments`, {}, key);
}

/** Two months pass at the platform, which charges what is due and tells the server. */
export async function twoMonths(request, control, platform) {
  await request('POST', `${control}/clock`, { advance_seconds: TWO_MONTHS_S });
  return (await request('POST', `${control}/${platform}/charge_subscriptions`, {})).charged;
}

/** Has the server read the platform's lists: a webhook may have met a server that was away. */
export async function refreshAll(shop, pool) {
  const all = await shop.pages('/v1/subscriptions');
  await pool(AT_ONCE, all.length, async (index) => {
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (await shop.refreshed(`/v1/subscriptions/${all[index].id}`)) return;
      await pause(PAUSE_MS);
    }
  });
  return shop.pages('/v1/subscriptions');
}

/** What only one of the two knows, or both know otherwise. */
export function compare({ subscriptions: there, transactions }, here, payments, say) {
  const counts = { subscriptions: here.length, subscription_payments: 0, missing: 0, doubled: 0, disagreeing: 0 };
  const known = new Map(here.map((one) => [one.platform_id, one]));
  const users = new Set();
  for (const { id, user, status } of there) {
    if (users.has(user)) counts.doubled += 1;
    users.add(user);
    const own = known.get(id);
    known.delete(id);
    if (own?.id === user && own.status === status.toLowerCase()) continue;
    counts[own ? 'disagreeing' : 'missing'] += 1;
    say(`subscription ${id}: the platform has ${status}, the server ${JSON.stringify(own)}`);
  }
  known.delete(null);
  counts.disagreeing += known.size;
  const paid = new Map();
  for (const payment of payments.filter(({ subscription, status }) => subscription && status === 'approved')) {
    if (paid.has(payment.authorization)) counts.doubled += 1;
    paid.set(payment.authorization, payment);
  }
  for (const one of transactions.filter((one) => isNumbered(one) && one.state === 'approved')) {
    counts.subscription_payments += 1;
    const payment = paid.get(one.authorization);
    paid.delete(one.authorization);
    if (payment && cents(payment.amount) === cents(one.amount) && payment.captured === payment.amount) continue;
    counts[payment ? 'disagreeing' : 'missing'] += 1;
    say(`${one.order_reference}: the platform has ${one.amount}, the server ${JSON.stringify(payment)}`);
  }
  counts.doubled += paid.size;
  return counts;
}
