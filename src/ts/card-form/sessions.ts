// The sessions of one form: one that the page gave, or one that is opened when it is needed.

import { session_expired } from '../codes.js';
import type { CardsealError } from '../error.js';
import { failure } from '../failure.js';
import type { ServerSession } from '../types.js';
import type { SessionReason } from './backend.js';

/** After a failure none is opened ahead for this long: not every key press is a try. */
const QUIET_MS = 20_000;

/** A session that ends within this time is not used any more. */
const MARGIN_MS = 5_000;

/** Codes, of the package, the server and the platforms, that mean: this session is of no use, another one is. */
const GONE = new Set<unknown>([
  'session_expired',
  'session_used',
  'session_not_found',
  'sealed_expired',
  'sealed_key_unknown',
  'invalid_session_token',
]);

export const isGone = ({ code, platformCode }: CardsealError): boolean => GONE.has(platformCode) || GONE.has(code);

/**
 * Online Payments answers every card that it cannot read with this code, also one for a session that it has let go. One
 * that was opened while the shopper typed may have been.
 */
export const mayBeGone = (session: ServerSession, { platformCode }: CardsealError): boolean =>
  session.platform === 'online_payments' && platformCode === '50001111';

export class Sessions {
  readonly #open: (why: SessionReason) => Promise<ServerSession>;
  #given: ServerSession | null = null;
  #current: Promise<ServerSession> | null = null;
  #why: SessionReason = 'first';
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(open: (why: SessionReason) => Promise<ServerSession>) {
    this.#open = open;
  }

  /** The page's own session. The same one again changes nothing. */
  set given(session: ServerSession | null) {
    if (JSON.stringify(session) === JSON.stringify(this.#given)) return;
    this.#given = session;
    this.#current = session ? Promise.resolve(session) : null;
    this.#why = 'first';
  }

  /** What a session is opened for has changed: one that was opened before is not used. The page's own stays. */
  forget(): void {
    if (this.#given) return;
    this.#current = null;
    this.#why = 'first';
  }

  /** Opens one ahead. A failure shows when the session is needed. */
  async warm(): Promise<ServerSession | null> {
    if (!this.#current && Date.now() - this.#failedAt < QUIET_MS) return null;
    try {
      return await this.get();
    } catch {
      return null;
    }
  }

  /** The session to use. */
  async get(): Promise<ServerSession> {
    this.#current ??= this.#opened();
    const session = await this.#current;
    // By this machine's clock only if the times were converted to it; the server knows about others.
    const ends = session.server_expires_at ? Date.parse(session.expires_at) : Number.NaN;
    if (!(ends - Date.now() < MARGIN_MS)) return session;
    this.drop();
    return this.get();
  }

  /** This one is not to be used again. */
  drop(): void {
    this.#current = null;
    this.#why = 'expired';
  }

  #opened(): Promise<ServerSession> {
    const opening = this.#open(this.#why);
    opening.catch(() => {
      this.#failedAt = Date.now();
      if (this.#current === opening) this.#current = null;
    });
    return opening;
  }
}

/** What is said when the page gave a session and no way to get another. */
export const noSession = (): CardsealError =>
  failure(session_expired, { message: 'the session is over; set another one, or openSession' });
