// Opens sessions at the merchant's server. This needs neither a card nor the module.

import { option_invalid, type_invalid } from './codes.js';
import { failure } from './failure.js';
import { isText, members, onlyKnown, SENDING } from './read.js';
import { type Answer, malformed, type SendHow, send } from './send.js';
import type { CardsealRequest, OpenSessionOptions, Platform, ServerSession } from './types.js';

/** Options that have the same name on the server. */
const SAME = [
  'platform',
  'kind',
  'mode',
  'customer',
  'token',
  'amount',
  'currency',
  'capture',
  'description',
  'locale',
] as const;

/** A URL, a path of the page's own origin, or an empty string. */
const SERVER = /^(https?:\/\/[^/]|\/(?!\/)|$)/i;

/** The request that opens a session at the Cardseal server. */
export function openSessionRequest(options?: OpenSessionOptions): CardsealRequest {
  const {
    server = '',
    orderReference,
    ...session
  } = onlyKnown(options, (given) => members(given, 'server', 'orderReference', ...SAME), ...SENDING, 'fetch');
  if (!isText(server)) throw failure(type_invalid, { field: 'server' });
  if (!SERVER.test(server)) {
    throw failure(option_invalid, {
      field: 'server',
      message: "server must be an address such as https://shop.example/pay, or empty for the page's own origin",
    });
  }
  return {
    method: 'POST',
    url: `${server.replace(/\/+$/, '')}/v1/sessions`,
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify({ ...session, order_reference: orderReference }),
  };
}

/** Opens a session at the Cardseal server. Its times are converted to this machine's clock. */
export async function openSession<Which extends Platform = Platform>(
  options?: OpenSessionOptions<Which>,
): Promise<Extract<ServerSession, { platform: Which }>> {
  const how = members(options, 'signal', 'timeoutMs', 'fetch') as SendHow;
  const session = readOpened(await send(openSessionRequest(options), { ...how, own: true }));
  return session as Extract<ServerSession, { platform: Which }>;
}

/**
 * Reads a session that was opened elsewhere, by its id, while it is open.
 *
 * @internal
 */
export async function readSession(
  id: string,
  { server, ...how }: SendHow & { server: string },
): Promise<ServerSession> {
  const request: CardsealRequest = {
    method: 'POST',
    url: `${server.replace(/\/+$/, '')}/v1/sessions/${encodeURIComponent(id)}/page`,
    headers: { accept: 'application/json' },
    body: '',
  };
  return readOpened(await send(request, { ...how, own: true }));
}

/** Converts the times to this machine's clock, which may be hours off. `server_expires_at` stays as it is. */
function readOpened({ body, status }: Answer): ServerSession {
  const now = Date.now();
  const { id, expires_at, expires_in } = members(body, 'id', 'expires_at', 'expires_in');
  const seconds = typeof expires_in === 'number' ? expires_in : 0;
  if (!isText(id) || !(seconds > 0 && seconds < 1e9)) throw malformed(status);
  return {
    ...(body as ServerSession),
    server_expires_at: expires_at as string,
    created_at: new Date(now).toISOString(),
    expires_at: new Date(now + 1000 * seconds).toISOString(),
  };
}
