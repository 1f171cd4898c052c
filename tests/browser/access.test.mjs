// For people who use a keyboard, a screen reader, a small screen, another colour scheme.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  accessibility,
  axe,
  becomes,
  deskOf,
  failure,
  field,
  followUp,
  MARKS,
  NO_MONEY,
  newestPayment,
  note,
  payWith,
  resultHeading,
  startAll,
  sticksOut,
  typeCard,
  until,
  VISA,
} from './harness.mjs';

let all;
before(async () => {
  all = await startAll();
});
after(() => all?.stop());

const withPage = (body, options) => async () => {
  const opened = await all.open(options);
  try {
    await body(opened);
  } finally {
    await opened.close();
  }
};

/** As the page is at the start, with the focus nowhere. */
const NOT_SAVED = { save: false };

const openEverything = (page) =>
  page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement } = document;
    const name = activeElement.closest('#card [data-field]')?.dataset.field;
    return name ? `card-${name}` : activeElement.id || activeElement.dataset.key || activeElement.className;
  });
/** What the form says on a press, and where the focus goes. */
const summary = '#card .cardseal-summary';

test(
  'the whole checkout works with the keyboard alone',
  withPage(async ({ page }) => {
    const order = [];
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'skip');
    for (let presses = 0; presses < 5 && (await focused(page)) !== 'card-number'; presses++) {
      await page.keyboard.press('Tab');
      order.push(await focused(page));
    }
    assert.deepEqual(order, ['to-desk', 'amount', 'currency', 'card-number']);
    for (const [id, text] of [
      ['card-number', VISA.number],
      ['card-expiry', VISA.expiry],
      ['card-cvc', VISA.cvc],
      ['card-holder', VISA.holder],
    ]) {
      assert.equal(await focused(page), id);
      await page.keyboard.type(text);
      await page.keyboard.press('Tab');
    }
    assert.equal(await focused(page), 'save-card');
    await page.keyboard.press('Space');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await focused(page), 'card-nickname', 'a card that is saved may have a name');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'pay');
    await page.keyboard.press('Enter');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal(await focused(page), 'result', 'the receipt has the focus');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'result-next');
    await page.keyboard.press('Enter');
    assert.equal(await focused(page), 'card-number');
  }, NOT_SAVED),
);

test(
  'a payment is refunded with the keyboard alone',
  withPage(async ({ page }) => {
    await payWith(page, VISA);
    const desk = await becomes(page, 'approved');
    await desk.keyboard.press('Tab');
    assert.equal(await focused(desk), 'skip');
    await desk.keyboard.press('Tab');
    assert.equal(await focused(desk), 'to-checkout');
    await desk.keyboard.press('Tab');
    assert.match(await focused(desk), /^void-pay_/);
    await desk.keyboard.press('Tab');
    assert.match(await focused(desk), /^refund-pay_/);
    await desk.keyboard.press('Enter');
    assert.equal(await focused(desk), 'ask-no', 'what costs nothing comes first');
    await desk.keyboard.press('Tab');
    await desk.keyboard.press('Enter');
    await becomes(page, 'refunded');
    await until('the heading', async () => (await focused(desk)) === 'payments-heading');
  }),
);

test(
  'Enter in a field pays',
  withPage(async ({ page }) => {
    await typeCard(page, VISA);
    await page.press(field('holder'), 'Enter');
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);

test(
  'what has the focus can be seen',
  withPage(async ({ page }) => {
    await payWith(page, VISA);
    await page.click('#result-next');
    const desk = await becomes(page, 'approved');
    for (const each of [page, desk]) {
      await each.evaluate(() => document.activeElement.blur());
      for (let presses = 0; presses < 24; presses++) {
        await each.keyboard.press('Tab');
        const seen = await each.evaluate(() => {
          const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
          return document.activeElement === document.body || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2);
        });
        assert.ok(seen, await focused(each));
      }
    }
  }),
);

test(
  'the caret stays where it is when the middle of the number is edited',
  withPage(async ({ page }) => {
    const caret = () =>
      page.evaluate(() => {
        const { value, selectionStart, selectionEnd } = document.querySelector('#card [name="cardnumber"]');
        return [value, selectionStart, selectionEnd];
      });
    const put = (at, end = at) =>
      page.evaluate(
        ([start, stop]) => document.querySelector('#card [name="cardnumber"]').setSelectionRange(start, stop),
        [at, end],
      );
    await page.locator(field('number')).pressSequentially('424242424242');
    assert.deepEqual(await caret(), ['4242 4242 4242', 14, 14]);
    await put(2);
    await page.keyboard.type('9');
    assert.deepEqual(await caret(), ['4294 2424 2424 2', 3, 3]);
    await page.keyboard.type('1');
    assert.deepEqual(await caret(), ['4291 4242 4242 42', 4, 4]);
    await page.keyboard.press('Backspace');
    await page.keyboard.press('Backspace');
    assert.deepEqual(await caret(), ['4242 4242 4242', 2, 2]);
    await put(7);
    await page.keyboard.press('Delete');
    assert.deepEqual(await caret(), ['4242 4224 242', 7, 7]);
    // A selection in the middle is replaced, and the caret is behind what replaced it.
    await page.fill(field('number'), '4242424242424242');
    await put(5, 9);
    await page.keyboard.type('1');
    const [text, start] = await caret();
    assert.equal(text, '4242 1424 2424 2');
    assert.equal(start, 6);
  }),
);

test(
  'pasted blanks and dashes are taken',
  withPage(async ({ page }) => {
    await page.fill(field('number'), ' 4242-4242 4242\t4242 ');
    assert.equal(await page.inputValue(field('number')), '4242 4242 4242 4242');
    await page.fill(field('expiry'), '12/2030');
    assert.match(await page.inputValue(field('expiry')), /^12 \/ (20)?30$/);
  }),
);

test(
  'every candidate brand is shown',
  withPage(async ({ page }) => {
    const shown = () =>
      page.locator(MARKS).evaluateAll((marks) => marks.map((mark) => mark.getAttribute('aria-label')));
    assert.deepEqual(await shown(), []);
    await page.fill(field('number'), '5');
    assert.ok((await shown()).length >= 2, String(await shown()));
    await page.fill(field('number'), VISA.number);
    assert.ok((await shown()).includes('Visa'));
    await page.fill(field('number'), '5019717010103742'); // co-badged in Denmark
    assert.ok((await shown()).includes('Dankort'), String(await shown()));
    const marks = await page.locator(MARKS).evaluateAll((all) =>
      all.map((mark) => {
        const { width, height } = mark.getBoundingClientRect();
        return width > 24 && height > 16 && mark.textContent;
      }),
    );
    assert.ok(marks.includes('DANK') && marks.every(Boolean), String(marks));
  }),
);

test(
  'an empty form says what is missing, field by field, and moves to a summary that leads to each',
  withPage(async ({ page, sent }) => {
    await page.click('#pay');
    for (const name of ['number', 'expiry', 'cvc', 'holder']) {
      const input = page.locator(field(name));
      assert.equal(await input.getAttribute('aria-invalid'), 'true', name);
      const id = await page.locator(note(name)).getAttribute('id');
      assert.ok((await input.getAttribute('aria-describedby')).split(' ').includes(id));
      assert.match(await page.locator(note(name)).innerText(), /^Enter /);
    }
    assert.equal(await page.locator(summary).evaluate((box) => box === document.activeElement), true);
    assert.match(await page.locator(summary).innerText(), /^Correct 4 mistakes to continue:/);
    await page.locator(summary).getByRole('link').first().click();
    assert.equal(await focused(page), 'card-number');
    assert.ok(
      sent.every((request) => request.method === 'GET'),
      'nothing was sent',
    );
  }),
);

test(
  'a mistake shows when a field is left, not while typing, and goes when it is corrected',
  withPage(async ({ page }) => {
    const words = () => page.locator(note('number')).textContent();
    await page.locator(field('number')).pressSequentially('4242');
    assert.equal(await words(), '');
    await page.keyboard.press('Tab');
    assert.notEqual(await words(), '');
    await page.locator(field('number')).focus();
    await page.keyboard.press('End');
    await page.keyboard.type('424242424242');
    assert.equal(await words(), '');
    await page.keyboard.press('Tab'); // past the empty expiry field
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(note('expiry')).textContent(), '', 'passing by is no mistake');
    await page.fill(field('expiry'), '0120');
    await page.locator(field('expiry')).blur();
    assert.equal(await page.locator(note('expiry')).textContent(), 'Your card has expired.');
    await page.fill(field('holder'), VISA.number);
    await page.locator(field('holder')).blur();
    assert.match(await page.locator(note('holder')).textContent(), /looks like a card number/);
  }),
);

test(
  'a mistake is read out once when its field is left, and those of a press are counted instead',
  withPage(async ({ page, context }) => {
    // What a screen reader reads out: words that come into a region that is live at that moment.
    await page.evaluate(() => {
      globalThis.heard = [];
      new MutationObserver((changes) => {
        for (const { target } of changes) {
          const region = (target.closest ? target : target.parentElement).closest('[aria-live], [role="alert"]');
          const live = region?.getAttribute('aria-live') ?? (region && 'assertive');
          if (region?.textContent && live !== 'off' && live) globalThis.heard.push([region.id, region.textContent]);
        }
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    const heard = () => page.evaluate(() => globalThis.heard.splice(0));
    const id = await page.locator(note('number')).getAttribute('id');
    const incomplete = [id, 'Your card number is incomplete.'];
    await page.locator(field('number')).pressSequentially('4242');
    assert.deepEqual(await heard(), [], 'not while typing');
    await page.keyboard.press('Tab');
    assert.deepEqual(await heard(), [incomplete]);
    // That the words are live is what the browser tells assistive technology, too.
    const cdp = await context.newCDPSession(page);
    const { root } = await cdp.send('DOM.getDocument');
    const { nodeId } = await cdp.send('DOM.querySelector', { nodeId: root.nodeId, selector: note('number') });
    const { nodes } = await cdp.send('Accessibility.getPartialAXTree', { nodeId, fetchRelatives: false });
    assert.equal(nodes[0].properties.find(({ name }) => name === 'live')?.value.value, 'polite');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Tab');
    assert.deepEqual(await heard(), [], 'the same words are not read out again');
    await page.fill('#amount', '0');
    await page.locator('#amount').blur();
    assert.deepEqual(
      (await heard()).map(([region]) => region),
      ['amount-error'],
    );
    await page.locator('#amount').focus();
    await page.locator('#amount').blur();
    assert.deepEqual(await heard(), []);
    await page.fill('#amount', '24.50');
    // The focus goes to the summary, which is read, with the count.
    await page.click('#pay');
    await page.locator(`${summary}:focus`).waitFor();
    assert.deepEqual(await heard(), []);
    assert.match(await page.locator(summary).innerText(), /4 mistakes/);
    await page.fill(field('number'), VISA.number);
    await page.keyboard.press('End');
    assert.equal(await page.locator(note('number')).textContent(), '');
    assert.deepEqual(await heard(), []);
    await page.fill(field('number'), '4242');
    assert.equal(await page.locator(note('number')).textContent(), incomplete[1]);
    assert.deepEqual(await heard(), [], 'nor is a new one while somebody types');
    await page.keyboard.press('Tab');
    assert.deepEqual(await heard(), [incomplete], 'but when the field is left');
  }),
);

test(
  'a failing check digit is a warning and stops nothing',
  withPage(async ({ page }) => {
    await typeCard(page, { ...VISA, number: '4242424242424241' });
    assert.match(await page.locator(note('number')).textContent(), /[Aa] digit may be wrong/);
    assert.equal(await page.locator(field('number')).getAttribute('aria-invalid'), null);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);

test(
  'fields tell browsers and keyboards what they are for',
  withPage(async ({ page }) => {
    const told = await page
      .locator('#card input[type="text"]')
      .evaluateAll((inputs) =>
        inputs.map((input) => [
          input.closest('[data-field]').dataset.field,
          input.autocomplete,
          input.inputMode,
          input.labels.length,
        ]),
      );
    assert.deepEqual(told, [
      ['number', 'cc-number', 'numeric', 1],
      ['expiry', 'cc-exp', 'numeric', 1],
      ['cvc', 'cc-csc', 'numeric', 1],
      ['holder', 'cc-name', '', 1],
      ['nickname', 'off', '', 1],
      ['firstName', 'given-name', '', 1],
      ['lastName', 'family-name', '', 1],
      ['email', 'email', 'email', 1],
      ['postalCode', 'postal-code', '', 1],
    ]);
    assert.deepEqual(
      await page.locator(field('country')).evaluate((select) => [select.autocomplete, select.labels.length]),
      ['country', 1],
    );
  }),
);

test(
  'live regions are in the document from the start and stay the same elements',
  withPage(async ({ page }) => {
    await page.evaluate(() => {
      globalThis.regions = ['live', 'notice', 'saved-notice'].map((id) => document.getElementById(id));
    });
    await typeCard(page, NO_MONEY);
    await page.click('#pay');
    assert.match(await failure(page), /declined/);
    await typeCard(page, VISA);
    await page.click('#pay');
    await resultHeading(page);
    assert.equal(
      await page.evaluate(() =>
        globalThis.regions.every((region) => region?.isConnected && document.getElementById(region.id) === region),
      ),
      true,
    );
    await until('the announcement', async () => /^Paid \$24\.50/.test(await page.locator('#live').textContent()));
    const desk = await becomes(page, 'approved');
    const ids = ['live', 'desk-notice', 'open-notice', 'payments-notice', 'tokens-notice', 'events-notice'];
    await desk.evaluate((names) => {
      globalThis.regions = names.map((id) => document.getElementById(id));
    }, ids);
    await followUp(desk, 'Refund');
    await becomes(page, 'refunded');
    assert.equal(
      await desk.evaluate(() => globalThis.regions.every((region) => document.getElementById(region.id) === region)),
      true,
    );
    await until('the announcement', async () => (await desk.locator('#live').textContent()) === '$24.50: Refunded.');
  }),
);

for (const colorScheme of ['light', 'dark']) {
  test(
    `axe finds nothing in the states of the page, ${colorScheme}`,
    { skip: axe === null && 'axe-core is not installed' },
    withPage(
      async ({ page, context }) => {
        const check = await accessibility(page, context);
        await check('at the start');
        await page.click('#pay');
        await check('with mistakes');
        await typeCard(page, NO_MONEY);
        await page.click('#pay');
        await failure(page);
        await openEverything(page);
        await check('declined, everything open');
        await typeCard(page, VISA);
        await page.click('#pay');
        await resultHeading(page);
        await until('the list', () => page.locator('#saved > li').first().isVisible());
        await check('paid');
        await page
          .locator('#saved')
          .getByRole('button', { name: /^Delete/ })
          .first()
          .click();
        await check('a question');
        await page.keyboard.press('Escape');
        await page
          .locator('#saved')
          .getByRole('button', { name: /^Update/ })
          .first()
          .click();
        await check('updating');
      },
      { colorScheme },
    ),
  );
}

for (const colorScheme of ['light', 'dark']) {
  test(
    `axe finds nothing in the states of the desk, ${colorScheme}`,
    { skip: axe === null && 'axe-core is not installed' },
    withPage(
      async ({ page, context }) => {
        const empty = await context.newPage();
        await empty.route('**/v1/{payments,tokens,events}?*', (route) =>
          route.fulfill({ json: { data: [], next: null } }),
        );
        await empty.goto(`${all.url}/desk.html`);
        await empty.waitForSelector('#desk[data-ready]');
        await (await accessibility(empty, context))('empty');
        await empty.close();
        await payWith(page, VISA);
        const desk = await becomes(page, 'approved');
        const check = await accessibility(desk, context);
        await check('a payment');
        await newestPayment(desk)
          .getByRole('button', { name: /^Refund/ })
          .click();
        await check('a question');
        await desk.click('#ask-yes');
        await becomes(page, 'refunded');
        await openEverything(desk);
        await check('refunded, everything open');
        await all.sandbox.fault({ route: 'merchant/tokenPayment', kind: 'gateway_timeout_after_commit', times: 1 });
        const release = all.hooks.hold();
        try {
          await page.click('#result-next');
          await payWith(page, VISA);
          await becomes(page, 'unknown');
          await check('not known yet');
          await desk
            .locator('#open')
            .getByRole('button', { name: /^Settle/ })
            .first()
            .click();
          await check('a question with a choice');
        } finally {
          release();
          await all.sandbox.clearFaults();
        }
      },
      { colorScheme },
    ),
  );
}

for (const width of [320, 360, 768, 1280]) {
  test(
    `nothing sticks out at ${width} px`,
    withPage(
      async ({ page }) => {
        await page.click('#pay');
        assert.equal(await sticksOut(page), false, 'with mistakes');
        await payWith(page, VISA);
        await until('the list', () => page.locator('#saved > li').first().isVisible());
        await openEverything(page);
        assert.equal(await sticksOut(page), false, 'paid, everything open');
        const number = page.locator('#result-lines .order dd');
        const lines = await number.evaluate((each) => {
          const text = document.createRange();
          text.selectNodeContents(each);
          return text.getClientRects().length;
        });
        assert.equal(lines, 1, 'the order number stands in one line');
        const desk = await becomes(page, 'approved');
        assert.equal(await sticksOut(desk), false, 'the desk');
        await followUp(desk, 'Refund');
        await becomes(page, 'refunded');
        await openEverything(desk);
        assert.equal(await sticksOut(desk), false, 'the desk, everything open');
      },
      { viewport: { width, height: 800 } },
    ),
  );
}

test(
  'text can be twice as large',
  withPage(
    async ({ page }) => {
      for (const each of [page, await deskOf(page)]) {
        await each.evaluate(() => {
          document.documentElement.style.fontSize = '32px';
        });
        assert.equal(await each.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, each.url());
      }
    },
    { viewport: { width: 640, height: 800 } },
  ),
);

test(
  'without motion nothing moves much',
  withPage(
    async ({ page }) => {
      assert.equal(await page.evaluate(() => matchMedia('(prefers-reduced-motion: reduce)').matches), true);
      assert.equal(await page.locator('#pay').evaluate((button) => getComputedStyle(button).transitionDuration), '0s');
    },
    { reducedMotion: 'reduce' },
  ),
);
