// When a payment leads to a page of the platform's or of a bank, this page ends, and another one begins when the person
// comes back. What the second has to know of the first stays in this tab, and only until the payment has an outcome.

const NAME = 'cardseal-away';

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME));
  } catch {
    return null;
  }
}

function store(note) {
  try {
    if (note) sessionStorage.setItem(NAME, JSON.stringify(note));
    else sessionStorage.removeItem(NAME);
  } catch {
    // Without it the list of payments tells how it went.
  }
}

/** Goes to `url`. `note` is what {@link comeBack} gives: never anything of a card. */
export function leave(url, note) {
  store({ ...note, url });
  location.assign(url);
}

/** Goes to the bank's page of a payment that waits there. */
export const goToBank = ({ platform, id: payment, amount, currency, redirect }) =>
  leave(redirect.url, { platform, payment, amount, currency });

/** Whether this is an address to send somebody to. */
export const isPage = (url) => /^https?:\/\//.test(url ?? '');

/**
 * What was noted, with what the address brought back as `returned`, read by `read(query, address)`. The address is cleared
 * at once, so that nothing of it stays in the history. Null if nobody was away.
 */
export function comeBack(read) {
  const query = new URLSearchParams(location.search);
  const returned = read(query, location);
  // Some platforms answer in the path, below one at which this page is served too.
  if (returned) history.replaceState(null, '', location.pathname.replace(/^\/return\/.*/, '/'));
  const note = stored();
  if (!note) return returned && { returned };
  if (returned) {
    note.returned = returned;
    // Reloading this page must not lose it.
    store(note);
  }
  return note;
}

/** The payment has an outcome. */
export const forgetAway = () => store(null);
