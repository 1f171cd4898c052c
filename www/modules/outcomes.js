// Says how a payment went: approved, declined, failed, or not known yet.

import { forgetAway, goToBank, isPage } from './away.js';
import { brandName } from './brands.js';
import { InDoubt } from './checkout.js';
import { byId, clearNotice, fillNotice } from './dom.js';
import { focusPay } from './drawing.js';
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

/** `saved` says whether the card was saved for this payment; `stored` is the saved card that was charged. */
export function showOutcome(payment, { saved, stored = null }) {
  clearNotice(byId('saved-notice'));
  if (payment.status === 'declined') {
    const words = [
      declineWords(payment.decline),
      saved
        ? 'Nothing was charged. The card was saved anyway; you can delete it below.'
        : 'Nothing was charged. You can use another card.',
    ];
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
    ['Saved for next time', saved ? (platformOf(payment.platform).savedLine ?? 'Yes') : null],
  ];
  if (payment.status === 'authorized') {
    showResult({
      tone: 'good',
      heading: `Authorized ${money}`,
      text: 'Your bank holds the amount. The shop captures it below when it ships.',
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
      text: 'The list below shows where it stands.',
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
          showResult({
            tone: 'bad',
            heading: 'The payment did not go through',
            text: `${declineWords(now.decline)} Nothing was charged. You can pay again.`,
            lines,
          });
        } else {
          showOutcome(now, { saved: false });
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
      : `Your bank did not answer in time, so ${money} may or may not have been charged. Please do not pay again. ${platformOf(payment.platform).unknown ?? 'The answer appears'} ${check ? 'here' : 'in the list of payments'}.`,
    lines,
    check,
    next: 'Leave it and start a new payment',
  });
}

/** The shop itself did not answer, so it has to be asked first. */
export function showDoubt(error, intent, { saved }) {
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
        : '. The shop will hear from the platform; see the list below.'),
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
            showResult({
              tone: 'bad',
              heading: 'Your bank declined this payment',
              text: `${declineWords(payment.decline)} Nothing was charged.`,
              lines: [],
            });
          } else {
            showOutcome(payment, { saved });
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
