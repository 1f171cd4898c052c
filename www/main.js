// The checkout page. It imports the package as any shop's page would, and puts the parts of the page together.

import { goToBank } from './modules/away.js';
import { CardForm } from './modules/card-form.js';
import { CardFrame } from './modules/card-frame.js';
import { Checkout } from './modules/checkout.js';
import { choosePlatform, startUpdate, wireControls } from './modules/choices.js';
import { CustomerForm } from './modules/customer-form.js';
import { byId } from './modules/dom.js';
import { showStep } from './modules/drawing.js';
import { chargeSaved, press } from './modules/pay.js';
import { welcome } from './modules/redirects.js';
import { ShopLists } from './modules/shop-lists.js';
import { readDemo, showLoadFailure } from './modules/start.js';
import {
  CUSTOMER,
  callOf,
  chargeOn,
  firstOf,
  kind,
  newPayment,
  payForm,
  state,
  storeOptions,
  takesClearCard,
} from './modules/state.js';
import { watch } from './modules/traffic.js';
import { WirePanel } from './modules/wire-panel.js';

/** What the button says at each step of a payment, unless the platform has words of its own. */
const STEPS = {
  session: 'Getting ready…',
  charge: 'Asking your bank…',
  confirm: 'Waiting for the platform…',
  renewed: 'Renewing the page…',
};

// The form itself never sends anything, whatever happens later.
payForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (state.form) void press();
});

void start();

async function start() {
  state.panel = new WirePanel({
    sealedIn: (body) => firstOf((platform) => platform.sealed?.(body)),
    wordsOf: (body) => firstOf((platform) => platform.sealed?.(body) && platform.sealedWords),
    callOf,
  });
  watch({
    cardDigits: () => state.form?.digits ?? '',
    takesClearCard,
    secrets: () => state.platforms.flatMap((platform) => platform.secrets ?? []),
    callOf,
    onChange: (record) => state.panel.show(record),
  });
  const demo = readDemo();
  let cardseal;
  try {
    cardseal = await import('/pkg/index.js');
    await Promise.all([cardseal.load(), demo]);
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
  state.form = new CardForm(cardseal, { platform: state.platform, onEdit });
  state.person = new CustomerForm(cardseal.checkCustomer, newPayment);
  state.frame = new CardFrame();
  state.checkout = new Checkout(cardseal, (step) => {
    const words = state.platform.steps[step] ?? STEPS[step];
    if (words) showStep(words);
  });
  // GreenPay names only two brands; for the others, the first digits decide.
  state.brandOf = (token) => token?.brand ?? cardseal.candidateBrands(token?.bin ?? '')[0] ?? null;
  state.lists = new ShopLists({
    customer: CUSTOMER,
    money: chargeOn,
    brandOf: state.brandOf,
    several: () => state.platforms.length > 1,
    onCharge: chargeSaved,
    onUpdate: startUpdate,
    onGo: goToBank,
    onAction: () => {
      state.panel.begin();
      newPayment();
    },
  });
}

/** Any key may change the payment. The first one opens a session in the background. */
function onEdit() {
  newPayment();
  if (kind() !== 'payment') state.checkout.warmUp(storeOptions());
}
