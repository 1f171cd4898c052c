// Says how a payment went: approved, declined, failed, or not known yet.

import { forgetAway, goToBank, isPage } from './away.js';
import { brandName } from './brands.js';
import { InDoubt } from './checkout.js';
import { byId, clearNotice, fillNotice } from './dom.js';
import { focusPay, showStep } from './drawing.js';
import { fateOf, removeCard } from './keeping.js';
import { showMoney } from './money.js';
import { platformOf } from './platforms.js';
import { showResult } from './result.js';
import * as server from './server.js';
import { elsewhere, notice, state } from './state.js';
import { codesOf, declineWords, failureWords } from './words.js';

/** Clears the card from the page. */
export function forgetCard() {
  state.intent = null;
  state.card.clear();
}

/** What is said of a card that could not be deleted. */
const STAYED = 'The platform did not let the shop delete the card. You can delete it below.';

/** Deletes a card that may not stay after a payment that was not made, and says so. */
async function removedWords(card) {
  if (!card || card.stays) return '';
  showStep('Deleting the card…');
  return (await removeCard(card.token)) ? 'The card was not saved.' : STAYED;
}

/** The same after one that was made, of which the shopper hears at once. */
async function removeAfterwards({ token }) {
  if (!(await removeCard(token))) fillNotice(byId('saved-notice'), 'bad', 'The card is still saved.', STAYED);
  await state.lists.refresh();
}

/** Says how a payment went, and what became of its card; `stored` is the saved card that was charged. */
export async function showOutcome(payment, { stored = null } = {}) {
  clearNotice(byId('saved-notice'));
  const card = fateOf(payment);
  if (payment.status === 'declined') {
    // Its token is gone, so the form must not charge it again.
    if (card) forgetCard();
    const removed = await removedWords(card);
    const words = [declineWords(payment.decline), `Nothing was charged. ${removed || 'You can use another card.'}`];
    fillNotice(stored ? byId('saved-notice') : notice, 'bad', 'Your bank declined this payment.', ...words);
    if (!stored) focusPay();
    return;
  }
  const typed = elsewhere() ? null : state.card.last;
  const brand = payment.brand ?? (stored ? state.brandOf(stored) : typed?.brand);
  // Not every platform returns the last four digits; the form knew them.
  const last4 = payment.last4 ?? (stored ? stored.last4 : typed?.last4);
  forgetCard();
  const money = showMoney(payment.amount, payment.currency);
  const lines = [
    ['Card', last4 ? `${brandName(brand)} •••• ${last4}` : null],
    ['Authorization', payment.authorization],
    ['Order', payment.order_reference],
    ['Saved for next time', card?.stays ? (platformOf(payment.platform).savedLine ?? 'Yes') : null],
  ];
  if (card && !card.stays) void removeAfterwards(card);
  if (payment.status === 'authorized') {
    showResult({
      tone: 'good',
      heading: `Authorized ${money}`,
      text: 'Your bank holds the amount. The shop takes it when it ships.',
      lines,
    });
  } else if (payment.status === 'approved') {
    showResult({
      tone: 'good',
      heading: `Paid ${money}`,
      text: 'Thank you. We roast your coffee on Thursday.',
      lines,
    });
  } else if (payment.status === 'unknown') {
    showUnknown(payment, lines);
  } else {
    showResult({
      tone: 'unsure',
      heading: 'The payment was not completed',
      text: 'Nothing stays charged. You can pay again.',
      lines,
    });
  }
}

function showUnknown(payment, lines) {
  const money = showMoney(payment.amount, payment.currency);
  const go = isPage(payment.redirect?.url) ? payment.redirect.url : null;
  const check = payment.id
    ? async (pressed, left) => {
        const now = await (pressed && platformOf(payment.platform).answersLater ? server.refresh : server.payment)(
          payment.id,
        );
        if (left()) return true;
        if (now.status === 'unknown') return false;
        if (now.status === 'declined' || now.status === 'failed') {
          const removed = await removedWords(fateOf(now));
          if (left()) return true;
          showResult({
            tone: 'bad',
            heading: 'The payment did not go through',
            text: `${declineWords(now.decline)} Nothing was charged. ${removed} You can pay again.`,
            lines,
          });
        } else {
          await showOutcome(now);
        }
        forgetAway();
        void state.lists.refresh();
        return true;
      }
    : null;
  showResult({
    tone: 'unsure',
    heading: go ? 'Your bank is waiting for you' : 'We do not know yet',
    go: go && (() => goToBank(payment)),
    text: go
      ? `${money} will be charged after you confirm it on your bank’s page. Please do not pay again in the meantime.`
      : `Your bank did not answer in time, so ${money} may or may not have been charged. Please do not pay again. ${platformOf(payment.platform).unknown ?? 'The answer appears'} ${check ? 'here' : 'at the shop’s desk'}.`,
    lines,
    check,
    next: 'Leave it and start a new payment',
  });
}

/** The shop itself did not answer, so it has to be asked first. */
export function showDoubt(error, intent) {
  const money = showMoney(intent.amount, intent.currency);
  // Nobody can press Pay again by mistake.
  if (!error.needsCard) forgetCard();
  showResult({
    tone: 'unsure',
    heading: 'We do not know yet',
    text:
      `The connection broke while ${money} was being charged, so it may or may not have been charged. Please do not pay again` +
      (error.askAgain
        ? ': “Check again” asks about this same payment and never charges twice.'
        : '. The shop will hear from the platform.'),
    lines: [],
    check: error.askAgain
      ? async (_pressed, left) => {
          let payment;
          try {
            payment = await error.askAgain();
            if (left()) return true;
          } catch (again) {
            if (left()) return true;
            if (again instanceof InDoubt) throw again.cause;
            forgetCard();
            showResult({
              tone: 'bad',
              heading: 'The payment did not go through',
              text: `${failureWords(codesOf(again)).heading} Nothing was charged. You can pay again.`,
              lines: [],
            });
            return true;
          }
          if (payment.status === 'declined') {
            forgetCard();
            const removed = await removedWords(fateOf(payment));
            if (left()) return true;
            showResult({
              tone: 'bad',
              heading: 'Your bank declined this payment',
              text: `${declineWords(payment.decline)} Nothing was charged. ${removed}`,
              lines: [],
            });
          } else {
            await showOutcome(payment);
          }
          forgetAway();
          void state.lists.refresh();
          return true;
        }
      : null,
    automatic: false,
    next: 'Leave it and start a new payment',
  });
}

/** Says at the button what went wrong, and what it means for the money. */
export function showFailure(error, whatHappened) {
  // The form shows mistakes at their fields, and goes there.
  if (['card_invalid', 'customer_invalid'].includes(error?.code)) return;
  const codes = codesOf(error);
  const { heading, advice } = failureWords(codes, state.platform, state.card.wordsOf(error));
  const words = `${advice} ${whatHappened}`.trim();
  // In a frame the form has said it already.
  if (state.isolated && state.card.wordsOf(error)) fillNotice(notice, 'bad', whatHappened);
  else fillNotice(notice, 'bad', heading, words);
  notice.dataset.code = codes[0] ?? 'unknown';
  focusPay();
}
