// What is typed before the module is there, with an input method, and what is filled in without a key: nothing of it is
// lost, scrambled, or moved from under the caret.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { becomes, field, MARKS, resultHeading, startAll, until, VISA } from './harness.mjs';

/** A form of a shop's own. It formats from the first key on, and loads the module when it is told to. */
const FORM = `<!doctype html><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">
<input id="number" aria-label="number"><input id="expiry" aria-label="expiry"><input id="cvc" aria-label="code">
<script type="module">
  import * as cardseal from '/pkg/index.js';
  const [number, expiry, cvc] = ['number', 'expiry', 'cvc'].map((id) => document.getElementById(id));
  number.addEventListener('input', () => {
    globalThis.brands = cardseal.formatCardNumberInput(number);
    cardseal.formatSecurityCodeInput(cvc, number.value);
  });
  expiry.addEventListener('input', () => cardseal.formatExpiryInput(expiry));
  cvc.addEventListener('input', () => cardseal.formatSecurityCodeInput(cvc, number.value));
  globalThis.start = () => { globalThis.loading = cardseal.load(); };
  globalThis.formReady = true;
</script>`;

let all;
before(async () => {
  all = await startAll();
  all.front.pages['/form'] = FORM;
});
after(() => all?.stop());

const withForm = (body) => async () => {
  const { page, problems, context, close } = await all.open({ ready: false });
  try {
    await page.goto(`${all.url}/form`);
    await page.waitForFunction(() => globalThis.formReady);
    await body(page, context);
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
};

const start = (page) => page.evaluate(() => globalThis.start());
const loaded = (page) => page.evaluate(() => globalThis.loading);
/** What is in a field, and where its caret is. */
const state = (page, id = 'number') =>
  page.evaluate((name) => {
    const { value, selectionStart, selectionEnd } = document.getElementById(name);
    assert(selectionStart === selectionEnd);
    return [value, selectionStart];
    function assert(holds) {
      if (!holds) throw new Error('something is selected');
    }
  }, id);
const put = (page, at) => page.evaluate((caret) => document.activeElement.setSelectionRange(caret, caret), at);

test(
  'what is typed before the module is there stays as it is, and is formatted when the module comes',
  withForm(async (page) => {
    const release = all.front.hold();
    try {
      await start(page);
      await page.locator('#expiry').pressSequentially('1230');
      await page.locator('#cvc').pressSequentially('7391');
      await page.locator('#number').pressSequentially('4242424242');
      assert.deepEqual(await state(page), ['4242424242', 10]);
      // In the middle, too: what is typed stands where the caret was.
      await put(page, 2);
      await page.keyboard.type('99');
      assert.deepEqual(await state(page), ['429942424242', 4]);
      await page.keyboard.press('Backspace');
      assert.deepEqual(await state(page), ['42942424242', 3]);
      assert.deepEqual(await state(page, 'expiry'), ['1230', 4]);
      assert.deepEqual(await state(page, 'cvc'), ['7391', 4]);
      assert.deepEqual(await page.evaluate(() => globalThis.brands), []);
    } finally {
      release();
    }
    await loaded(page);
    assert.deepEqual(await state(page), ['4294 2424 242', 3], 'behind the same digit');
    assert.deepEqual(await state(page, 'expiry'), ['12 / 30', 7]);
    assert.equal((await state(page, 'cvc'))[0], '739', 'as long as the codes of that brand');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'number', 'the focus stays');
    await page.keyboard.type('1');
    assert.deepEqual(await state(page), ['4291 4242 4242', 4], 'from now on at once');
    assert.deepEqual(await page.evaluate(() => globalThis.brands), ['visa']);
  }),
);

test(
  'what is typed before anybody asked for the module is formatted when it comes, in other digits as well',
  withForm(async (page) => {
    await page.locator('#number').pressSequentially('٤٢٤٢٤٢٤٢٤٢');
    await page.locator('#expiry').pressSequentially('１２３０');
    assert.deepEqual(await state(page), ['٤٢٤٢٤٢٤٢٤٢', 10]);
    await start(page);
    await loaded(page);
    assert.equal((await state(page))[0], '4242 4242 42');
    assert.equal((await state(page, 'expiry'))[0], '12 / 30');
  }),
);

/** Composes a text as an input method does, key by key. */
async function compose(cdp, texts) {
  for (const text of texts)
    await cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
}

test(
  'while an input method composes nothing is reformatted, and everything when it is done',
  withForm(async (page, context) => {
    await start(page);
    await loaded(page);
    const cdp = await context.newCDPSession(page);
    await page.locator('#number').pressSequentially('4242');
    await compose(cdp, ['４', '４２', '４２４', '４２４２', '４２４２４２']);
    assert.deepEqual(await state(page), ['4242４２４２４２', 10], 'untouched');
    await cdp.send('Input.insertText', { text: '４２４２４２' });
    assert.deepEqual(await state(page), ['4242 4242 42', 12]);
    // In the middle, and given up: nothing of it stays.
    await put(page, 2);
    await compose(cdp, ['９', '９９']);
    assert.deepEqual(await state(page), ['42９９42 4242 42', 4]);
    await compose(cdp, ['']);
    assert.deepEqual(await state(page), ['4242 4242 42', 2]);
    await compose(cdp, ['１']);
    await cdp.send('Input.insertText', { text: '１' });
    assert.deepEqual(await state(page), ['4214 2424 242', 3]);
    // Another field meanwhile is formatted as ever.
    await page.locator('#expiry').pressSequentially('1230');
    assert.deepEqual(await state(page, 'expiry'), ['12 / 30', 7]);
  }),
);

test(
  'what is composed while the module comes is formatted when it is done',
  withForm(async (page, context) => {
    const cdp = await context.newCDPSession(page);
    const release = all.front.hold();
    try {
      await start(page);
      await page.locator('#number').pressSequentially('4242');
      await compose(cdp, ['４', '４２４２']);
    } finally {
      release();
    }
    await loaded(page);
    assert.deepEqual(await state(page), ['4242４２４２', 8], 'not before its end');
    await cdp.send('Input.insertText', { text: '４２４２' });
    assert.deepEqual(await state(page), ['4242 4242', 9]);
  }),
);

/** Fills fields as a program does: no key, and of events those named. */
const fillIn = (page, values, events) =>
  page.evaluate(
    ([texts, names]) => {
      for (const [name, text] of Object.entries(texts)) {
        const input = document.querySelector(`#card [data-field="${name}"] input`);
        input.value = text;
        for (const event of names) input.dispatchEvent(new Event(event, { bubbles: true }));
      }
    },
    [values, events],
  );

for (const events of [[], ['change']])
  test(`a card that is filled in with ${events[0] ?? 'no'} event is paid with`, async () => {
    const { page, problems, close } = await all.open();
    try {
      const since = (await all.sandbox.state()).transactions.length;
      await fillIn(page, VISA, events);
      if (events.length > 0) {
        // Before the press, that is: the module may still be on its way when the form is there.
        await until('the spaces', async () => (await page.inputValue(field('number'))) === '4242 4242 4242 4242');
        assert.equal(await page.inputValue(field('expiry')), '12 / 30');
        assert.equal(await page.locator(MARKS).getAttribute('aria-label'), 'Visa');
      }
      await page.click('#pay');
      assert.equal(await resultHeading(page), 'Paid $24.50');
      const paid = (await all.sandbox.state()).transactions.slice(since);
      assert.deepEqual(
        paid.map(({ last4, state }) => [last4, state]),
        [['4242', 'approved']],
      );
      assert.deepEqual(problems, []);
    } finally {
      await close();
    }
  });

test('a card that is filled in without an event after a decline is another payment, and its mistakes are seen', async () => {
  const { page, close } = await all.open();
  try {
    const since = (await all.sandbox.state()).transactions.length;
    await page.uncheck('#save-card');
    await fillIn(page, { ...VISA, number: '4094394314664828' }, ['input']);
    await page.click('#pay');
    await page.waitForSelector('#notice.notice-bad');
    await fillIn(page, { number: '42424242424242' }, []);
    await page.click('#pay');
    assert.equal(await page.inputValue(field('number')), '4242 4242 4242 42');
    assert.equal(await page.locator(field('number')).getAttribute('aria-invalid'), 'true');
    await fillIn(page, { number: VISA.number }, []);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    const made = (await all.sandbox.state()).transactions.slice(since);
    await becomes(page, 'approved');
    assert.deepEqual(
      made.map(({ last4, state }) => [last4, state]),
      [
        ['4828', 'declined'],
        ['4242', 'approved'],
      ],
    );
  } finally {
    await close();
  }
});
