// What a person can choose: the platform, the way, the amount, a test card, and a saved card to update.

import { forgetAway } from './away.js';
import { brandName } from './brands.js';
import { isolationProblem } from './card.js';
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
import { elsewhere, notice, payButton, payForm, state, way } from './state.js';

export function wireControls() {
  // A field that loses focus may show a message below it, and the button would move away before the pointer is released.
  payButton.addEventListener('mousedown', (event) => event.preventDefault());
  byId('save-card').addEventListener('change', () => {
    drawFields();
    drawMoney();
  });
  for (const radio of document.querySelectorAll('input[name="way"]'))
    radio.addEventListener('change', () => chooseWay(way()));
  for (const radio of document.querySelectorAll('input[name="place"]'))
    radio.addEventListener('change', () => choosePlace(radio.value));
  byId('amount').addEventListener('input', () => {
    byId('amount').dataset.touched = 'true';
    drawMoney();
  });
  byId('amount').addEventListener('blur', () => showAmountProblem());
  byId('currency').addEventListener('change', () => {
    if (!byId('amount').dataset.touched) byId('amount').value = priceIn(byId('currency').value);
    drawMoney();
  });
  byId('stop-updating').addEventListener('click', () => {
    stopUpdate();
    // With what was chosen before, also the platform's own form.
    choosePlatform(state.before);
    if (elsewhere()) focusPay();
    else state.card.focus();
  });
  byId('result-next').addEventListener('click', () => {
    forgetAway();
    showForm();
    if (elsewhere()) focusPay();
    else state.card.focus();
  });
  byId('capture-later').addEventListener('change', () => drawMoney());
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
  const radio = byId(`platform-${platform.id}`);
  if (radio) radio.checked = true;
  clearNotice(notice);
  state.card.platform = platform;
  byId('promise-at-button').textContent = platform.promiseAtButton;
  byId('platform-warning').textContent = platform.warning ?? '';
  drawWays();
  drawTestCards();
  drawCurrencies();
  drawFields();
  drawMoney();
  drawFrame();
}

export function chooseWay(preferred) {
  state.preferredWay = preferred;
  drawWays();
  drawTestCards();
  drawFields();
  drawMoney();
  drawFrame();
}

/** The fields stand in this page, or in a frame of another address: `isolated`. */
async function choosePlace(place) {
  const note = byId('place-isolated-not');
  const problem = place === 'isolated' ? await isolationProblem() : null;
  note.textContent = problem ?? '';
  note.hidden = problem === null;
  byId(problem === null ? `place-${place}` : 'place-page').checked = true;
  state.isolated = place === 'isolated' && problem === null;
  state.card.isolated = state.isolated;
  clearNotice(notice);
  drawTestCards();
  drawFields();
}

// ------------------------------------------------------------------------------------------------- test cards

/** Puts a number into the clipboard, for a form that this page cannot fill. */
function copyButton({ number, label }) {
  return make(
    'button',
    {
      type: 'button',
      class: 'chip-copy',
      'aria-label': `Copy ${number.replace(/(.{4})(?=.)/g, '$1 ')}, ${label}`,
      onclick: async ({ currentTarget }) => {
        const copied = await navigator.clipboard.writeText(number).then(
          () => true,
          () => false,
        );
        currentTarget?.classList.toggle('copied', copied);
        announce(copied ? 'Copied.' : 'The browser did not allow it. Please type the number.');
      },
    },
    'Copy',
  );
}

/** Offers the test cards. Where this page cannot fill the form, they are shown to be copied. */
function drawTestCards() {
  const { cards } = state.platform;
  const chip = (card) =>
    make(
      'li',
      {},
      !card.amount && (elsewhere() || state.isolated)
        ? make(
            'span',
            { class: 'chip-plain' },
            make('span', { class: 'chip-digits' }, card.number.replace(/(.{4})(?=.)/g, '$1 ')),
            ' ',
            card.label,
            copyButton(card),
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
    : state.isolated
      ? 'This page cannot fill fields of another address. Copy a number and paste it there, with any future date, any code and any name.'
      : 'Click a card to fill the form.';
  byId('cards-approved').replaceChildren(...cards.approved.map(chip));
  byId('cards-declined').replaceChildren(...cards.declined.map(chip));
}

/** Goes in where the form asks who the customer is. */
const EXAMPLE_CUSTOMER = {
  firstName: 'Ana',
  lastName: 'Mora',
  email: 'ana@shop.example',
  postalCode: '85281',
  country: 'US',
};

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
  const { number, expiry, cvc, holder } = card;
  state.card.fill({ number, expiry, cvc, holder, ...EXAMPLE_CUSTOMER });
  clearNotice(notice);
  announce(`Filled in the test card ending in ${card.last4}.`);
  payButton.focus();
}

// --------------------------------------------------------------------------------------------- updating a card

export function startUpdate(token) {
  if (state.busy) return;
  showForm();
  if (!state.updating) state.before = state.platform;
  state.updating = token;
  choosePlatform(platformOf(token.platform));
  forgetCard();
  byId('updating-text').replaceChildren(
    'You are replacing ',
    make('strong', {}, `${token.nickname ?? brandName(token.brand)} •••• ${token.last4 ?? ''}`),
    '. Nothing is charged.',
  );
  byId('updating').hidden = false;
  drawFields();
  byId('pay-heading').textContent = 'Update a saved card';
  drawButton();
  if (token.nickname) state.card.fill({ nickname: token.nickname });
  byId('pay-heading').scrollIntoView({ block: 'start' });
  state.card.focus();
  announce('The form now updates a saved card.');
}

export function stopUpdate() {
  state.updating = null;
  forgetCard();
  byId('updating').hidden = true;
  drawTestCards();
  drawFields();
  byId('pay-heading').textContent = 'Pay by card';
  drawButton();
  // The platform's form comes back where it was chosen.
  drawFrame();
}
