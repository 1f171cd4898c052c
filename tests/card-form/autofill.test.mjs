// Cards that a browser or a password manager fills in.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CC_VISA, startAll, until, VISA } from '../browser/harness.mjs';
import { startIsolation } from './isolation.mjs';
import { field, inState, openShop, stateOf } from './shop.mjs';

let all;

before(async () => {
  all = await startAll({ platforms: ['greenpay', 'ccbill'] });
});
after(() => all?.stop());

const CARD = { number: VISA.number, name: 'Ana Mora', expiryMonth: '12', expiryYear: '2030', cvc: '739' };

/** Has Chromium fill its card into the form of which `selector` is a field. */
async function autofill(cdp, selector, what = { card: CARD }) {
  await cdp.send('Autofill.enable');
  const { root } = await cdp.send('DOM.getDocument', { depth: 0 });
  const { nodeId } = await cdp.send('DOM.querySelector', { nodeId: root.nodeId, selector });
  const { node } = await cdp.send('DOM.describeNode', { nodeId });
  const { frameTree } = await cdp.send('Page.getFrameTree');
  await cdp.send('Autofill.trigger', { fieldId: node.backendNodeId, frameId: frameTree.frame.id, ...what });
}

const values = (page) =>
  page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll('.cardseal-field:not([hidden]) .cardseal-input')].map(({ name, value }) => [
        name,
        value,
      ]),
    ),
  );

test('the browser knows each field for what it is, and fills in a card', async () => {
  const { page, context, problems, close } = await openShop(all);
  try {
    const cdp = await context.newCDPSession(page);
    await field(page, 'number').click();
    await autofill(cdp, '[data-field="number"] input');
    await inState(page, 'valid');
    assert.deepEqual(await values(page), {
      cardnumber: '4242 4242 4242 4242',
      'cc-exp': '12 / 30',
      cvc: '739',
      ccname: 'Ana Mora',
    });
    assert.equal(await page.evaluate(() => document.getElementById('card').brand), 'visa');
    await page.evaluate(() => document.getElementById('card').tokenize());
    assert.equal(await stateOf(page), 'done');
    assert.deepEqual(
      problems.filter((text) => !/img-src|405/.test(text)),
      [],
    );
  } finally {
    await close();
  }
});

test('an expiry date, a code or a name to begin with fills the whole form as well, whatever the language', async () => {
  for (const [name, lang] of [
    ['expiry', 'ja'],
    ['cvc', 'ar'],
    ['holder', 'el'],
  ]) {
    const { page, context, close } = await openShop(all, { lang });
    try {
      await page.waitForSelector(`.cardseal[lang="${lang}"]`);
      await field(page, name).click();
      await autofill(await context.newCDPSession(page), `[data-field="${name}"] input`);
      await inState(page, 'valid');
      assert.match((await values(page))['cc-exp'], /^12 \/ (20)?30$/, lang);
    } finally {
      await close();
    }
  }
});

test('the browser fills in the customer of CCBill', async () => {
  const { page, context, close } = await openShop(all, { attributes: 'platform="ccbill" required' });
  try {
    const cdp = await context.newCDPSession(page);
    const fields = Object.entries({
      NAME_FULL: 'Ana Mora',
      NAME_FIRST: 'Ana',
      NAME_LAST: 'Mora',
      EMAIL_ADDRESS: 'ana@shop.example',
      ADDRESS_HOME_ZIP: '85281',
      ADDRESS_HOME_COUNTRY: 'US',
    }).map(([name, value]) => ({ name, value }));
    await field(page, 'firstName').click();
    await autofill(cdp, '[data-field="firstName"] input', { address: { fields } });
    await until('the name', async () => (await values(page)).fname === 'Ana');
    const { fname, lname, email, postal, country } = await values(page);
    assert.deepEqual(
      { fname, lname, email, postal, country },
      {
        fname: 'Ana',
        lname: 'Mora',
        email: 'ana@shop.example',
        postal: '85281',
        country: 'US',
      },
    );
    await field(page, 'number').click();
    await autofill(cdp, '[data-field="number"] input', { card: { ...CARD, number: CC_VISA.number } });
    await inState(page, 'valid');
  } finally {
    await close();
  }
});

test('the browser fills in the frame of isolated fields, as one form', async () => {
  const isolation = await startIsolation();
  try {
    const it = await isolation.open(true);
    const frame = it.page.frames().find((one) => one !== it.page.mainFrame());
    // A frame of another site has a process, and so a session, of its own.
    const cdp = await it.context.newCDPSession(frame);
    await it.field('number').click();
    await autofill(cdp, '[data-field="number"] input');
    await it.page.waitForFunction(() => document.querySelector('#card').state === 'valid');
    assert.equal(await it.field('expiry').inputValue(), '12 / 30');
    assert.equal(await it.field('cvc').inputValue(), '739');
    assert.equal(await it.page.evaluate(() => document.querySelector('#card').last4), '4242');
    await it.close();
  } finally {
    await isolation.stop();
  }
});

// Extensions set values; some then send `change` alone, some send nothing.
for (const [what, events] of Object.entries({
  nothing: [],
  'change alone': ['change'],
  'input and change': ['input', 'change'],
})) {
  test(`a password manager that fills and tells ${what} is understood`, async () => {
    const from = all.front.requests.length;
    const { page, close } = await openShop(all);
    try {
      await page.evaluate(
        ([texts, names]) => {
          for (const [autocomplete, text] of Object.entries(texts)) {
            const input = document.querySelector(`[autocomplete="${autocomplete}"]`);
            input.value = text;
            for (const name of names) input.dispatchEvent(new Event(name, { bubbles: true }));
          }
        },
        [{ 'cc-number': VISA.number, 'cc-exp': '12/2030', 'cc-csc': VISA.cvc, 'cc-name': VISA.holder }, events],
      );
      if (events.length > 0) {
        await inState(page, 'valid');
        assert.equal((await values(page)).cardnumber, '4242 4242 4242 4242');
      }
      await page.click('#pay');
      const order = await until('the order', () =>
        all.front.requests.slice(from).find(({ method, url }) => method === 'POST' && url === '/order'),
      );
      assert.match(new URLSearchParams(order.body).get('card_token'), /^tok_/);
    } finally {
      await close();
    }
  });
}

test('what the browser fills in before the script is there is read as well', async () => {
  // A form that is restored, and one that a fast manager fills while the platform's code is on its way.
  const { page, close } = await openShop(all, { wait: '' });
  try {
    await page.route('**/pkg/greenpay-inline.js', async (route) => {
      await page.locator('[data-field="number"] input').evaluate((input) => {
        input.value = '4242424242424242';
      });
      await route.continue();
    });
    await page.reload();
    await inState(page, 'empty', 'typing', 'invalid');
    await field(page, 'expiry').focus();
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Tab');
    await until('the brand', () => page.evaluate(() => document.getElementById('card').brand === 'visa'));
    assert.equal(await field(page, 'number').inputValue(), '4242 4242 4242 4242');
  } finally {
    await close();
  }
});
