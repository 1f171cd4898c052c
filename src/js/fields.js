// Apart from the module, because the page's half of the worker needs it, too.

import { members } from "./value.js";

/** The fields of a card and nothing else that its object may hold. */
export function fields(card) {
  if (!card || typeof card !== "object") return card;
  const found = members(card, "number", "expiry", "cvc", "holder", "nickname");
  if (found.expiry && typeof found.expiry === "object") found.expiry = members(found.expiry, "month", "year");
  return found;
}
