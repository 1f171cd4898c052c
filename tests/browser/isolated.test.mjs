// The demo with its fields in a frame of another address: the server's other name.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { failure, found, leaks, NO_MONEY, resultHeading, startAll, until, VISA } from './harness.mjs';

let all;
before(async () => {
  all = await startAll();
});
after(() => all?.stop());

/** Chooses the frame, and gives its fields by name. */
async function isolate(page) {
  await page.check('#place-isolated');
  const frame = page.frameLocator('#card iframe');
  const field = (name) => frame.locator(`[data-field="${name}"] .cardseal-input`);
  await field('number').waitFor();
  return { frame, field };
}

async function type({ frame, field }, card) {
  const change = frame.locator('.cardseal-done button');
  if (await change.isVisible()) await change.click();
  for (const name of ['number', 'expiry', 'cvc', 'holder']) {
    if ((await field(name).inputValue()) !== '') await field(name).fill('');
    await field(name).pressSequentially(card[name]);
  }
}

/** The page at the server itself, which is a parent of the fields at its other name. */
const withPage = (body) => async () => {
  const opened = await all.open({ url: all.server.url });
  const before = (await all.sandbox.state()).transactions.length;
  try {
    await body({ ...opened, grown: async () => (await all.sandbox.state()).transactions.slice(before) });
    assert.deepEqual(
      // A policy for what this browser does not have is for those that do.
      opened.problems.filter((text) => !/status of 4\d\d|status of 5\d\d|Unrecognized feature/.test(text)),
      [],
    );
    assert.deepEqual(await opened.violations(), []);
  } finally {
    await opened.close();
  }
};

test(
  'a card that is typed in the frame is stored and charged, and this page does not have it',
  withPage(async ({ page, sent, grown }) => {
    const form = await isolate(page);
    // None of the test cards, which the page shows to be copied.
    const card = { ...VISA, number: '4716108999716531' };
    await type(form, card);
    await page.waitForSelector('#card[data-state="valid"]');
    assert.deepEqual(found(await page.evaluate(() => document.documentElement.outerHTML), card.number), []);
    assert.match(await page.locator('#wire-search').innerText(), /sees neither its requests nor your card number/);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.match(await page.locator('#result-lines').innerText(), /Visa •••• 6531[\s\S]*Saved for next time\s*Yes/);
    assert.deepEqual(
      (await grown()).map(({ state }) => state),
      ['approved'],
    );
    assert.deepEqual(leaks(sent, card), []);
    // The panel claims nothing of a number that the page cannot read.
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('#wire details')) details.open = true;
    });
    const shown = await page.locator('#wire').innerText();
    assert.match(shown, /was not searched for it/);
    assert.doesNotMatch(shown, /not found|No card number was on the page/);
    await page.click('#result-next');
    await form.field('number').waitFor();
  }),
);

test(
  'without saving, after a decline and after a mistake',
  withPage(async ({ page, grown }) => {
    const form = await isolate(page);
    await page.uncheck('#save-card');
    await page.click('#pay');
    await form.frame.locator('.cardseal-summary').waitFor();
    await type(form, NO_MONEY);
    await page.click('#pay');
    assert.match(await failure(page), /not enough money[\s\S]*Nothing was charged/);
    await type(form, VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.deepEqual(
      (await grown()).map(({ approved }) => approved),
      [false, true],
    );
  }),
);

test(
  'the frame comes and goes with the choice, and test cards are there to be copied',
  withPage(async ({ page }) => {
    await isolate(page);
    assert.equal(await page.locator('#cards-approved .chip-button').count(), 0);
    assert.match(await page.locator('#cards-hint').innerText(), /cannot fill fields of another address/);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: /^Copy 4242 4242 4242 4242/ }).click();
    await until('the copy', async () => (await page.evaluate(() => navigator.clipboard.readText())) === VISA.number);
    await page.check('#place-page');
    assert.equal(await page.locator('#card iframe').count(), 0);
    await page.locator('[data-last4="4242"]').first().click();
    assert.equal(await page.inputValue('#card [name="cardnumber"]'), '4242 4242 4242 4242');
  }),
);

test('a page that the fields do not know stays with its own', async () => {
  // At the recorder's address, which is no parent of the fields.
  const { page, close } = await all.open();
  await page.click('#place-isolated');
  await until('the reason', () => page.locator('#place-isolated-not').isVisible());
  assert.equal(await page.isChecked('#place-page'), true);
  assert.equal(await page.locator('#card iframe').count(), 0);
  await close();
});
