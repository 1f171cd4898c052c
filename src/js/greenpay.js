// GreenPay, generation 1.

import { PlatformClient } from "./platform.js";

export class GreenPay extends PlatformClient {
  constructor(options) {
    super("greenpay", (wasm, rest) => new wasm.GreenPayCore(rest), options);
  }

  get warnings() {
    const { bits, isShort } = this.core((core) => ({ bits: core.bits, isShort: core.isShort }));
    const message = `the RSA key has ${bits} bits; 2048 are recommended`;
    return isShort ? [{ code: "key_below_2048_bits", bits, message }] : [];
  }

  pack(input, options = {}) {
    return this.core((core, now) => core.pack(input, options, now));
  }

  tokenizeRequest(session, card, options = {}) {
    return this.core((core, now) => core.tokenizeRequest(session, card, options, now));
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, this.tokenizeRequest(session, card, options), options);
  }

  updateTokenRequest(session, card, options = {}) {
    return this.core((core, now) => core.updateTokenRequest(session, card, options, now));
  }

  async updateToken(session, card, options = {}) {
    return this.token(session, this.updateTokenRequest(session, card, options), options);
  }

  payRequest(session, card, options = {}) {
    return this.core((core, now) => core.payRequest(session, card, options, now));
  }

  async pay(session, card, options = {}) {
    return this.payment(session, this.payRequest(session, card, options), options);
  }

  confirmPaymentRequest(session, outcome, { idempotencyKey } = {}) {
    const request = this.handOver("/v1/payments", session, outcome);
    if (idempotencyKey !== undefined) request.headers["idempotency-key"] = idempotencyKey;
    return request;
  }

  async confirmPayment(session, outcome, options = {}) {
    return this.confirmedPayment(this.confirmPaymentRequest(session, outcome, options), options);
  }
}
