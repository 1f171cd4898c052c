// Apart from the module, because the page's half of the worker needs it, too.

/** The fields of a card and nothing else that its object may hold; getters of a class are read, too. */
export function fields(card) {
  if (!card || typeof card !== "object") return card;
  const { number, cvc, holder, nickname } = card;
  let { expiry } = card;
  if (expiry && typeof expiry === "object") expiry = { month: expiry.month, year: expiry.year };
  return { number, expiry, cvc, holder, nickname };
}
