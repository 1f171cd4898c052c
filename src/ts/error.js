// The exceptions of this package. In JavaScript, because wasm-bindgen accepts only that for a class that Rust throws.

/**
 * The only kind of exception that this package throws. It never holds card data or a key.
 *
 * @extends {Error}
 */
export class CardsealError extends Error {
  /** @param {import("./error.js").CardsealErrorDetails} given */
  constructor(given) {
    // A copy without a prototype, because a prototype could have members with these names.
    const { code, message, cause, ...details } = { __proto__: null, ...given };
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CardsealError';
    this.code = code;
    const { status, retryAfter, platformCode } = { __proto__: null, ...details };
    this.retryable =
      ['network_failed', 'request_timeout', 'platform_unavailable', 'module_failed', 'load_failed'].includes(code) ||
      // A wrong setup does not change until somebody corrects it.
      (code === 'server_rejected' && platformCode !== 'platform_setup' && (status === 429 || status >= 500)) ||
      // Without a time to wait, the session itself has no attempts left.
      (code === 'too_many_attempts' && retryAfter > 0);
    for (const [name, value] of Object.entries(details)) {
      if (value !== undefined) this[name] = value;
    }
  }
}
