import type { CustomerProblem, ErrorCode, Platform, Problem } from './types.js';

/** The details of an error. */
export interface CardsealErrorFacts {
  /** The input field or option at fault. */
  readonly field?: string | undefined;
  readonly platform?: Platform | undefined;
  /** HTTP status, or the status inside the platform's answer. */
  readonly status?: number | undefined;
  /** With `card_invalid`: everything that stops the card. */
  readonly problems?: Problem[] | undefined;
  /** With `customer_invalid`: everything that is wrong with the customer's details. */
  readonly customerProblems?: CustomerProblem[] | undefined;
  /** The platform's (or, with `server_rejected`, the server's) own code. */
  readonly platformCode?: string | undefined;
  /** The platform's own message. Runs of digits that could be a card number are masked. */
  readonly platformMessage?: string | undefined;
  /** With `too_many_attempts`: how many seconds to wait before you try again. If it is missing, open a new session. */
  readonly retryAfter?: number | undefined;
  /** True if the card may have been charged although the call failed: ask your server before anybody pays again. */
  readonly outcomeUnknown?: true | undefined;
}

/** The arguments of {@link CardsealError}. */
export interface CardsealErrorDetails extends CardsealErrorFacts {
  code: ErrorCode;
  message: string;
  cause?: unknown;
}

/** The only kind of exception that this package throws. It never contains card data or a key. */
export class CardsealError extends Error implements CardsealErrorFacts {
  constructor(details: CardsealErrorDetails);
  readonly name: 'CardsealError';
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without a change. Always false after a payment whose answer was lost. */
  readonly retryable: boolean;
  readonly field?: string | undefined;
  readonly platform?: Platform | undefined;
  readonly status?: number | undefined;
  readonly problems?: Problem[] | undefined;
  readonly customerProblems?: CustomerProblem[] | undefined;
  readonly platformCode?: string | undefined;
  readonly platformMessage?: string | undefined;
  readonly retryAfter?: number | undefined;
  readonly outcomeUnknown?: true | undefined;
}
