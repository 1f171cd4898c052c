// A keyboard, in every engine: the same presses through Playwright or through WebDriver.

import { launch, startAll, until, VISA } from '../browser/harness.mjs';
import { launchFirefox, launchWebKit } from '../browser/webdriver.mjs';
import { shop } from './shop.mjs';

/** What WebDriver calls the keys that have no character. */
const KEYS = {
  Backspace: '\ue003',
  Tab: '\ue004',
  Enter: '\ue007',
  Shift: '\ue008',
  Control: '\ue009',
  Escape: '\ue00c',
  End: '\ue010',
  Home: '\ue011',
  ArrowLeft: '\ue012',
  ArrowUp: '\ue013',
  ArrowRight: '\ue014',
  ArrowDown: '\ue015',
  Delete: '\ue017',
};

/** Adds `press('Shift+Tab')` and `write('text')`, key by key, to a browser that is driven by WebDriver. */
function withKeys(driver) {
  const send = (actions) =>
    driver.send('POST', `${driver.session}/actions`, { actions: [{ type: 'key', id: 'keyboard', actions }] });
  return Object.assign(driver, {
    async press(combination) {
      const keys = combination.split('+').map((name) => KEYS[name] ?? name);
      await send([
        ...keys.map((value) => ({ type: 'keyDown', value })),
        ...keys.reverse().map((value) => ({ type: 'keyUp', value })),
      ]);
    },
    async write(text) {
      await send(
        [...text].flatMap((value) => [
          { type: 'keyDown', value },
          { type: 'keyUp', value },
        ]),
      );
    },
  });
}

/** The same for Playwright: one page, and functions that come as text. */
async function playwright() {
  const browser = await launch();
  const context = await browser.newContext();
  const page = await context.newPage();
  return {
    page,
    context,
    open: (url) => page.goto(url),
    run: (body, ...args) => page.evaluate(`(${body})(...${JSON.stringify(args)})`),
    press: (combination) => page.keyboard.press(combination),
    write: (text) => page.keyboard.type(text),
    close: () => browser.close(),
  };
}

export const ENGINES = {
  Chromium: playwright,
  Firefox: async () => withKeys(await launchFirefox()),
  WebKit: async () => withKeys(await launchWebKit()),
};

// What the page's form would submit, in place of leaving the page.
const KEEP = `
  globalThis.orders = [];
  document.getElementById('shop').addEventListener('submit', (event) => {
    event.preventDefault();
    orders.push([...new FormData(event.target, event.submitter).entries()]);
  });`;

/** Everything in a browser of one engine, with what the tests say about it. */
export async function startIn(engine) {
  const all = await startAll({
    platforms: ['greenpay', 'online_payments', 'ccbill'],
    settings: ({ page }) => ({ online_payments: { return_url: page } }),
    browser: ENGINES[engine],
  });
  await all.sandbox.of('online_payments').settings({ co_branded_bins: ['401200'], products: [1, 2, 3, 130] });
  const { browser } = all;
  let pages = 0;
  const keys = {
    all,
    browser,
    press: async (...names) => {
      for (const name of names) await browser.press(name);
    },
    write: (text) => browser.write(text),
    run: (body, ...args) => browser.run(body, ...args),
    /** Where the focus is, by name, by class, or by text. */
    where: () =>
      browser.run(`() => {
        const { activeElement: at } = document;
        return at.name || at.className || at.getAttribute('data-field') || at.textContent;
      }`),
    value: (field) =>
      browser.run(`(field) => document.querySelector('[data-field="' + field + '"] .cardseal-input').value`, field),
    caret: () => browser.run('() => [document.activeElement.value, document.activeElement.selectionStart]'),
    state: () => browser.run('() => document.getElementById("card").dataset.state'),
    orders: () => browser.run('() => globalThis.orders'),
    focus: (field) =>
      browser.run(`(field) => document.querySelector('[data-field="' + field + '"] .cardseal-input').focus()`, field),
    async open(attributes = 'platform="greenpay" required', script = '') {
      const address = `/keys-${++pages}`;
      all.front.pages[address] = shop({ attributes, before: KEEP, script });
      await browser.open(all.url + address);
      await until('the form', async () => (await keys.state()) === 'empty');
      await browser.run(`() => document.querySelector('[name="note"]').focus()`);
    },
    async fill(card = VISA) {
      for (const field of ['number', 'expiry', 'cvc', 'holder']) {
        await keys.focus(field);
        await keys.write(card[field]);
      }
      await until('a valid card', async () => (await keys.state()) === 'valid');
    },
  };
  return keys;
}
