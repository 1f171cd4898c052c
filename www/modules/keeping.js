// Whether a stored card may stay. Some platforms charge only what is stored, so a card may be stored that the shopper does
// not want saved, and one may be saved whose first payment is then declined. Neither stays: it is deleted by the server's
// own call, which deletes it at the platform, too. A card that was saved before stays, whatever becomes of this payment: some
// platforms have one token for each card, however often it is typed.
//
// What is not decided yet is noted in this tab, because a payment can end after the page that made it. A shop does this in
// its back end; this demo has none.

import * as server from './server.js';

const NAME = 'cardseal-cards';
const NOT_PAID = new Set(['declined', 'failed', 'voided']);
/** There is nothing to delete any more. */
const GONE = new Set(['token_not_found', 'token_deleted']);

let notes = read();

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME)) ?? [];
  } catch {
    return [];
  }
}

function write(changed) {
  notes = changed;
  try {
    if (notes.length > 0) sessionStorage.setItem(NAME, JSON.stringify(notes));
    else sessionStorage.removeItem(NAME);
  } catch {
    // Then it is decided in this page alone.
  }
}

const drop = (token) => write(notes.filter((note) => note.token !== token));

/** A card was stored to be charged. `keeps` is what the shopper chose, `saved` the tokens that were saved before. */
export function noteCard(token, { keeps, saved }) {
  const earlier = notes.filter((note) => note.token !== token);
  write([...earlier, { token, keeps, saved: saved.includes(token), payment: null }]);
  for (const note of earlier) void settle(note);
}

/** Whether a card is only there until its payment is made. */
export const isPassing = (token) => notes.some((note) => note.token === token && !note.keeps && !note.saved);

/**
 * What becomes of the card that a payment was made with: `{ token, stays }`. Null if that is not in question, or not known
 * before the payment is.
 */
export function fateOf(payment) {
  const note = notes.find(({ token, payment: id }) => token === payment.token || (id !== null && id === payment.id));
  if (!note) return null;
  if (payment.status === 'unknown') {
    write(notes.map((each) => (each === note ? { ...note, payment: payment.id ?? null } : each)));
    return null;
  }
  const { token } = note;
  const stays = note.saved || (note.keeps && !NOT_PAID.has(payment.status));
  if (stays) drop(token);
  return { token, stays };
}

/** Deletes a card that may not stay. Returns whether it is gone. */
export async function removeCard(token) {
  try {
    await server.deleteToken(token);
    drop(token);
    return true;
  } catch (error) {
    const gone = GONE.has(error.code);
    // What the server refused, it refuses again. Where no answer came, as where the page was left meanwhile, the next page
    // asks again.
    if (gone || error.status > 0) drop(token);
    return gone;
  }
}

/** Decides what an earlier page left open. */
export async function settleCards() {
  for (const note of notes) await settle(note);
}

async function settle({ token, keeps, saved, payment: id }) {
  try {
    // Nothing is to be decided of a card that was saved.
    if (saved) return drop(token);
    const payment = id ? await server.payment(id) : await server.firstPaymentOf(token);
    if (payment) {
      const fate = fateOf(payment);
      if (fate && !fate.stays) await removeCard(token);
    } else if (keeps) {
      drop(token);
    } else {
      await removeCard(token);
    }
  } catch {
    // The server cannot be asked now. The next page asks again.
  }
}
