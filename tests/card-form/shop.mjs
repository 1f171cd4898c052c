// A shop's page with the card form in a form of its own, under a strict policy, and what one does there.

import { VISA } from '../browser/harness.mjs';

/** Allows the page's own script by a nonce, and nothing else that is not the page's own origin. */
const POLICY =
  `default-src 'none'; script-src 'self' 'nonce-shop' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self' http://127.0.0.1:*; ` +
  `form-action 'self'; base-uri 'none'`;

/**
 * The page of a shop. `attributes` are the element's; `script` runs when the element is known, with the element as `card`;
 * `before` runs earlier; `around` puts something around the element; `lang` and `dir` are the page's.
 */
export function shop({ attributes = 'platform="greenpay" required', script = '', before = '', ...more } = {}) {
  const { lang = 'en', dir = 'ltr', around = (form) => form, form = 'action="/order" method="post"' } = more;
  return `<!doctype html>
<html lang="${lang}" dir="${dir}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>Shop</title>
<link rel="icon" href="/icons/shop.svg">
<main>
<h1>Shop</h1>
<form id="shop" ${form}>
<p><label>Note <input name="note" value="by the door"></label></p>
${around(`<cardseal-card-form id="card" ${attributes}></cardseal-card-form>`)}
<p><button id="pay" name="way" value="card">Pay</button></p>
</form>
</main>
<script nonce="shop">
const card = document.getElementById('card');
globalThis.heard = [];
for (const name of ['ready', 'statechange', 'token', 'payment', 'failure', 'sessionexpired']) {
  card.addEventListener(name, (event) => heard.push([name, event.detail]));
}
${before}
</script>
<script type="module" nonce="shop">
import { CardForm, defineCardForm } from '/pkg/card-form.js';
globalThis.CardForm = CardForm;
globalThis.defineCardForm = defineCardForm;
${script}
</script>
</html>`;
}

let pages = 0;

/** Opens a page of the shop. What is given beside is for the page, or, in `context`, for the browser. */
export async function openShop(all, { context = {}, wait = '[data-state]:not([data-state="loading"])', ...more } = {}) {
  const address = `/shop-${++pages}`;
  all.front.pages[address] = shop(more);
  const opened = await all.open({ ready: false, url: all.url + address, ...context });
  if (wait) await opened.page.waitForSelector(`cardseal-card-form${wait}`);
  return opened;
}

export const field = (page, name) => page.locator(`[data-field="${name}"] :is(input, select)`);

/** Types like a person: key by key. */
export async function typeCard(page, card = VISA) {
  for (const name of ['number', 'expiry', 'cvc', 'holder']) {
    const input = field(page, name);
    if (card[name] && (await input.isVisible())) await input.pressSequentially(card[name]);
  }
}

export const stateOf = (page) => page.locator('#card').getAttribute('data-state');

export const inState = (page, ...states) =>
  page.waitForSelector(states.map((state) => `#card[data-state="${state}"]`).join(', '));

/** What the failures so far said of the payment, and to the customer. */
export const failures = (page) =>
  page.evaluate(() =>
    globalThis.heard
      .filter(([name]) => name === 'failure')
      .map(([, { error, message }]) => ({
        message,
        outcomeUnknown: error.outcomeUnknown,
        retryable: error.retryable,
      })),
  );

/** The events of the element so far, each with its details. */
export const heard = (page, name) =>
  page.evaluate(
    (wanted) => globalThis.heard.filter(([one]) => !wanted || one === wanted).map(([, detail]) => detail),
    name,
  );
