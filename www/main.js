// The checkout page. It imports the package as any shop's page would, and puts the parts of the page together.

import { Card } from './modules/card.js';
import { CardFrame } from './modules/card-frame.js';
import { onChange, tellOf } from './modules/changes.js';
import { Checkout } from './modules/checkout.js';
import { choosePlatform, startUpdate, wireControls } from './modules/choices.js';
import { byId, clearNotice } from './modules/dom.js';
import { showStep } from './modules/drawing.js';
import { paySaved, press } from './modules/pay.js';
import { welcome } from './modules/redirects.js';
import { savedCards } from './modules/saved-cards.js';
import { readDemo, showLoadFailure } from './modules/start.js';
import {
  CUSTOMER,
  callOf,
  firstOf,
  notice,
  payForm,
  payWith,
  sessionOptions,
  state,
  takesClearCard,
} from './modules/state.js';
import { brandOfDigits } from './modules/stored-card.js';
import { watch } from './modules/traffic.js';
import { WirePanel } from './modules/wire-panel.js';

/** What the button says at each step of a payment, unless the platform has words of its own. */
const STEPS = {
  session: 'Getting ready…',
  charge: 'Asking your bank…',
  confirm: 'Waiting for the platform…',
};

// The form itself never sends anything, whatever happens later. This page decides itself between a token and a payment, so
// it hears of a press before the card form, which would make a token and submit it.
addEventListener(
  'submit',
  (event) => {
    if (event.target !== payForm) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (state.card) void press();
  },
  true,
);

void start();

async function start() {
  state.panel = new WirePanel({
    sealedIn: (body) => firstOf((platform) => platform.sealed?.(body)),
    wordsOf: (body) => firstOf((platform) => platform.sealed?.(body) && platform.sealedWords),
    callOf,
  });
  watch({
    cardDigits: () => (state.card ? state.card.digits : ''),
    takesClearCard,
    secrets: () => state.platforms.flatMap((platform) => platform.secrets ?? []),
    callOf,
    onSend: (request) => state.checkout?.sending(request),
    onChange: (record) => {
      state.panel.show(record);
      tellOf(record);
    },
  });
  const demo = readDemo();
  let cardseal;
  try {
    [cardseal] = await Promise.all([import('/pkg/index.js'), import('/pkg/card-form.js'), demo]);
  } catch (error) {
    byId('boot').hidden = true;
    showLoadFailure(error);
    return;
  }
  makeParts(cardseal);
  byId('boot').hidden = true;
  byId('pay-fields').disabled = false;
  payForm.dataset.ready = 'true';
  wireControls();
  choosePlatform(state.platform);
  addEventListener('pageshow', (event) => {
    if (event.persisted) void welcome();
  });
  await welcome();
}

function makeParts(cardseal) {
  state.card = new Card(state.platform, {
    open: (options) => state.checkout.openSession(options),
    wanted: sessionOptions,
    onEdit: () => {
      if (!state.busy) clearNotice(notice);
    },
    onShut: (error) => {
      byId('pay-fields').disabled = true;
      showLoadFailure(error);
    },
  });
  state.frame = new CardFrame();
  state.checkout = new Checkout(cardseal, state.card, (step) => {
    // The card has become a token, which nobody should take back while it is charged.
    if (step === 'charge' && state.card.state === 'done') state.card.disabled = true;
    const words = state.platform.steps[step] ?? STEPS[step];
    if (words) showStep(words);
  });
  // GreenPay names only two brands; for the others, the first digits decide.
  state.brandOf = (token) => token?.brand ?? brandOfDigits(cardseal, token?.bin ?? '');
  state.lists = savedCards({
    customer: CUSTOMER,
    money: payWith,
    brandOf: state.brandOf,
    several: () => state.platforms.length > 1,
    onPay: paySaved,
    onUpdate: startUpdate,
    onAction: () => state.panel.begin(),
  });
  onChange(() => {
    if (!state.busy) void state.lists.refresh();
  });
}
