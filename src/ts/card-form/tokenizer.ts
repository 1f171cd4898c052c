// Turns a card into a stored token or the outcome of a payment, on any platform: the rows say how. Used by the page and by
// the frame. Nothing here touches the document.

import { option_invalid, session_malformed, session_wrong_platform } from '../codes.js';
import { failure } from '../failure.js';
import { ROWS } from '../rows.js';
import type {
  Authentication,
  CardInput,
  CcBillCustomer,
  CustomerProblem,
  DirectToken,
  PaymentOutcome,
  Platform,
  SendOptions,
  ServerSession,
  StoredToken,
} from '../types.js';
import type { AuthenticationAsk } from './backend.js';
import {
  type BrandChoice,
  type Client,
  type Extras,
  type Needs,
  type PayExtras,
  type Row,
  send,
  type Where,
} from './row.js';

/** A platform with its code loaded. */
export interface Tokenizer {
  readonly platform: Platform;
  readonly needs: Needs;
  /** Finds what is wrong with the customer's details. */
  checkCustomer(customer: Partial<CcBillCustomer>): CustomerProblem[];
  /** Fetches what a call will need, so that the shopper does not wait for it. */
  prepare(session: ServerSession, how: Where): Promise<void>;
  /** The brands between which the shopper can choose. Empty: there is one, or the platform takes no choice. */
  choices(session: ServerSession, number: string, how: Where): Promise<BrandChoice[]>;
  /** Stores the card, or replaces one in a session of kind `update`. */
  tokenize(session: ServerSession, card: CardInput, extras: Extras & Where): Promise<StoredToken>;
  pay(session: ServerSession, card: CardInput, extras: PayExtras & Where): Promise<PaymentOutcome>;
  /** Asks about an authentication. */
  authentication(ask: AuthenticationAsk, how: Where & SendOptions): Promise<Authentication>;
  /** Whether a card that goes straight to the platform is charged there, and not by the server. */
  readonly charges: boolean;
  /** Forgets what was fetched. */
  free(): void;
}

// The rows differ in their types, which only each row itself can know.
const PLATFORMS = ROWS as unknown as Record<Platform, Row<Platform, unknown, Client>>;

export const isPlatform = (name: unknown): name is Platform =>
  typeof name === 'string' && Object.hasOwn(PLATFORMS, name);

/** What the platform needs, before its code has loaded. */
export const needsOf = (platform: Platform): Needs => PLATFORMS[platform].needs;

const notOffered = (platform: Platform, what: string): never => {
  throw failure(option_invalid, { field: 'kind', platform, message: `${platform} ${what}` });
};

/** Loads the platform's code. After a failure, the next call tries again. */
export async function loadTokenizer(platform: Platform): Promise<Tokenizer> {
  if (!isPlatform(platform)) {
    throw failure(option_invalid, { field: 'platform', message: `there is no platform ${String(platform)}` });
  }
  const row = PLATFORMS[platform];
  const module = await row.load();
  await module.load();
  let kept: { session: ServerSession; server: string; client: Client } | undefined;
  /** One client for a session: some keep what the platform answered about it. */
  const clientOf = (session: ServerSession, where: Where): Client => {
    if (session.platform !== platform) {
      throw failure(isPlatform(session.platform) ? session_wrong_platform : session_malformed, { field: 'session' });
    }
    if (kept?.session === session && kept.server === where.server && !where.fetch) return kept.client;
    const client = row.client(module, session, where);
    if (where.fetch) return client;
    kept?.client.free();
    kept = { session, server: where.server, client };
    return client;
  };
  return {
    platform,
    needs: row.needs,
    charges: row.charges === true,
    checkCustomer: (customer) => row.checkCustomer?.(module, customer) ?? [],
    async prepare(session, where) {
      if (session.platform === platform && session.mode === 'relay') {
        await row.prepare?.(clientOf(session, where), session);
      }
    },
    async choices(session, number, where) {
      const found = await row.choices?.(clientOf(session, where), session, number);
      return found && found.length > 1 ? found : [];
    },
    async tokenize(session, card, extras) {
      const client = clientOf(session, extras);
      const isUpdate = session.kind === 'update';
      const work = isUpdate ? row.update : row.tokenize;
      if (!work) return notOffered(platform, 'does not replace stored cards');
      const token = await work(client, session, card, extras);
      if (session.mode !== 'direct') return token as StoredToken;
      if (!row.confirmToken) return notOffered(platform, 'takes cards in direct mode only by its own form');
      return row.confirmToken(client, session, token as DirectToken, send(extras));
    },
    async pay(session, card, extras) {
      if (!row.pay) return notOffered(platform, 'charges only stored cards');
      return row.pay(clientOf(session, extras), session, card, extras);
    },
    async authentication(ask, how) {
      if (!row.authentication) return notOffered(platform, 'has no authentications');
      return row.authentication(module, ask, how);
    },
    free() {
      kept?.client.free();
      kept = undefined;
    },
  };
}
