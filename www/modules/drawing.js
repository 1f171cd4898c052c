// Draws the form from the state: the ways, the fields, the currencies, the amount and the button.

import { byId, make, say } from './dom.js';
import { priceIn, showMoney } from './money.js';
import {
  CUSTOMER,
  capture,
  chargeWords,
  currenciesOf,
  elsewhere,
  keeps,
  offersSaving,
  payButton,
  payForm,
  readMoney,
  settingsOf,
  state,
  stores,
  way,
} from './state.js';

const RELAY_HINT = byId('way-relay-hint').textContent;

/** Shows the platform's form if that is the chosen way. Each form is good for one card, so `anew` replaces it. */
export function drawFrame({ anew = false } = {}) {
  const { frame, platform, checkout } = state;
  if (way() !== 'frame' || state.updating || payForm.hidden) {
    frame.unmount();
  } else if (anew || !frame.mounted) {
    void frame.mount(
      () => checkout.openFrame({ platform: platform.id, customer: CUSTOMER }),
      platform.frameScript(settingsOf(platform)),
    );
  }
}

/** Hides the ways that the platform does not offer. If it is the shop's server, the page says why. */
export function drawWays() {
  const { platform, preferredWay } = state;
  const relayed = platform.ways.includes('relay');
  byId('way-relay').disabled = !relayed;
  byId('way-relay-hint').hidden = !relayed;
  byId('way-relay-hint').textContent = platform.relayHint ?? RELAY_HINT;
  byId('way-relay-not').hidden = relayed;
  byId('way-relay-not').textContent =
    `Not offered: ${platform.name} accepts the card only from the browser, so it never passes through the shop’s server.`;
  byId('way-relay').setAttribute('aria-describedby', relayed ? 'way-relay-hint' : 'way-relay-not');
  for (const one of ['direct', 'page', 'frame']) byId(`way-${one}-row`).hidden = !platform.ways.includes(one);
  byId(`way-${platform.ways.includes(preferredWay) ? preferredWay : platform.ways[0]}`).checked = true;
}

/** Shows the fields and hints that belong to the platform, the way, and whether the card is saved. */
export function drawFields() {
  const { platform, platforms, updating } = state;
  byId('platforms').hidden = platforms.length < 2 || updating !== null || payForm.hidden;
  byId('card-place').hidden = elsewhere();
  byId('places').hidden = elsewhere();
  byId('wire-search').textContent = state.isolated
    ? 'What the frame sends is not here: this page sees neither its requests nor your card number, so it cannot look for it.'
    : 'Before each request, this page checks that your card number is not in it.';
  byId('elsewhere').hidden = way() !== 'page';
  byId('elsewhere').textContent =
    `You type your card on a page of ${platform.name} and come back here after you have paid.`;
  byId('promise-at-button').hidden = elsewhere();
  byId('promise').textContent = elsewhere() ? `Your card goes to ${platform.name} only` : platform.promise;
  byId('save-row').hidden = updating !== null || !offersSaving();
  byId('passing-hint').hidden = updating !== null || keeps() || !stores();
  byId('passing-hint').textContent =
    `${platform.name} charges only stored cards. The shop stores this one for the payment, and deletes it afterwards.`;
  byId('platform-warning').hidden = !platform.warning || payForm.hidden;
  byId('save-hint').textContent =
    platform.saveHint ?? 'The shop keeps a token and the last four digits, never the number.';
  byId('later-row').hidden = updating !== null || !platform.parts || !(stores() || platform.holdsOnce);
  state.card.named = platform.hasNickname && (updating !== null || keeps());
  state.card.renew();
}

export function drawCurrencies() {
  const select = byId('currency');
  const before = select.value;
  const list = currenciesOf(state.platform);
  select.replaceChildren(...list.map((code) => make('option', { value: code }, code)));
  select.value = list.includes(before) ? before : list[0];
  if (select.value !== before && !byId('amount').dataset.touched) byId('amount').value = priceIn(select.value);
}

export function drawMoney() {
  const { amount, currency } = readMoney();
  if (amount) {
    say(byId('amount-error'), '');
    byId('amount').removeAttribute('aria-invalid');
    byId('total').textContent = showMoney(amount, currency);
  } else {
    byId('total').textContent = '–';
  }
  drawButton();
  state.lists?.draw();
}

export function drawButton() {
  const { amount, currency } = readMoney();
  const { platform, updating } = state;
  byId('pay-words').textContent =
    way() === 'page' && !updating
      ? `${chargeWords('Pay', amount, currency)} at ${platform.name}`
      : updating
        ? 'Save the new card'
        : chargeWords(capture(platform) === 'later' ? 'Authorize' : 'Pay', amount, currency);
}

/** Shows whether the amount is valid, and returns true if it is not. */
export function showAmountProblem(when) {
  const wrong = readMoney().amount === null;
  const words = `Type an amount above zero, such as ${priceIn(byId('currency').value)}, without thousands separators.`;
  say(byId('amount-error'), wrong ? words : '', when);
  if (wrong) byId('amount').setAttribute('aria-invalid', 'true');
  return wrong;
}

/** Freezes the page while a payment is in progress. */
export function setBusy(on) {
  state.busy = on;
  payButton.disabled = on;
  payForm.classList.toggle('busy', on);
  payForm.setAttribute('aria-busy', String(on));
  state.card.disabled = on && state.card.state === 'done';
  state.frame.frozen = on;
  for (const control of document.querySelectorAll(
    '#save-card, #capture-later, #amount, #currency, #ways input, #places input, #platforms input, #stop-updating',
  ))
    control.disabled = on;
  if (!on) drawWays();
  state.lists.busy = on;
  if (!on) drawButton();
}

/** What the button says during a payment. */
export function showStep(words) {
  byId('pay-words').textContent = words;
}

export function focusPay() {
  payButton.disabled = false;
  payButton.focus();
}
