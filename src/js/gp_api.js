// Global Payments GP API.

import { PlatformClient } from "./platform.js";

export class GpApi extends PlatformClient {
  constructor(options) {
    super("gp_api", options);
  }

  tokenizeRequest(session, card, options = {}) {
    return this.request("tokenizeRequest", session, card, options);
  }

  async tokenize(session, card, options = {}) {
    return this.token(session, this.tokenizeRequest(session, card, options), options);
  }
}
