// What a press on Pay does, and on the button beside a saved card.

import { isPage } from './away.js';
import { InDoubt, Intent } from './checkout.js';
import { stopUpdate } from './choices.js';
import { announce, byId, clearNotice, fillNotice } from './dom.js';
import { drawFrame, focusPay, setBusy, showAmountProblem, showStep } from './drawing.js';
import { showDoubt, showFailure, showOutcome } from './outcomes.js';
import { platformOf } from './platforms.js';
import { followRedirect, leaveFor } from './redirects.js';
import { showResult } from './result.js';
import * as server from './server.js';
import { CUSTOMER, capture, DESCRIPTION, elsewhere, notice, readMoney, saves, state, way } from './state.js';
import { codesOf, failureWords } from './words.js';

export async function press() {
  if (state.busy) return;
  clearNotice(notice);
  const { form, person, updating } = state;
  const wrong = elsewhere() ? [] : form.check();
  const unsaid = person.check({ focus: wrong.length === 0 });
  if (!updating && showAmountProblem('never') && wrong.length + unsaid === 0) byId('amount').focus();
  const count = wrong.length + unsaid + (!updating && readMoney().amount === null ? 1 : 0);
  if (count > 0) {
    announce(count === 1 ? 'One field needs your attention.' : `${count} fields need your attention.`);
    return;
  }
  setBusy(true);
  state.panel.begin();
  let left = false;
  try {
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
    customer: CUSTOMER,
    person: state.person.read(),
    way: way(),
    capture: capture(platform),
  });
}

/** Pays with the card in the form. Returns true if the person leaves for another page. */
async function pay() {
  const { checkout, form } = state;
  const save = saves();
  if (!state.intent) {
    state.intent = newIntent();
    if (save) state.intent.token = state.savedToken;
  }
  const { intent } = state;
  try {
    const payment = await (save ? checkout.payAndSave(form.read(), intent) : checkout.payOnce(form.read(), intent));
    state.savedToken = save ? intent.token : null;
    if (followRedirect(payment, { saved: save })) return true;
    showOutcome(payment, { saved: save });
  } catch (error) {
    if (save) state.savedToken = intent.token;
    if (error instanceof InDoubt) showDoubt(error, intent, { saved: save });
    else showFailure(error, intent.token ? 'The card is saved, but nothing was charged.' : 'Nothing was charged.');
  }
  return false;
}

/** Pays on the platform's own page. Returns true if the person leaves for it. */
async function payThere() {
  const intent = newIntent();
  try {
    const session = await state.checkout.openPage(intent, `${location.origin}${location.pathname}`);
    if (!isPage(session.redirectUrl)) throw new server.ServerError('platform_answer_invalid');
    leaveFor(session.redirectUrl, {
      platform: intent.platform,
      way: 'page',
      session: session.id,
      key: intent.key,
      amount: intent.amount,
      currency: intent.currency,
    });
    return true;
  } catch (error) {
    showFailure(error, 'Nothing was charged.');
    return false;
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
    const payment = await checkout.charge(intent);
    if (followRedirect(payment, { saved: true })) return true;
    showOutcome(payment, { saved: true });
  } catch (error) {
    if (error instanceof InDoubt) showDoubt(error, intent, { saved: true });
    else
      showFailure(
        error,
        intent.token ? 'The card is saved: you can charge it below. Nothing was charged yet.' : 'Nothing was charged.',
      );
  }
  // The next card needs a new form, also if this one was declined.
  drawFrame({ anew: true });
  return false;
}

/** Replaces the saved card that is being updated. */
async function replaceCard() {
  const { checkout, form, platform, updating } = state;
  try {
    await checkout.replace(form.read(), { platform: platform.id, token: updating.id, way: way() });
    form.clear();
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

/** Charges a saved card. */
export async function chargeSaved(token) {
  if (state.busy) return;
  if (showAmountProblem()) {
    byId('amount').focus();
    return;
  }
  const platform = platformOf(token.platform);
  const intent = newIntent(platform);
  intent.token = token.id;
  state.panel.begin();
  setBusy(true);
  if (state.updating) stopUpdate();
  let left = false;
  try {
    const payment = await state.checkout.charge(intent);
    left = followRedirect(payment, { saved: false });
    if (left) return;
    showOutcome(payment, { saved: false, stored: token });
  } catch (error) {
    if (error instanceof InDoubt) {
      showDoubt(error, intent, { saved: false });
    } else {
      const { heading, advice } = failureWords(codesOf(error), platform);
      fillNotice(byId('saved-notice'), 'bad', heading, `${advice} Nothing was charged.`);
    }
  } finally {
    if (!left) setBusy(false);
  }
  await state.lists.refresh();
}
