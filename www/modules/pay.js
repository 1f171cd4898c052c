// What a press on Pay does, and on the button beside a saved card.

import { isPage } from './away.js';
import { InDoubt, Intent } from './checkout.js';
import { stopUpdate } from './choices.js';
import { announce, byId, clearNotice, fillNotice } from './dom.js';
import { drawFrame, focusPay, setBusy, showAmountProblem, showStep } from './drawing.js';
import { noteCard } from './keeping.js';
import { showDoubt, showFailure, showOutcome } from './outcomes.js';
import { platformOf } from './platforms.js';
import { followRedirect, leaveFor } from './redirects.js';
import { showResult } from './result.js';
import * as server from './server.js';
import {
  CUSTOMER,
  capture,
  DESCRIPTION,
  elsewhere,
  keeps,
  newOrder,
  notice,
  readMoney,
  state,
  stores,
  way,
} from './state.js';
import { codesOf, failureWords } from './words.js';

/** Fields in a frame answer later. */
let checking = false;

export async function press() {
  if (state.busy || checking) return;
  clearNotice(notice);
  const { card, updating } = state;
  checking = true;
  // The form shows its mistakes, and goes to them.
  const isRight = elsewhere() || (await card.check());
  checking = false;
  if (!updating && showAmountProblem('never')) {
    if (!isRight) return;
    byId('amount').focus();
    announce('The amount needs your attention.');
    return;
  }
  if (!isRight) return;
  setBusy(true);
  state.panel.begin();
  let left = false;
  try {
    // What is saved is known before a card is stored: only what is not may be deleted afterwards.
    if (!state.lists.facts) await state.lists.refresh();
    if (updating) await replaceCard();
    else left = await (way() === 'page' ? payThere() : way() === 'frame' ? payInFrame() : pay());
  } finally {
    if (!left) setBusy(false);
  }
  if (!left) await state.lists.refresh();
}

function newIntent(platform = state.platform) {
  return new Intent({
    platform: platform.id,
    ...readMoney(),
    description: DESCRIPTION,
    order: state.order,
    customer: CUSTOMER,
    way: way(),
    capture: capture(platform),
    keeps: keeps(),
    saved: (state.lists.facts ?? []).map(({ id }) => id),
  });
}

/** Pays with the card in the form. Returns true if the person leaves for another page. */
async function pay() {
  const { checkout } = state;
  const intent = newIntent();
  state.intent = intent;
  try {
    const payment = await (stores() ? checkout.storeAndPay(intent) : checkout.payOnce(intent));
    if (followRedirect(payment)) return true;
    await showOutcome(payment);
  } catch (error) {
    if (error instanceof InDoubt) showDoubt(error, intent);
    else if (intent.token && intent.keeps) showFailure(error, 'The card is saved, but nothing was charged.');
    else showFailure(error, 'Nothing was charged.');
  } finally {
    state.intent = null;
    state.order = newOrder();
  }
  return false;
}

/** Pays on the platform's own page. Returns true if the person leaves for it. */
async function payThere() {
  const intent = newIntent();
  try {
    const { returnPath = location.pathname, pageOf } = platformOf(intent.platform);
    const session = await state.checkout.openPage(intent, `${location.origin}${returnPath}`);
    const { url, page } = await pageOf(session);
    if (!isPage(url)) throw new server.ServerError('platform_answer_invalid');
    leaveFor(url, {
      platform: intent.platform,
      way: 'page',
      session: session.id,
      page,
      key: intent.key,
      amount: intent.amount,
      currency: intent.currency,
    });
    return true;
  } catch (error) {
    showFailure(error, 'Nothing was charged.');
    return false;
  } finally {
    state.order = newOrder();
  }
}

/** Pays with the card in the platform's form. Returns true if the person leaves for another page. */
async function payInFrame() {
  const { checkout, frame, platform } = state;
  const intent = newIntent();
  try {
    showStep(platform.steps.verify ?? 'Getting ready…');
    const session = await frame.submit();
    if (!session) {
      fillNotice(
        notice,
        'bad',
        'The platform did not accept the card.',
        'Please check its form above. Nothing was charged.',
      );
      focusPay();
      return false;
    }
    intent.token = (await checkout.confirmFrame(session)).id;
    noteCard(intent.token, intent);
    const payment = await checkout.charge(intent);
    if (followRedirect(payment)) return true;
    await showOutcome(payment);
  } catch (error) {
    if (error instanceof InDoubt) showDoubt(error, intent);
    else if (intent.token && intent.keeps)
      showFailure(error, 'The card is saved: you can pay with it below. Nothing was charged yet.');
    else showFailure(error, 'Nothing was charged.');
  } finally {
    state.order = newOrder();
  }
  // The next card needs a new form, also if this one was declined.
  drawFrame({ anew: true });
  return false;
}

/** Replaces the saved card that is being updated. */
async function replaceCard() {
  try {
    await state.checkout.store();
    stopUpdate();
    showResult({
      tone: 'good',
      heading: 'The card is updated',
      text: 'Future payments use the new card. Nothing was charged for this.',
      lines: [],
      next: 'Make a payment',
    });
  } catch (error) {
    showFailure(error, 'The saved card has not changed.');
  }
}

/** Pays with a saved card. */
export async function paySaved(token) {
  if (state.busy) return;
  if (showAmountProblem()) {
    byId('amount').focus();
    return;
  }
  const platform = platformOf(token.platform);
  const intent = newIntent(platform);
  intent.token = token.id;
  state.order = newOrder();
  state.panel.begin();
  setBusy(true);
  if (state.updating) stopUpdate();
  let left = false;
  try {
    const payment = await state.checkout.charge(intent);
    left = followRedirect(payment);
    if (left) return;
    await showOutcome(payment, { stored: token });
  } catch (error) {
    if (error instanceof InDoubt) {
      showDoubt(error, intent);
    } else {
      const { heading, advice } = failureWords(codesOf(error), platform);
      fillNotice(byId('saved-notice'), 'bad', heading, `${advice} Nothing was charged.`);
    }
  } finally {
    if (!left) setBusy(false);
  }
  await state.lists.refresh();
}
