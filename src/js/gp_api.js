// Global Payments GP API.

import { PlatformClient } from "./platform.js";

export class GpApi extends PlatformClient {
  constructor(options) {
    super("gp_api", (wasm, rest) => new wasm.GpApiCore(rest), options);
  }

  tokenizeRequest(session, card, options = {}) {
    return this.core((core, now) => core.tokenizeRequest(session, card, options, now));
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, this.tokenizeRequest(session, card, options), options);
  }
}
