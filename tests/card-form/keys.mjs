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
export function withKeys(driver) {
  const send = (actions) =>
    driver.send('POST', `${driver.session}/actions`, { actions: [{ type: 'key', id: 'keyboard', actions }] });
  return Object.assign(driver, {
    async press(combination) {
      const keys = combination.split('+').map((name, at) => KEYS[name] ?? (at > 0 ? name.toLowerCase() : name));
      await send([
        ...keys.map((value) => ({ type: 'keyDown', value })),
        ...keys.reverse().map((value) => ({ type: 'keyUp', value })),
      ]);
    },
    async write(text, delay = 0) {
      await send(
        [...text].flatMap((value) => [
          { type: 'keyDown', value },
          { type: 'keyUp', value },
          ...(delay > 0 ? [{ type: 'pause', duration: delay }] : []),
        ]),
      );
    },
  });
}

/** The same for Playwright: one page, and functions that come as text. */
async function playwright({ dark = false } = {}) {
  const browser = await launch();
  const context = await browser.newContext({ colorScheme: dark ? 'dark' : 'light' });
  const page = await context.newPage();
  let where = page;
  return {
    page,
    context,
    open: (url) => page.goto(url),
    enter: async (selector) => {
      where = selector ? await (await page.waitForSelector(selector)).contentFrame() : page;
    },
    run: (body, ...args) => where.evaluate(`(${body})(...${JSON.stringify(args)})`),
    press: (combination) => page.keyboard.press(combination),
    write: (text) => page.keyboard.type(text),
    close: () => browser.close(),
  };
}

export const ENGINES = {
  Chromium: playwright,
  Firefox: async (system) => withKeys(await launchFirefox(system)),
  WebKit: async (system) => withKeys(await launchWebKit(system)),
};

// What the page's form would submit, in place of leaving the page.
const KEEP = `
  globalThis.orders = [];
  document.getElementById('shop').addEventListener('submit', (event) => {
    event.preventDefault();
    orders.push([...new FormData(event.target, event.submitter).entries()]);
  });`;

/** Everything in a browser of one engine, with what the tests say about it. `system` may be dark. */
export async function startIn(engine, system) {
  const all = await startAll({
    platforms: ['greenpay', 'gp_api', 'online_payments', 'ccbill'],
    settings: ({ page }) => ({ online_payments: { return_url: page } }),
    browser: () => ENGINES[engine](system),
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
    async open(attributes = 'platform="greenpay" required', script = '', state = 'empty') {
      const address = `/keys-${++pages}`;
      all.front.pages[address] = shop({ attributes, before: KEEP, script });
      await browser.open(all.url + address);
      await keys.is(state);
      await browser.run(`() => document.querySelector('[name="note"]').focus()`);
    },
    is: (state) => until(state, async () => (await keys.state()) === state),
    shows: (selector) =>
      until(selector, () =>
        browser.run('(selector) => document.querySelector(selector)?.getClientRects().length > 0', selector),
      ),
    async fill(card = VISA) {
      for (const field of ['number', 'expiry', 'cvc', 'holder']) {
        await keys.focus(field);
        await keys.write(card[field]);
      }
      await keys.is('valid');
    },
  };
  return keys;
}
