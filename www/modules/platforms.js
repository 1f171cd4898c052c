// The platforms that this page knows. Each describes itself in a file of its own; the rest of the page asks these
// descriptions and names no platform.

import { greenpay } from './platforms/greenpay.js';
import { gpApi } from './platforms/gp-api.js';

const KNOWN = [greenpay, gpApi];

/** Those of the known platforms that the shop's server offers, in our order. Old facts name none. */
export function offered(facts) {
  const ids = Object.keys(facts?.platforms ?? {});
  const both = KNOWN.filter(({ id }) => ids.includes(id));
  return both.length > 0 ? both : [greenpay];
}

/** The description of a platform; one that this page does not know offers nothing but its name. */
export function platformOf(id) {
  return KNOWN.find((platform) => platform.id === id) ?? { id, name: id, ways: [], updates: false, parts: false };
}
