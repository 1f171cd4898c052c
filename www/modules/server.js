// The pages' own calls to the shop's server: lists, charges of stored cards, capture, void, refund, delete.
// Everything that carries a card goes through the package instead.

/** What the server said no to, or that it could not be asked. Carries a stable `code`, like the package's errors. */
export class ServerError extends Error {
  constructor(code, { status = 0, message = code, platformCode = null, field = null, requestId = null } = {}) {
    super(message);
    this.name = 'ServerError';
    this.code = code;
    this.status = status;
    this.platformCode = platformCode;
    this.field = field;
    this.requestId = requestId;
  }
}

const TIMEOUT_MS = 60_000; // above the server's own limit for a platform, so that the server's word comes first

/** Sends a request value and reads the JSON of the answer. */
export async function send({ method, url, headers = {}, body }) {
  let response;
  let text;
  try {
    response = await fetch(url, {
      method,
      headers,
      body,
      cache: 'no-store',
      credentials: 'same-origin',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (cause) {
    throw new ServerError(cause?.name === 'TimeoutError' ? 'request_timeout' : 'server_unreachable');
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ServerError('answer_malformed', { status: response.status });
  }
  if (!response.ok) {
    const code = typeof value?.code === 'string' ? value.code : 'internal';
    throw new ServerError(code, {
      status: response.status,
      message: typeof value?.detail === 'string' ? value.detail : code,
      platformCode: typeof value?.platform_code === 'string' ? value.platform_code : null,
      field: typeof value?.field === 'string' ? value.field : null,
      requestId: response.headers.get('x-request-id'),
    });
  }
  return value;
}

const JSON_HEADERS = { accept: 'application/json', 'content-type': 'application/json' };

const read = (url) => send({ method: 'GET', url, headers: { accept: 'application/json' } });
const post = (url, value, headers) =>
  send({ method: 'POST', url, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(value) });
const path = (id) => encodeURIComponent(id);

export const demo = () => read('/v1/demo');
export const tokens = async (customer) => (await read(`/v1/tokens?limit=50&customer=${path(customer)}`)).data;
/** Of all customers. */
export const allTokens = async () => (await read('/v1/tokens?limit=50')).data;
/** What came of a session. */
export const session = (id) => read(`/v1/sessions/${path(id)}`);
export const token = (id) => read(`/v1/tokens/${path(id)}`);
export const deleteToken = (id) =>
  send({ method: 'DELETE', url: `/v1/tokens/${path(id)}`, headers: { accept: 'application/json' } });
export const payments = async () => (await read('/v1/payments?limit=50')).data;
/** The first payment that was made with a stored card, of the latest ones; undefined if there is none. */
export const firstPaymentOf = async (id) => (await payments()).findLast((payment) => payment.token === id);
export const events = async () => (await read('/v1/events?limit=50')).data;
export const subscriptions = async () => (await read('/v1/subscriptions?limit=50')).data;
/** The same `key` again makes one. */
export const subscribe = (plan, key) => post('/v1/subscriptions', plan, { 'idempotency-key': key });
export const paySubscription = (id, key) =>
  post(`/v1/subscriptions/${path(id)}/payments`, {}, { 'idempotency-key': key });
export const cancelSubscription = (id) => post(`/v1/subscriptions/${path(id)}/cancel`, {});
/** Has an event sent again. */
export const replay = (id) => post(`/v1/events/${path(id)}/replay`, {});
export const payment = (id) => read(`/v1/payments/${path(id)}`);
/** Has the server ask the platform about a payment whose outcome is not known. */
export const refresh = (id) => post(`/v1/payments/${path(id)}/refresh`, {});
/** Settles a payment whose outcome is not known, from the platform's own records. */
export const resolve = (id, status) => post(`/v1/payments/${path(id)}/resolve`, { status });
/** `capture`, `void` or `refund`. The same `key` again does it once. */
export const follow = (id, how, details, key) =>
  post(`/v1/payments/${path(id)}/${how}`, details, { 'idempotency-key': key });

/** A charge of a stored card, as a value: the same value sent again with the same key charges once. */
export function chargeRequest({ token: id, amount, currency, description, order, customer, capture }, key) {
  return {
    method: 'POST',
    url: '/v1/payments',
    headers: { ...JSON_HEADERS, 'idempotency-key': key },
    body: JSON.stringify({ token: id, amount, currency, description, order_reference: order, customer, capture }),
  };
}
