// A page in Firefox, with as much of Playwright's page as the attacks on isolated fields use: Playwright brings a Firefox
// of its own, which is not what shoppers have. Everything goes over WebDriver.

import { until } from '../browser/harness.mjs';
import { launchFirefox } from '../browser/webdriver.mjs';
import { withKeys } from './keys.mjs';

const FRAME = 'iframe.cardseal-frame';
const UP = { type: 'pointerUp', button: 0 };
const moved = (x, y) => ({ type: 'pointerMove', x: Math.round(x), y: Math.round(y), duration: 100 });

/** One Firefox for all pages. */
export async function launchPages() {
  // As if the shopper had let the page read the clipboard, which other drivers can say by themselves.
  const driver = withKeys(await launchFirefox({ prefs: { 'dom.events.testing.asyncClipboard': true } }));
  const call = (method, route, body) => driver.send(method, `${driver.session}/${route}`, body);
  const pointer = (actions) =>
    call('POST', 'actions', {
      actions: [{ type: 'pointer', id: 'mouse', parameters: { pointerType: 'mouse' }, actions }],
    });
  // Without a window the session is over.
  const home = await call('GET', 'window');
  let current = home;
  const show = async (handle) => {
    if (handle !== current) await call('POST', 'window', { handle });
    current = handle;
  };

  /** `evaluate` runs in the page's own realm and not in the driver's, as what a script of the page finds there differs. */
  const inside = async (body, arg) =>
    driver.run(`(body, arg) => window.eval('(' + body + ')')(arg)`, String(body), arg ?? null);

  const opened = (handle, isolated) => {
    const at = async (frame, work) => {
      await show(handle);
      await driver.enter(null);
      if (frame) await driver.enter(frame);
      return work();
    };
    const inFields = (work) => at(isolated ? FRAME : null, work);
    const evaluate = (body, arg) => at(null, () => inside(typeof body === 'string' ? `() => (${body})` : body, arg));
    /** Where the keys go: into the frame, if that has the focus. */
    const typing = async (work) => {
      const frame = await evaluate(() => document.activeElement?.tagName === 'IFRAME');
      return at(frame ? FRAME : null, work);
    };
    const element = (place, selector) => ({
      click: () => place(() => driver.click(selector)),
      inputValue: () => place(() => driver.value(selector)),
      isDisabled: () => place(() => driver.run('(selector) => document.querySelector(selector).disabled', selector)),
      getAttribute: (name) =>
        place(() =>
          driver.run('(selector, name) => document.querySelector(selector).getAttribute(name)', selector, name),
        ),
      count: () => place(() => driver.run('(selector) => document.querySelectorAll(selector).length', selector)),
      // Not as text, which the policy of the fields forbids to evaluate.
      evaluate: (body) =>
        place(() => driver.run(`(selector) => (${body})(document.querySelector(selector))`, selector)),
      boundingBox: async () => {
        const box = (found) =>
          driver.run('(found) => document.querySelector(found).getBoundingClientRect().toJSON()', found);
        const { x, y, width, height } = await place(() => box(selector));
        const around = isolated ? await at(null, () => box(FRAME)) : { x: 0, y: 0 };
        return { x: x + around.x, y: y + around.y, width, height };
      },
      waitFor: () =>
        until(selector, () =>
          place(() =>
            driver.run('(selector) => document.querySelector(selector)?.getClientRects().length > 0', selector),
          ).catch(() => false),
        ),
    });
    const page = {
      evaluate,
      goto: (url) => at(null, () => driver.open(url)),
      waitForFunction: (body, arg) => until(String(body), () => evaluate(body, arg)),
      keyboard: {
        press: (combination) => typing(() => driver.press(combination)),
        type: (text, { delay } = {}) => typing(() => driver.write(text, delay)),
      },
      mouse: {
        click: (x, y) => at(null, () => pointer([moved(x, y), { type: 'pointerDown', button: 0 }, UP])),
        move: (x, y) => at(null, () => pointer([moved(x, y)])),
        down: () => at(null, () => pointer([{ type: 'pointerDown', button: 0 }])),
        up: () => at(null, () => pointer([UP])),
      },
      bringToFront: () => show(handle),
      locator: (selector) => element((work) => at(null, work), selector),
      close: async () => {
        await show(handle);
        await call('DELETE', 'window');
        current = null;
        await show(home);
      },
    };
    return {
      page,
      field: (name) => element(inFields, `[data-field="${name}"] :is(input, select)`),
      /** Until a field has this label. */
      labelled: (text) =>
        until(`the label ${text}`, () =>
          inFields(() =>
            driver.run(
              `(text) => [...document.querySelectorAll('label')].some(
                ({ textContent, control }) => textContent.trim() === text && control?.getClientRects().length > 0)`,
              text,
            ),
          ),
        ),
      within: (selectors, body) =>
        at(null, async () => {
          for (const selector of selectors) await driver.enter(selector);
          return driver.run(String(body));
        }),
    };
  };

  return {
    /** A window of its own, which forgets at its end what a page left in the browser. */
    async open(isolated) {
      const { handle } = await call('POST', 'window/new', { type: 'tab' });
      const it = opened(handle, isolated);
      const more = [];
      return {
        ...it,
        newPage: async () => {
          const { handle: other } = await call('POST', 'window/new', { type: 'tab' });
          const { page } = opened(other, false);
          return page;
        },
        /** The window that opens next. */
        opening: async (work) => {
          const before = await call('GET', 'window/handles');
          await work();
          const found = await until('a window', async () =>
            (await call('GET', 'window/handles')).find((one) => !before.includes(one)),
          );
          const { page } = opened(found, false);
          more.push(page);
          return page;
        },
        close: async () => {
          for (const page of more) await page.close();
          await it.page
            .evaluate(async () => {
              const found = (await navigator.serviceWorker?.getRegistrations?.()) ?? [];
              for (const one of found) await one.unregister();
            })
            .catch(() => {});
          await it.page.close();
        },
      };
    },
    close: () => driver.close(),
  };
}
