// GreenPay, generation 1.

import { fields } from "./core.js";
import { PlatformClient, keyed } from "./platform.js";

export class GreenPay extends PlatformClient {
  constructor(options) {
    super("greenpay", options);
  }

  get warnings() {
    const { bits, isShort } = this.facts;
    const message = `the RSA key has ${bits} bits; 2048 are recommended`;
    return isShort ? [{ code: "key_below_2048_bits", bits, message }] : [];
  }

  pack(input, options = {}) {
    const { card, token, tokenize, kountSession } = input ?? {};
    return this.call("pack", { card: fields(card), token, tokenize, kountSession }, options);
  }

  tokenizeRequest(session, card, options = {}) {
    return this.request("tokenizeRequest", session, card, options);
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, this.tokenizeRequest(session, card, options), options);
  }

  updateTokenRequest(session, card, options = {}) {
    return this.request("updateTokenRequest", session, card, options);
  }

  async updateToken(session, card, options = {}) {
    return this.token(session, this.updateTokenRequest(session, card, options), options);
  }

  payRequest(session, card, options = {}) {
    return this.request("payRequest", session, card, options);
  }

  async pay(session, card, options = {}) {
    return this.payment(session, this.payRequest(session, card, options), options);
  }

  confirmPaymentRequest(session, outcome, options = {}) {
    return keyed(this.handOver("/v1/payments", session, outcome), options);
  }

  async confirmPayment(session, outcome, options = {}) {
    return this.confirmedPayment(this.confirmPaymentRequest(session, outcome, options), options);
  }
}
