// Payments that go on at a page of the platform or a bank: leaving, and what the page shows when the person is back.

import { comeBack, forgetAway, isPage, leave } from './away.js';
import { InDoubt } from './checkout.js';
import { choosePlatform, chooseWay } from './choices.js';
import { byId, fillNotice, make } from './dom.js';
import { drawMoney, setBusy, showStep } from './drawing.js';
import { fateOf, settleCards } from './keeping.js';
import { forgetCard, showDoubt, showOutcome } from './outcomes.js';
import { platformOf } from './platforms.js';
import * as server from './server.js';
import { firstOf, notice, state, way } from './state.js';
import { codesOf, failureWords } from './words.js';

/** Sends the person to the page of a bank that wants a confirmation first. Returns whether there is such a page. */
export function followRedirect(payment) {
  const url = payment.status === 'unknown' ? payment.redirect?.url : null;
  if (!isPage(url)) return false;
  // What becomes of the card is decided when the person is back.
  fateOf(payment);
  leaveFor(url, {
    platform: payment.platform,
    way: way(),
    payment: payment.id,
    amount: payment.amount,
    currency: payment.currency,
  });
  return true;
}

/** Leaves for a page, with a note for the return. */
export function leaveFor(url, note) {
  showStep(platformOf(note.platform).steps.leave ?? 'Going on…');
  forgetCard();
  leave(url, note);
}

/** Runs when the page has started, and when the browser shows it again after another page. */
export async function welcome() {
  const note = comeBack((query, address) => firstOf((platform) => platform.returned?.(query, address)));
  if (state.busy) setBusy(false);
  if (!note) {
    await state.lists.refresh();
    await settleCards();
    return;
  }
  if (note.platform && state.platforms.includes(platformOf(note.platform))) {
    choosePlatform(platformOf(note.platform));
    if (note.way) chooseWay(note.way);
    if (note.currency) byId('currency').value = note.currency;
    if (note.amount) byId('amount').value = note.amount;
    drawMoney();
  }
  setBusy(true);
  showStep('Waiting for the platform…');
  try {
    await showReturn(note);
  } finally {
    setBusy(false);
  }
  await state.lists.refresh();
}

const deskLink = () => make('a', { href: '/desk.html' }, 'Look at the shop’s desk');

/** Says how the payment went in the meantime. The address proves nothing, so the shop asks the platform. */
async function showReturn(note) {
  if (!note.payment && !note.session) {
    fillNotice(
      notice,
      'info',
      'Welcome back.',
      'This tab does not know which payment you are coming back from. The shop knows how it went.',
      deskLink(),
    );
    return;
  }
  try {
    const payment = note.payment ? await server.refresh(note.payment) : await pageOutcome(note);
    if (payment === null) {
      fillNotice(
        notice,
        'info',
        'You have not paid yet.',
        `You left the page of ${platformOf(note.platform).name} before you had finished.`,
        make('button', { type: 'button', class: 'link', onclick: () => leave(note.url, note) }, 'Go on there'),
      );
      return;
    }
    if (payment.status !== 'unknown') forgetAway();
    await showOutcome(payment);
  } catch (error) {
    if (codesOf(error).includes('page_cancelled')) {
      forgetAway();
      const { heading, advice } = failureWords(codesOf(error));
      fillNotice(notice, 'info', heading, `Nothing was charged. ${advice}`);
    } else if (error instanceof InDoubt) {
      showDoubt(error, note);
    } else {
      fillNotice(
        notice,
        'unsure',
        'We do not know yet how your payment went.',
        'Please do not pay again until the shop knows.',
        make('button', { type: 'button', class: 'link', onclick: () => welcome() }, 'Ask again'),
      );
    }
  }
}

/** The payment that the platform's page has made, or null if the person has not finished there. */
async function pageOutcome(note) {
  if (note.returned) {
    try {
      return await state.checkout.confirmPage(note);
    } catch (error) {
      if (!codesOf(error).includes('page_open')) throw error;
      return null;
    }
  }
  // The person did not return through the platform. The shop knows whether anything was paid.
  const { status, payment } = await server.session(note.session);
  if (status === 'cancelled' || status === 'expired') throw new server.ServerError('page_cancelled');
  return payment;
}
