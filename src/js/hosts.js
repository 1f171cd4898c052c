// Where the platforms are, and which hosts a session may name. A card goes to a published host of its platform, to the
// one that the page itself has named, or, from a page on this machine, to this machine: to nothing else.

import { CardsealError } from "./error.js";
import { LOOPBACK, baseUrl } from "./value.js";

export const GREENPAY = {
  __proto__: null,
  sandbox: "https://sandbox-checkout.greenpay.me",
  production: "https://checkout.greenpay.me",
};

export const GP_API = {
  __proto__: null,
  sandbox: "https://apis.sandbox.globalpay.com/ucp",
  production: "https://apis.globalpay.com/ucp",
  sandbox_eu: "https://apis.sandbox.eu.globalpay.com/ucp",
  production_eu: "https://apis.eu.globalpay.com/ucp",
};
/** Of the platform under another name, which the official libraries know; not an environment of ours. */
export const BOIPA = "https://apis.sandbox.boipagateway.com/ucp";

export const CCBILL = { __proto__: null, production: "https://api.ccbill.com" };

/** PAYONE's, and the same platform under Worldline's name. */
export const ONLINE_PAYMENTS = {
  __proto__: null,
  sandbox: ["https://payment.preprod.payone.com", "https://payment.preprod.direct.worldline-solutions.com"],
  production: ["https://payment.payone.com", "https://payment.direct.worldline-solutions.com"],
};

/** A page that came from this machine, or no page at all: only there does a session name this machine. */
const isLocal = () => !globalThis.location || LOOPBACK.test(globalThis.location.origin);

/** The base URL that a session names, if its host is one of these. */
export function sessionUrl(value, field, hosts, code) {
  const url = baseUrl(value, field, code);
  // As `fetch` reads it, whatever tricks are in its spelling.
  const { origin } = new URL(url);
  if (!hosts.some((host) => new URL(host).origin === origin) && !(LOOPBACK.test(origin) && isLocal())) {
    const message = `the session names ${origin}, which is not a host of the platform; ` +
      "if it is right, name it in the option environment";
    throw new CardsealError({ code: "session_host_refused", field, message });
  }
  return url;
}
