// What a person can choose: the platform, the way, the amount, a test card, and a saved card to update.

import { forgetAway } from './away.js';
import { announce, byId, clearNotice, make } from './dom.js';
import {
  drawButton,
  drawCurrencies,
  drawFields,
  drawFrame,
  drawMoney,
  drawWays,
  focusPay,
  showAmountProblem,
} from './drawing.js';
import { priceIn, showMoney } from './money.js';
import { forgetCard } from './outcomes.js';
import { platformOf } from './platforms.js';
import { showForm } from './result.js';
import { elsewhere, kind, newPayment, notice, payButton, payForm, state, way } from './state.js';
import { brandName } from './words.js';

export function wireControls() {
  // A field that loses focus may show a message below it, and the button would move away before the pointer is released.
  payButton.addEventListener('mousedown', (event) => event.preventDefault());
  byId('save-card').addEventListener('change', () => {
    state.intent = null;
    state.form.kind = kind();
    drawFields();
    drawMoney();
  });
  for (const radio of document.querySelectorAll('input[name="way"]'))
    radio.addEventListener('change', () => chooseWay(way()));
  byId('amount').addEventListener('input', () => {
    byId('amount').dataset.touched = 'true';
    state.intent = null;
    drawMoney();
  });
  byId('amount').addEventListener('blur', () => showAmountProblem());
  byId('currency').addEventListener('change', () => {
    if (!byId('amount').dataset.touched) byId('amount').value = priceIn(byId('currency').value);
    state.intent = null;
    drawMoney();
  });
  byId('stop-updating').addEventListener('click', () => {
    stopUpdate();
    state.form.focus();
  });
  byId('result-next').addEventListener('click', () => {
    forgetAway();
    showForm();
    if (elsewhere()) focusPay();
    else state.form.focus();
  });
  byId('capture-later').addEventListener('change', () => {
    state.intent = null;
    drawMoney();
  });
  byId('platforms').append(...state.platforms.map(platformRadio));
}

function platformRadio(platform) {
  const id = `platform-${platform.id}`;
  return make(
    'div',
    { class: 'radio' },
    make('input', {
      type: 'radio',
      name: 'platform',
      id,
      value: platform.id,
      autocomplete: 'off',
      checked: platform === state.platform,
      'aria-describedby': `${id}-hint`,
      onchange: () => choosePlatform(platform),
    }),
    make('label', { for: id }, platform.name),
    make('p', { class: 'hint', id: `${id}-hint` }, platform.hint),
  );
}

/** Applies another platform's rules to the form. What was typed stays. */
export function choosePlatform(platform) {
  if (state.updating && platform.id !== state.updating.platform) stopUpdate();
  state.platform = platform;
  newPayment();
  const radio = byId(`platform-${platform.id}`);
  if (radio) radio.checked = true;
  clearNotice(notice);
  state.form.platform = platform;
  byId('promise-at-button').textContent = platform.promiseAtButton;
  byId('platform-warning').textContent = platform.warning ?? '';
  drawWays();
  drawTestCards();
  state.form.kind = kind();
  drawFields();
  drawCurrencies();
  drawMoney();
  drawFrame();
}

export function chooseWay(preferred) {
  state.intent = null;
  state.preferredWay = preferred;
  drawWays();
  drawTestCards();
  state.form.kind = kind();
  drawFields();
  drawMoney();
  drawFrame();
}

// ------------------------------------------------------------------------------------------------- test cards

/** Offers the test cards. If the card is typed elsewhere, they are shown to be copied. */
function drawTestCards() {
  const { cards } = state.platform;
  const chip = (card) =>
    make(
      'li',
      {},
      elsewhere()
        ? make(
            'span',
            { class: 'chip-plain' },
            make('span', { class: 'chip-digits' }, card.number.replace(/(.{4})(?=.)/g, '$1 ')),
            ' ',
            card.label,
          )
        : make(
            'button',
            {
              type: 'button',
              class: 'chip-button',
              'data-last4': card.last4,
              'data-amount': card.amount,
              onclick: () => (card.amount ? useTestAmount(card) : useTestCard(card)),
            },
            make('span', { class: 'chip-digits' }, card.amount ? showMoney(card.amount, 'USD') : `•• ${card.last4}`),
            ' ',
            card.label,
          ),
    );
  byId('cards-declined-words').textContent = cards.declined.some((card) => card.amount)
    ? 'Amounts that the bank declines'
    : 'Cards that the bank declines';
  byId('cards-hint').textContent = elsewhere()
    ? 'Type one into the platform’s form, with any future date and any code.'
    : 'Click a card to fill the form.';
  byId('cards-approved').replaceChildren(...cards.approved.map(chip));
  byId('cards-declined').replaceChildren(...cards.declined.map(chip));
}

/** In some simulations, the bank decides by the amount. */
function useTestAmount({ amount, label }) {
  if (state.busy) return;
  if (payForm.hidden) showForm();
  byId('currency').value = 'USD';
  byId('amount').value = amount;
  byId('amount').dispatchEvent(new Event('input', { bubbles: true }));
  announce(`The amount is now ${showMoney(amount, 'USD')}: ${label}.`);
}

function useTestCard(card) {
  if (state.busy) return;
  if (payForm.hidden) showForm();
  state.form.fill(card);
  clearNotice(notice);
  announce(`Filled in the test card ending in ${card.last4}.`);
  payButton.focus();
}

// --------------------------------------------------------------------------------------------- updating a card

export function startUpdate(token) {
  if (state.busy) return;
  showForm();
  state.updating = token;
  choosePlatform(platformOf(token.platform));
  forgetCard();
  state.form.kind = 'update';
  if (token.nickname) state.form.nickname = token.nickname;
  byId('updating-text').replaceChildren(
    'You are replacing ',
    make('strong', {}, `${token.nickname ?? brandName(token.brand)} •••• ${token.last4 ?? ''}`),
    '. Nothing is charged.',
  );
  byId('updating').hidden = false;
  drawFields();
  byId('pay-heading').textContent = 'Update a saved card';
  drawButton();
  byId('pay-heading').scrollIntoView({ block: 'start' });
  state.form.focus();
  announce('The form now updates a saved card.');
}

export function stopUpdate() {
  state.updating = null;
  forgetCard();
  byId('updating').hidden = true;
  drawTestCards();
  drawFields();
  byId('pay-heading').textContent = 'Pay by card';
  state.form.kind = kind();
  drawButton();
}
