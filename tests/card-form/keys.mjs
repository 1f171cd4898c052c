// A keyboard, in every engine: the same presses through Playwright or through WebDriver.

import { launch } from '../browser/harness.mjs';
import { launchFirefox, launchWebKit } from '../browser/webdriver.mjs';

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
