// What scripts/faults.mjs needs for each platform: how a merchant charges there, what the platform has recorded, and who
// settles a payment whose outcome is unknown.

export const EXPIRY = '12/2035';
/** From the documentation's block of addresses. */
export const CUSTOMER_IP = '192.0.2.7';
export const CUSTOMER = {
  firstName: 'Ana',
  lastName: 'Mora',
  email: 'ana@shop.example',
  postalCode: '85281',
  country: 'US',
};

/** A stored card that the merchant charges: `store` makes the request that hands it over to the server. */
export const stored = (store, more = {}) => ({
  async prepare(shop, platform) {
    const session = await shop.merchant('POST', '/v1/sessions', { platform, ...more });
    const { id } = await shop.send(await store(session));
    return async (order) => ({ body: { token: id, ...order, ...more } });
  },
});

export const cents = (text) => Math.round(Number(text) * 100);

/**
 * A platform, from the file in fault-platforms/ with its id:
 * - `route`: the sandbox's name of the call that charges;
 * - `also`: other calls of a charge that are spoiled, if there are any;
 * - `settings`: what the server needs besides the sandbox's settings, by its own address;
 * - `prepare`: gives a function that makes the request for one order, which is then repeated word for word;
 * - `before`: what has to happen before an order is charged, if anything: gives what the request has besides;
 * - `book`: what the platform has charged, as `{ reference, cents, authorization }`;
 * - `settles`: `server` asks the platform itself, `notification` waits for the platform's word and then for the
 *   merchant's, `merchant` waits for the merchant's alone;
 * - `subscriptions`: of a platform that has them, the names of the calls that make one and pay it.
 */
export const platformOf = async (id) => (await import(`./fault-platforms/${id}.mjs`)).platform;
