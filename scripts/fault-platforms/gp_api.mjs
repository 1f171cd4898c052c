import { GpApi } from '../../pkg/node.js';
import { CUSTOMER_IP, EXPIRY, stored } from '../fault-platforms.mjs';

/** What a browser tells of itself before the bank decides. */
const BROWSER = {
  language: 'en-US',
  color_depth: 24,
  screen_width: 1920,
  screen_height: 1080,
  timezone_offset: '0',
  method: 'completed',
  accept_header: 'text/html',
  user_agent: 'Mozilla/5.0',
  customer_ip: CUSTOMER_IP,
};
const TRIES = 8;
/** The orders whose customers were authenticated first. */
const authenticated = new Set();

/** No money moves before the charge: whoever gets no answer asks again, and the same authentication goes on. */
async function answered(ask) {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!/^platform_(timeout|unavailable)$/.test(error.problem?.code) || tries === TRIES) throw error;
    }
  }
}

const card = stored(async (session) => {
  const client = new GpApi({ environment: { base: session.base_url } });
  const card = { number: '4263970000005262', expiry: EXPIRY, cvc: '123' };
  return client.confirmTokenRequest(session, await client.tokenize(session, card));
});

/** How many orders there were. Every second is of a customer who was authenticated. */
let orders = 0;

export const platform = {
  route: 'transactions',
  also: ['authentications', 'authentications/initiate', 'authentications/result'],
  settles: 'server',
  settings: (base) => ({ public_url: base }),
  ...card,
  async before(shop, { order_reference: order, token, amount, currency }) {
    orders += 1;
    if (orders % 2) return {};
    const key = { 'idempotency-key': order };
    const ask = { token, amount, currency };
    const begun = await answered(() => shop.merchant('POST', '/v1/authentications', ask, key));
    await answered(() => shop.merchant('POST', `/v1/authentications/${begun.id}/initiate`, BROWSER));
    authenticated.add(order);
    return { authentication: begun.id };
  },
  book({ transactions }) {
    const used = new Set();
    // A sale that lost its authentication on the way, or has another one's, agrees with no order.
    const own = ({ reference, authentication }) => {
      const good = authenticated.has(reference) ? authentication && !used.has(authentication) : !authentication;
      used.add(authentication);
      return good;
    };
    return transactions
      .filter(({ status }) => status === 'CAPTURED')
      .map((one) => ({ reference: one.reference, cents: own(one) ? Number(one.captured) : Number.NaN }));
  },
};
