// The exceptions of this package.

import { CODES } from "./words.js";

/** The only kind of exception that this package throws. It never holds card data or a key. */
export class CardsealError extends Error {
  constructor(given) {
    // Copies, because a prototype may have members of these names.
    const { code, message = CODES[code], cause, ...rest } = { __proto__: null, ...given };
    const details = { __proto__: null, ...rest };
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CardsealError";
    this.code = code;
    const { status, retryAfter } = details;
    this.retryable =
      ["network_failed", "request_timeout", "platform_unavailable", "load_failed"].includes(code) ||
      (code === "server_rejected" && (status === 429 || status >= 500)) ||
      // Without a time to wait for, it is the session that has had its cards.
      (code === "too_many_attempts" && retryAfter > 0);
    for (const [name, value] of Object.entries(details)) {
      if (value !== undefined) this[name] = value;
    }
  }
}

/** An error of one of our tables; `field` is the input field or option at fault. */
export const failure = (code, field, details) => new CardsealError({ code, field, ...details });
