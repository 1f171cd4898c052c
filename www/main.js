// The checkout page. The package is imported the way any shop's page would import it.

import { comeBack, forgetAway, isPage, leave } from './modules/away.js';
import { CardForm } from './modules/card-form.js';
import { CardFrame } from './modules/card-frame.js';
import { Checkout, InDoubt, Intent } from './modules/checkout.js';
import { CustomerForm } from './modules/customer-form.js';
import { announce, byId, clearNotice, fillNotice, make, say } from './modules/dom.js';
import { parseAmount, priceIn, showMoney } from './modules/money.js';
import { offered, platformOf } from './modules/platforms.js';
import * as server from './modules/server.js';
import { ShopLists } from './modules/shop-lists.js';
import { watch } from './modules/traffic.js';
import { WirePanel } from './modules/wire-panel.js';
import { brandName, codesOf, declineWords, failureWords } from './modules/words.js';

const CUSTOMER = 'demo-shopper';
const DESCRIPTION = 'House blend coffee';

const payForm = byId('pay-form');
const payButton = byId('pay');
const notice = byId('notice');
const callOf = (url) => first((one) => one.calls?.find(([pattern]) => pattern.test(url.pathname))?.[1]);
const panel = new WirePanel({
  sealedIn: (body) => first((one) => one.sealed?.(body)),
  wordsOf: (body) => first((one) => one.sealed?.(body) && one.sealedWords),
  callOf,
});

let form = null;
let person = null;
let frame = null;
let checkout = null;
let lists = null;
let brandOf = () => null;
let busy = false;
/** What `GET /v1/demo` says. */
let facts = {};
let platforms = [];
let platform = null;
/** The payment that the person means to make; lives until it has an outcome or its details change. */
let intent = null;
/** The stored card that is the one in the form, after its charge was declined: a second try stores no second one. */
let kept = null;
/** The saved card that the form replaces, or null. */
let updating = null;

// Whatever happens later, the form itself never sends anything.
payForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (form) void press();
});

void boot();

async function boot() {
  watch({
    cardDigits: () => form?.digits ?? '',
    takesClearCard,
    secrets: () => platforms.flatMap((one) => one.secrets ?? []),
    callOf,
    onChange: (record) => panel.show(record),
  });
  const demo = showDemo();
  let cardseal;
  try {
    cardseal = await import('/pkg/index.js');
    await Promise.all([cardseal.load(), demo]);
  } catch (error) {
    byId('boot').hidden = true;
    showLoadFailure(error);
    return;
  }
  form = new CardForm(cardseal, { platform, onEdit });
  person = new CustomerForm(cardseal.checkCustomer, () => {
    intent = null;
    kept = null;
  });
  frame = new CardFrame();
  checkout = new Checkout(cardseal, (step) => {
    const words = platform.steps[step] ?? STEPS[step];
    if (words) byId('pay-words').textContent = words;
  });
  // GreenPay names two brands; the first digits tell the others.
  brandOf = (token) => token?.brand ?? cardseal.candidateBrands(token?.bin ?? '')[0] ?? null;
  lists = new ShopLists({
    customer: CUSTOMER,
    money: chargeOn,
    brandOf,
    several: () => platforms.length > 1,
    onCharge: chargeSaved,
    onUpdate: startUpdate,
    onGo: goToBank,
    onAction: () => {
      panel.begin();
      intent = null;
      kept = null;
    },
  });
  byId('boot').hidden = true;
  byId('pay-fields').disabled = false;
  byId('pay-form').dataset.ready = 'true';
  wireControls();
  choosePlatform(platform);
  addEventListener('pageshow', (event) => {
    if (event.persisted) void welcome();
  });
  await welcome();
}

const SAVE_HINT = byId('save-hint').textContent;
const RELAY_HINT = byId('way-relay-hint').textContent;

const STEPS = {
  session: 'Getting ready…',
  charge: 'Asking your bank…',
  confirm: 'Waiting for the platform…',
  renewed: 'Renewing the page…',
};

// ------------------------------------------------------------------------------------------- before anything

async function showDemo() {
  try {
    facts = await server.demo();
    const all = Object.values(facts.platforms ?? {});
    const sandbox = all.length > 0 ? all.every((one) => one.sandbox) : facts.sandbox;
    byId('demo-text').replaceChildren(
      make('strong', {}, 'This is a demo.'),
      sandbox
        ? ' The bank is simulated and no money moves. Anyone who opens this page can charge and delete the cards saved here, so never type a real one.'
        : ' Anyone who opens this page can charge and delete the cards saved here, so never type a real one.',
    );
    byId('demo-banner').hidden = false;
  } catch {
    // Without the banner the page still works; a dead server shows with the lists.
  }
  platforms = await offered(facts);
  [platform] = platforms;
}

function showLoadFailure(error) {
  const blocked = webAssemblyBlocked();
  const [heading, ...advice] =
    typeof WebAssembly !== 'object'
      ? [
          'This browser cannot run WebAssembly.',
          'This page needs it to check and encrypt your card, so you cannot pay here. Please use a newer browser.',
        ]
      : blocked
        ? [
            'This page’s security policy blocks WebAssembly.',
            'For the shop: the Content-Security-Policy header lacks ',
            make('code', {}, "'wasm-unsafe-eval'"),
            ' in ',
            make('code', {}, 'script-src'),
            '. Nothing else needs to change.',
          ]
        : [
            'The part of this page that encrypts your card did not load.',
            'Check your connection and try again. For the shop: ',
            make('code', {}, '/pkg/'),
            ' must serve the built package (',
            make('code', {}, 'npm run build'),
            '), and the policy must allow ',
            make('code', {}, "script-src 'self'"),
            ' and ',
            make('code', {}, "connect-src 'self'"),
            '.',
          ];
  const box = make(
    'div',
    { class: 'notice notice-bad', role: 'alert', id: 'load-failure', 'data-code': error?.code ?? 'import_failed' },
    make('p', {}, make('strong', {}, heading)),
    make('p', {}, ...advice),
    make('p', {}, 'Nothing was sent and nothing was charged.'),
    make('button', { type: 'button', class: 'link', onclick: () => location.reload() }, 'Load the page again'),
  );
  byId('boot').after(box);
}

/** Compiles the smallest module there is: an empty one. */
function webAssemblyBlocked() {
  try {
    return !new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  } catch {
    return true;
  }
}

// ------------------------------------------------------------------------------------------------- controls

function wireControls() {
  // A field that is left may get words below it, and the button would move from under the pointer before it is let go.
  payButton.addEventListener('mousedown', (event) => event.preventDefault());
  byId('save-card').addEventListener('change', () => {
    intent = null;
    form.kind = kind();
    drawSaving();
    drawMoney();
  });
  for (const radio of document.querySelectorAll('input[name="way"]'))
    radio.addEventListener('change', () => chooseWay(way()));
  byId('amount').addEventListener('input', () => {
    byId('amount').dataset.touched = 'true';
    intent = null;
    drawMoney();
  });
  byId('amount').addEventListener('blur', () => showAmountProblem());
  byId('currency').addEventListener('change', () => {
    if (!byId('amount').dataset.touched) byId('amount').value = priceIn(byId('currency').value);
    intent = null;
    drawMoney();
  });
  byId('stop-updating').addEventListener('click', () => {
    stopUpdate();
    form.focus();
  });
  byId('result-next').addEventListener('click', () => {
    forgetAway();
    showForm();
    if (elsewhere()) focusPay();
    else form.focus();
  });
  byId('capture-later').addEventListener('change', () => {
    intent = null;
    drawMoney();
  });
  byId('platforms').append(...platforms.map(platformRadio));
}

function platformRadio(one) {
  const id = `platform-${one.id}`;
  return make(
    'div',
    { class: 'radio' },
    make('input', {
      type: 'radio',
      name: 'platform',
      id,
      value: one.id,
      autocomplete: 'off',
      checked: one === platform,
      'aria-describedby': `${id}-hint`,
      onchange: () => choosePlatform(one),
    }),
    make('label', { for: id }, one.name),
    make('p', { class: 'hint', id: `${id}-hint` }, one.hint),
  );
}

/** The same form, by another platform's rules. What was typed stays. */
function choosePlatform(next) {
  if (updating && next.id !== updating.platform) stopUpdate();
  platform = next;
  intent = null;
  kept = null;
  const radio = byId(`platform-${platform.id}`);
  if (radio) radio.checked = true;
  clearNotice(notice);
  form.platform = platform;
  byId('promise-at-button').textContent = platform.promiseAtButton;
  byId('platform-warning').textContent = platform.warning ?? '';
  byId('save-hint').textContent = platform.saveHint ?? SAVE_HINT;
  drawWays();
  form.kind = kind();
  drawSaving();
  drawCurrencies();
  drawMoney();
  drawFrame();
}

/** The platform's form stands there while it is the way that was chosen. Each is good for one card. */
function drawFrame({ anew = false } = {}) {
  if (way() !== 'frame' || updating || payForm.hidden) {
    frame.unmount();
  } else if (anew || !frame.mounted) {
    const { id } = platform;
    void frame.mount(
      () => checkout.openFrame({ platform: id, customer: CUSTOMER }),
      platform.frameScript(factsOf(platform)),
    );
  }
}

function chooseWay(wished) {
  intent = null;
  wishedWay = wished;
  drawWays();
  form.kind = kind();
  drawSaving();
  drawMoney();
  drawFrame();
}

/** Where the card is not typed here, a press cannot fill it in: the numbers stand there to be typed elsewhere. */
function drawTestCards() {
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
  byId('cards-declined-words').textContent = platform.cards.declined.some((card) => card.amount)
    ? 'Amounts that the bank declines'
    : 'Cards that the bank declines';
  byId('cards-hint').textContent = elsewhere()
    ? 'Type one into the platform’s form, with any future date and any code.'
    : 'Click a card to fill the form.';
  byId('cards-approved').replaceChildren(...platform.cards.approved.map(chip));
  byId('cards-declined').replaceChildren(...platform.cards.declined.map(chip));
}

/** What the first platform says that has something to say, or null. */
function first(ask) {
  for (const one of platforms) {
    const said = ask(one);
    if (said) return said;
  }
  return null;
}

/** A way that the platform does not have cannot be chosen; that the shop's server is none, the page says. */
function drawWays() {
  const relayed = platform.ways.includes('relay');
  byId('way-relay').disabled = !relayed;
  byId('way-relay-hint').hidden = !relayed;
  byId('way-relay-hint').textContent = platform.relayHint ?? RELAY_HINT;
  byId('way-relay-not').hidden = relayed;
  byId('way-relay-not').textContent =
    `Not offered: ${platform.name} accepts the card only from the browser, so it never passes through the shop’s server.`;
  byId('way-relay').setAttribute('aria-describedby', relayed ? 'way-relay-hint' : 'way-relay-not');
  for (const one of ['direct', 'page', 'frame']) byId(`way-${one}-row`).hidden = !platform.ways.includes(one);
  byId(`way-${platform.ways.includes(wishedWay) ? wishedWay : platform.ways[0]}`).checked = true;
  drawTestCards();
}

function drawSaving() {
  byId('platforms').hidden = platforms.length < 2 || updating !== null || payForm.hidden;
  byId('card-fields').hidden = elsewhere();
  byId('elsewhere').hidden = way() !== 'page';
  byId('elsewhere').textContent =
    `You type your card on a page of ${platform.name} and come back here after you have paid.`;
  byId('promise-at-button').hidden = elsewhere();
  byId('promise').textContent = elsewhere() ? `Your card goes to ${platform.name} only` : platform.promise;
  byId('save-row').hidden = updating !== null || !platform.paysOnce || elsewhere();
  byId('kept-hint').hidden = updating !== null || !saves() || (platform.paysOnce && way() !== 'frame');
  byId('platform-warning').hidden = !platform.warning || payForm.hidden;
  byId('customer-for').textContent = platform.name;
  byId('save-hint').textContent =
    platform.keeps ?? 'The shop keeps a token and the last four digits, never the number.';
  person.wanted = platform.asksCustomer === true && updating === null && !elsewhere();
  byId('later-row').hidden = updating !== null || !platform.parts || !(saves() || platform.holdsOnce);
}

function drawCurrencies() {
  const select = byId('currency');
  const before = select.value;
  const list = currenciesOf(platform);
  select.replaceChildren(...list.map((code) => make('option', { value: code }, code)));
  select.value = list.includes(before) ? before : list[0];
  if (select.value !== before && !byId('amount').dataset.touched) byId('amount').value = priceIn(select.value);
}

const factsOf = ({ id }) => facts.platforms?.[id] ?? {};

/** What the shop has an account for, if the server says so; some platforms alone know, and answer when asked. */
function currenciesOf(one) {
  const { currencies } = factsOf(one);
  const said = Array.isArray(currencies) ? currencies : [];
  const list = said.length === 0 || one.anyCurrency ? [...new Set([...said, ...(one.currencies ?? [])])] : said;
  // The familiar one first, for the choice begins with it.
  return list.includes('USD') ? ['USD', ...list.filter((code) => code !== 'USD')] : list;
}

/** The name of the platform whose own format wants the card in clear at this address, or null. */
function takesClearCard(url) {
  return platforms.find((one) => one.takesClearCard?.(factsOf(one), url))?.name ?? null;
}

/** What pressing Charge beside a saved card of a platform would do. */
function chargeOn(id) {
  const { amount, currency } = readMoney();
  const there = platformOf(id);
  if (there.cardAgain) return { charge: 'Needs the card again', offered: false };
  if (!currenciesOf(there).includes(currency)) return { charge: `Not in ${currency}`, offered: false };
  const verb = capture(there) === 'later' ? 'Authorize' : 'Charge';
  return { charge: chargeWords(verb, amount, currency), offered: true };
}

/** In some simulations the bank decides by the amount. */
function useTestAmount({ amount, label }) {
  if (busy) return;
  if (payForm.hidden) showForm();
  byId('currency').value = 'USD';
  byId('amount').value = amount;
  byId('amount').dispatchEvent(new Event('input', { bubbles: true }));
  announce(`The amount is now ${showMoney(amount, 'USD')}: ${label}.`);
}

function useTestCard(card) {
  if (busy) return;
  if (payForm.hidden) showForm();
  form.fill(card);
  clearNotice(notice);
  announce(`Filled in the test card ending in ${card.last4}.`);
  payButton.focus();
}

/** The first key in the form opens a session in the background; any key may make the intended payment another one. */
function onEdit() {
  intent = null;
  kept = null;
  if (kind() !== 'payment') checkout.warmUp(storeOptions());
}

const way = () => document.querySelector('input[name="way"]:checked').value;
/** The way chosen by hand, for when a platform that has it is chosen again. */
let wishedWay = 'relay';
/** Whether the card is typed in a form of the platform's. */
const elsewhere = () => !updating && ['page', 'frame'].includes(way());
const saves = () => way() !== 'page' && (!platform.paysOnce || way() === 'frame' || byId('save-card').checked);
const kind = () => (updating ? 'update' : saves() ? 'tokenize' : 'payment');
const storeOptions = () => ({
  platform: platform.id,
  ...(updating
    ? { kind: 'update', mode: way(), token: updating.id }
    : { kind: 'tokenize', mode: way(), customer: CUSTOMER }),
});
/** Left out to be paid at once. A card that is not kept is, with most platforms. */
const capture = (one) =>
  one.parts && platform.parts && (saves() || platform.holdsOnce) && byId('capture-later').checked ? 'later' : undefined;
function readMoney() {
  const currency = byId('currency').value;
  return { amount: parseAmount(byId('amount').value, currency), currency };
}

function drawMoney() {
  const { amount, currency } = readMoney();
  if (amount) {
    say(byId('amount-error'), '');
    byId('amount').removeAttribute('aria-invalid');
    byId('total').textContent = showMoney(amount, currency);
  } else {
    byId('total').textContent = '–';
  }
  drawButton();
  lists?.draw();
}

function drawButton() {
  const { amount, currency } = readMoney();
  byId('pay-words').textContent =
    way() === 'page' && !updating
      ? `${chargeWords('Pay', amount, currency)} at ${platform.name}`
      : updating
        ? 'Save the new card'
        : chargeWords(capture(platform) === 'later' ? 'Authorize' : 'Pay', amount, currency);
}

const chargeWords = (verb, amount, currency) => (amount ? `${verb} ${showMoney(amount, currency)}` : verb);

function showAmountProblem(when) {
  const wrong = readMoney().amount === null;
  const words = `Type an amount above zero, such as ${priceIn(byId('currency').value)}, without thousands separators.`;
  say(byId('amount-error'), wrong ? words : '', when);
  if (wrong) byId('amount').setAttribute('aria-invalid', 'true');
  return wrong;
}

function setBusy(on) {
  busy = on;
  payButton.disabled = on;
  payForm.classList.toggle('busy', on);
  payForm.setAttribute('aria-busy', String(on));
  form.frozen = on;
  person.frozen = on;
  frame.frozen = on;
  for (const control of document.querySelectorAll(
    '#save-card, #capture-later, #amount, #currency, #ways input, #platforms input, #stop-updating',
  ))
    control.disabled = on;
  if (!on) drawWays();
  lists.busy = on;
  if (!on) drawButton();
}

// -------------------------------------------------------------------------------------------------- the press

async function press() {
  if (busy) return;
  clearNotice(notice);
  const wrong = elsewhere() ? [] : form.check();
  const unsaid = person.check({ focus: wrong.length === 0 });
  if (!updating && showAmountProblem('never') && wrong.length + unsaid === 0) byId('amount').focus();
  const count = wrong.length + unsaid + (!updating && readMoney().amount === null ? 1 : 0);
  if (count > 0) {
    announce(count === 1 ? 'One field needs your attention.' : `${count} fields need your attention.`);
    return;
  }
  setBusy(true);
  panel.begin();
  let left = false;
  try {
    if (updating) await replaceCard();
    else left = await (way() === 'page' ? payThere() : way() === 'frame' ? payInFrame() : pay());
  } finally {
    if (!left) setBusy(false);
  }
  if (!left) await lists.refresh();
}

function newIntent(on = platform) {
  return new Intent({
    platform: on.id,
    ...readMoney(),
    description: DESCRIPTION,
    customer: CUSTOMER,
    person: person.read(),
    way: way(),
    capture: capture(on),
  });
}

/** Pays with the card that was typed. True if the person is on the way to another page. */
async function pay() {
  const save = saves();
  if (!intent) {
    intent = newIntent();
    if (save) intent.token = kept;
  }
  const asked = intent;
  try {
    const payment = await (save ? checkout.payAndSave(form.read(), asked) : checkout.payOnce(form.read(), asked));
    kept = save ? asked.token : null;
    if (goesOn(payment, { saved: save })) return true;
    showOutcome(payment, { saved: save });
  } catch (error) {
    if (save) kept = asked.token;
    if (error instanceof InDoubt) showDoubt(error, asked, { saved: save });
    else showFailure(error, asked.token ? 'The card is saved, but nothing was charged.' : 'Nothing was charged.');
  }
  return false;
}

// ------------------------------------------------------------------------------------- away, and back again

/** To the platform's own page. True if the person is on the way there. */
async function payThere() {
  const asked = newIntent();
  try {
    const session = await checkout.openPage(asked, `${location.origin}${location.pathname}`);
    if (!isPage(session.redirectUrl)) throw new server.ServerError('platform_answer_invalid');
    goTo(session.redirectUrl, {
      platform: asked.platform,
      way: 'page',
      session: session.id,
      key: asked.key,
      amount: asked.amount,
      currency: asked.currency,
    });
    return true;
  } catch (error) {
    showFailure(error, 'Nothing was charged.');
    return false;
  }
}

/** With the card in the platform's form. True if the person is on the way to another page. */
async function payInFrame() {
  const asked = newIntent();
  try {
    byId('pay-words').textContent = platform.steps.verify ?? STEPS.session;
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
    asked.token = (await checkout.confirmFrame(session)).id;
    const payment = await checkout.charge(asked);
    if (goesOn(payment, { saved: true })) return true;
    showOutcome(payment, { saved: true });
  } catch (error) {
    if (error instanceof InDoubt) showDoubt(error, asked, { saved: true });
    else
      showFailure(
        error,
        asked.token ? 'The card is saved: you can charge it below. Nothing was charged yet.' : 'Nothing was charged.',
      );
  }
  // What is typed next is another card, also where this one was declined.
  drawFrame({ anew: true });
  return false;
}

/** A bank may want to see the person before it decides. True if the person is on the way there. */
function goesOn(payment, { saved }) {
  const url = payment.status === 'unknown' ? payment.redirect?.url : null;
  if (!isPage(url)) return false;
  goTo(url, {
    platform: payment.platform,
    way: way(),
    payment: payment.id,
    saved,
    amount: payment.amount,
    currency: payment.currency,
  });
  return true;
}

/** To the bank's page of a payment that waits there. */
function goToBank({ platform: id, id: payment, amount, currency, redirect }) {
  leave(redirect.url, { platform: id, payment, amount, currency });
}

function goTo(url, note) {
  byId('pay-words').textContent = platformOf(note.platform).steps.leave ?? 'Going on…';
  forget();
  leave(url, note);
}

/** The page has begun, or is shown again after the person was on another one. */
async function welcome() {
  const note = comeBack((query) => first((one) => one.returned?.(query)));
  if (busy) setBusy(false);
  if (!note) {
    await lists.refresh();
    return;
  }
  if (note.platform && platforms.includes(platformOf(note.platform))) {
    choosePlatform(platformOf(note.platform));
    if (note.way) chooseWay(note.way);
    if (note.currency) byId('currency').value = note.currency;
    if (note.amount) byId('amount').value = note.amount;
    drawMoney();
  }
  setBusy(true);
  byId('pay-words').textContent = STEPS.confirm;
  try {
    await settleAway(note);
  } finally {
    setBusy(false);
  }
  await lists.refresh();
}

/** Says how it went while the person was away. Nothing of the address is believed: the shop asks the platform. */
async function settleAway(note) {
  if (!note.payment && !note.session) {
    fillNotice(
      notice,
      'info',
      'Welcome back.',
      'This tab does not know which payment you are coming back from. The list of payments below shows how it went.',
    );
    return;
  }
  const saved = note.saved === true;
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
    showOutcome(payment, { saved });
  } catch (error) {
    if (codesOf(error).includes('page_cancelled')) {
      forgetAway();
      const { heading, advice } = failureWords(codesOf(error));
      fillNotice(notice, 'info', heading, `Nothing was charged. ${advice}`);
    } else if (error instanceof InDoubt) {
      showDoubt(error, note, { saved });
    } else {
      fillNotice(
        notice,
        'unsure',
        'We do not know yet how your payment went.',
        'The list of payments below shows it as soon as the shop knows. Please do not pay again until then.',
        make('button', { type: 'button', class: 'link', onclick: () => welcome() }, 'Ask again'),
      );
    }
  }
}

/** The payment that came of the platform's page; null while the person has not finished there. */
async function pageOutcome(note) {
  if (note.returned) {
    try {
      return await checkout.confirmPage(note);
    } catch (error) {
      if (!codesOf(error).includes('page_open')) throw error;
      return null;
    }
  }
  // Nobody came back by the way that was meant: the shop knows whether anything was paid.
  const { status, payment } = await server.session(note.session);
  if (status === 'cancelled' || status === 'expired') throw new server.ServerError('page_cancelled');
  return payment;
}

async function replaceCard() {
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

async function chargeSaved(token) {
  if (busy) return;
  if (showAmountProblem()) {
    byId('amount').focus();
    return;
  }
  const asked = newIntent(platformOf(token.platform));
  asked.token = token.id;
  panel.begin();
  setBusy(true);
  if (updating) stopUpdate();
  let left = false;
  try {
    const payment = await checkout.charge(asked);
    left = goesOn(payment, { saved: false });
    if (left) return;
    showOutcome(payment, { saved: false, stored: token });
  } catch (error) {
    if (error instanceof InDoubt) {
      showDoubt(error, asked, { saved: false });
    } else {
      const { heading, advice } = failureWords(codesOf(error), platformOf(token.platform));
      fillNotice(byId('saved-notice'), 'bad', heading, `${advice} Nothing was charged.`);
    }
  } finally {
    if (!left) setBusy(false);
  }
  await lists.refresh();
}

// ------------------------------------------------------------------------------------------------- outcomes

function showOutcome(payment, { saved, stored = null }) {
  clearNotice(byId('saved-notice'));
  if (payment.status === 'declined') {
    intent = null; // the next press is another payment
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
  const brand = payment.brand ?? (stored ? brandOf(stored) : form.brand);
  // Not every platform says whose card it was; what was typed is still there.
  const last4 = payment.last4 ?? (stored ? stored.last4 : form.digits.slice(-4));
  forget();
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

/** Nothing of the card stays on the page. */
function forget() {
  intent = null;
  kept = null;
  form.clear();
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
        void lists.refresh();
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

/** The shop itself did not answer, so even it must be asked first. */
function showDoubt(error, asked, { saved }) {
  const money = showMoney(asked.amount, asked.currency);
  forget();
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
            showResult({
              tone: 'bad',
              heading: 'The payment did not go through',
              text: `${failureWords(codesOf(again)).heading} Nothing was charged. You can pay again.`,
              lines: [],
            });
            return true;
          }
          if (payment.status === 'declined') {
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
          void lists.refresh();
          return true;
        }
      : null,
    automatic: false,
    next: 'Leave it and start a new payment',
  });
}

let resultTimer = 0;
/** Counts what was shown: an answer about an earlier result, of which the person has left, changes nothing here. */
let results = 0;

function showResult({
  tone,
  heading,
  text,
  lines,
  go = null,
  check = null,
  automatic = true,
  next = 'Make another payment',
}) {
  clearTimeout(resultTimer);
  const result = byId('result');
  const own = ++results;
  const left = () => own !== results;
  payForm.hidden = true;
  drawSaving();
  drawFrame();
  result.hidden = false;
  result.dataset.tone = tone;
  byId('result-heading').textContent = heading;
  byId('result-text').textContent = text;
  byId('result-lines').replaceChildren(
    ...lines
      .filter(([, value]) => value)
      .map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))),
  );
  byId('result-next').textContent = next;
  byId('result-go').hidden = !go;
  byId('result-go').onclick = go;
  const button = byId('result-check');
  button.hidden = check === null;
  button.disabled = false;
  const run = async (pressed) => {
    clearTimeout(resultTimer);
    button.disabled = pressed;
    try {
      const known = await check(pressed, left);
      if (left()) {
        if (known) await lists.refresh();
        return;
      }
      if (known) return;
      if (pressed) announce('Still no answer from the bank.');
    } catch (error) {
      if (left()) return;
      if (pressed) announce(`${failureWords(codesOf(error)).heading} Please check again in a moment.`);
      if (pressed) byId('result-text').textContent = `${text} (${failureWords(codesOf(error)).heading})`;
    }
    button.disabled = false;
    if (automatic && !result.hidden) resultTimer = setTimeout(() => run(false), 3000);
  };
  button.onclick = check ? () => run(true) : null;
  if (check && automatic) resultTimer = setTimeout(() => run(false), 2000);
  // Nothing to ask about: the platform tells the shop, and the list shows it.
  const read = async () => {
    await lists.refresh();
    if (!left()) resultTimer = setTimeout(read, 4000);
  };
  if (!check && tone === 'unsure') resultTimer = setTimeout(read, 2000);
  result.focus();
  announce(`${heading}. ${text}`);
}

function showForm() {
  clearTimeout(resultTimer);
  results += 1;
  byId('result').hidden = true;
  payForm.hidden = false;
  drawSaving();
  drawFrame();
  clearNotice(notice);
}

function showFailure(error, whatHappened) {
  const codes = codesOf(error);
  const { heading, advice } = failureWords(codes, platform);
  fillNotice(notice, 'bad', heading, `${advice} ${whatHappened}`.trim());
  notice.dataset.code = codes[0] ?? 'unknown';
  if (error?.problems?.length > 0) form.mark(error.problems);
  else if (error?.customerProblems?.length > 0) person.check({ focus: true });
  else focusPay();
}

function focusPay() {
  payButton.disabled = false;
  payButton.focus();
}

// --------------------------------------------------------------------------------------------- updating a card

function startUpdate(token) {
  if (busy) return;
  showForm();
  updating = token;
  choosePlatform(platformOf(token.platform));
  forget();
  form.kind = 'update';
  if (token.nickname) form.nickname = token.nickname;
  byId('updating-text').replaceChildren(
    'You are replacing ',
    make('strong', {}, `${token.nickname ?? brandName(token.brand)} •••• ${token.last4 ?? ''}`),
    '. Nothing is charged.',
  );
  byId('updating').hidden = false;
  drawSaving();
  byId('pay-heading').textContent = 'Update a saved card';
  drawButton();
  byId('pay-heading').scrollIntoView({ block: 'start' });
  form.focus();
  announce('The form now updates a saved card.');
}

function stopUpdate() {
  updating = null;
  forget();
  byId('updating').hidden = true;
  drawSaving();
  byId('pay-heading').textContent = 'Pay by card';
  form.kind = kind();
  drawButton();
}
