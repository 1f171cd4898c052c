// The flows of the demo page in a real browser against server and sandbox.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  AMEX,
  becomes,
  deskOf,
  failure,
  field,
  focusedField,
  MARKS,
  NO_MONEY,
  newestPayment,
  payWith,
  resultHeading,
  savedCards,
  startAll,
  typeCard,
  until,
  VISA,
} from './harness.mjs';

let all;
before(async () => {
  all = await startAll();
});
after(() => all?.stop());

/** Runs with a fresh page and with what the sandbox counted before. */
const withPage = (body, options) => async () => {
  const opened = await all.open(options);
  const before = await all.sandbox.state();
  const grown = async () => {
    const now = await all.sandbox.state();
    return {
      transactions: now.transactions.slice(before.transactions.length),
      cards: now.card_tokens.slice(before.card_tokens.length),
    };
  };
  try {
    await body({ ...opened, grown });
    assert.deepEqual(
      opened.problems.filter((text) => !/status of 4\d\d|status of 5\d\d/.test(text)),
      [],
      'the console stays quiet',
    );
    assert.deepEqual(await opened.violations(), [], 'nothing breaks the policy');
  } finally {
    await opened.close();
  }
};

const firstCard = (page) => page.locator('#saved > li').first();

test(
  'a typed card becomes a stored token and a charge',
  withPage(async ({ page, grown }) => {
    await page.fill(field('nickname'), 'My card');
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    assert.match(
      await page.locator('#result-lines').innerText(),
      /Visa •••• 4242[\s\S]*Authorization[\s\S]*Saved for next time\s*Yes/,
    );
    const { transactions, cards } = await grown();
    assert.equal(transactions.length, 1);
    assert.deepEqual(
      [Number(transactions[0].amount), transactions[0].currency, transactions[0].last4, transactions[0].state],
      [24.5, 'USD', '4242', 'approved'],
    );
    assert.equal(cards.length, 1);
    assert.deepEqual(
      [cards[0].bin, cards[0].last4, cards[0].expiry, cards[0].nickname],
      ['424242', '4242', '3012', 'My card'],
    );
    await until('the saved card in the list', async () =>
      (
        await firstCard(page)
          .innerText()
          .catch(() => '')
      ).includes('•••• 4242'),
    );
    await becomes(page, 'approved');
    for (const name of ['number', 'expiry', 'cvc', 'holder'])
      assert.equal(await page.inputValue(field(name)), '', `${name} is cleared`);
  }),
);

test(
  'amount and currency are charged as typed',
  withPage(async ({ page, grown }) => {
    await page.selectOption('#currency', 'CRC');
    assert.equal(await page.inputValue('#amount'), '12500.00');
    await page.fill('#amount', '19,99');
    assert.match(await page.locator('#pay').innerText(), /19\.99/);
    assert.match(await payWith(page, VISA), /19\.99/);
    const [transaction] = (await grown()).transactions;
    assert.deepEqual([Number(transaction.amount), transaction.currency], [19.99, 'CRC']);
  }),
);

test(
  'a four-digit code of an American Express card goes through',
  withPage(async ({ page, grown }) => {
    assert.equal(await payWith(page, AMEX), 'Paid $24.50');
    assert.equal((await grown()).cards[0].last4, '0005');
    // The platform names Visa and Mastercard only; the page knows the others from the first digits.
    assert.match(await page.locator('#result-lines').innerText(), /American Express •••• 0005/);
    await until('the saved card', async () =>
      /American Express •••• 0005/.test(
        await firstCard(page)
          .innerText()
          .catch(() => ''),
      ),
    );
  }),
);

test(
  'a name in any script survives',
  withPage(async ({ page, grown }) => {
    await page.fill(field('nickname'), 'Mi tarjeta 😀 日本');
    assert.equal(await payWith(page, { ...VISA, holder: 'Žofie Ångström' }), 'Paid $24.50');
    const [card] = (await grown()).cards;
    assert.deepEqual([card.nickname, card.holder], ['Mi tarjeta 😀 日本', 'Žofie Ångström']);
  }),
);

test(
  'pays without saving',
  withPage(async ({ page, grown }) => {
    await page.uncheck('#save-card');
    assert.equal(await page.isVisible(field('nickname')), false);
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    const { transactions, cards } = await grown();
    assert.deepEqual([transactions.length, transactions[0].state, cards.length], [1, 'approved', 0]);
  }),
);

test(
  'a declined payment says why, and the card does not stay, neither here nor at the platform',
  withPage(async ({ page, grown }) => {
    const before = await savedCards(page);
    for (const declined of [1, 2]) {
      await typeCard(page, NO_MONEY);
      await page.click('#pay');
      assert.match(
        await failure(page),
        /declined[\s\S]*not enough money[\s\S]*Nothing was charged\. The card was not saved/,
      );
      assert.equal(await page.inputValue(field('number')), '', 'the form charges no token that is gone');
      await becomes(page, 'declined');
      const { transactions, cards } = await grown();
      assert.deepEqual(
        transactions.map((transaction) => transaction.approved),
        new Array(declined).fill(false),
      );
      assert.deepEqual(
        cards.map((card) => card.deleted),
        new Array(declined).fill(true),
      );
      assert.equal(await savedCards(page), before);
      assert.equal(await page.evaluate(() => sessionStorage.length), 0, 'nothing is left to decide');
      await page.locator('#pay').focus();
    }
    await typeCard(page, VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);

test(
  'a card is saved only if the shopper says so: the box is unticked at the start',
  withPage(
    async ({ page, grown }) => {
      assert.equal(await page.isChecked('#save-card'), false);
      const before = await savedCards(page);
      assert.equal(await payWith(page, VISA), 'Paid $24.50');
      assert.doesNotMatch(await page.locator('#result-lines').innerText(), /Saved for next time/);
      const { transactions, cards } = await grown();
      assert.deepEqual([transactions.length, cards.length], [1, 0]);
      assert.equal(await savedCards(page), before);
    },
    { save: false },
  ),
);

test(
  'the order has a short number, of its own for each payment, and the desk has the same',
  withPage(async ({ page }) => {
    const numbers = new Set();
    for (const save of [true, false]) {
      await page.setChecked('#save-card', save);
      await payWith(page, VISA);
      const number = await page.locator('#result-lines .order dd').innerText();
      assert.match(number, /^CA-[A-Z2-9]{4}-[A-Z2-9]{4}$/);
      const desk = await becomes(page, 'approved');
      await until('it at the desk', async () => (await newestPayment(desk).innerText()).includes(number));
      numbers.add(number);
      await page.click('#result-next');
    }
    assert.equal(numbers.size, 2);
  }),
);

test(
  'a declined payment without saving says why',
  withPage(async ({ page, grown }) => {
    await page.uncheck('#save-card');
    await typeCard(page, NO_MONEY);
    await page.click('#pay');
    assert.match(await failure(page), /declined[\s\S]*not enough money[\s\S]*Nothing was charged/);
    // Another card on the same page is another payment.
    await page.fill(field('number'), VISA.number);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal((await grown()).transactions.filter((transaction) => transaction.approved).length, 1);
  }),
);

for (const save of [true, false]) {
  test(
    `a double click on Pay charges once, ${save ? 'saving the card' : 'without saving'}`,
    withPage(async ({ page, grown, sent }) => {
      if (!save) await page.uncheck('#save-card');
      await typeCard(page, VISA);
      await page.dblclick('#pay');
      await page
        .evaluate(() => {
          for (let times = 0; times < 5; times++) document.getElementById('pay-form').requestSubmit();
        })
        .catch(() => {});
      assert.equal(await resultHeading(page), 'Paid $24.50');
      await page.waitForTimeout(500);
      assert.equal((await grown()).transactions.length, 1);
      assert.equal(
        sent.filter((request) => request.method === 'POST' && request.url.endsWith('/v1/payments')).length,
        1,
      );
    }),
  );
}

test(
  'the button is disabled while a payment is under way',
  withPage(async ({ page, sessionOpened }) => {
    await typeCard(page, VISA);
    await sessionOpened();
    const release = all.front.hold();
    await page.click('#pay');
    assert.equal(await page.isDisabled('#pay'), true);
    assert.equal(await page.locator(field('number')).getAttribute('readonly'), '');
    release();
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);

test(
  'the direct way stores and charges',
  withPage(async ({ page, grown, sent }) => {
    await page.check('#way-direct');
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    assert.ok(
      sent.some((request) => request.method === 'POST' && request.url === `${all.checkout.url}/tokenize`),
      'the browser itself posts to the platform',
    );
    const { transactions, cards } = await grown();
    assert.deepEqual([transactions.length, cards.length], [1, 1]);
  }),
);

test(
  'the direct way pays without saving',
  withPage(async ({ page, grown, sent }) => {
    await page.check('#way-direct');
    await page.uncheck('#save-card');
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    assert.ok(sent.some((request) => request.method === 'POST' && request.url.replace(/\/$/, '') === all.checkout.url));
    assert.equal((await grown()).transactions.length, 1);
    const desk = await deskOf(page);
    await until('the shop to know of it', async () =>
      (await newestPayment(desk).innerText()).includes('Visa •••• 4242'),
    );
    assert.equal(await newestPayment(desk).getAttribute('data-status'), 'approved');
  }),
);

test(
  'a payment of a card that was not saved is refunded with its first six digits',
  withPage(async ({ page, grown }) => {
    await page.uncheck('#save-card');
    await payWith(page, VISA);
    const desk = await deskOf(page);
    const row = newestPayment(desk);
    await row.getByRole('button', { name: 'Refund' }).click();
    await desk.click('#ask-yes');
    await desk.waitForSelector('#ask-digits:visible');
    await desk.fill('#ask-digits', '424242');
    await desk.click('#ask-yes');
    await until('the refund', async () => (await row.getAttribute('data-status')) === 'refunded');
    assert.equal((await grown()).transactions[0].state, 'refunded');
  }),
);

test(
  'a saved card is charged, voided, charged again and refunded',
  withPage(async ({ page, grown }) => {
    await payWith(page, VISA);
    const desk = await deskOf(page);
    const newest = (attribute) => newestPayment(desk).getAttribute(attribute);
    for (const [words, wanted] of [
      ['Void', 'voided'],
      ['Refund', 'refunded'],
    ]) {
      await until('the charge button', () => firstCard(page).getByRole('button', { name: /^Pay/ }).isEnabled());
      const before = await newest('data-payment');
      await firstCard(page).getByRole('button', { name: /^Pay/ }).click();
      // The payment before it is approved, too, and stays in the list.
      await until('a new payment', async () => (await newest('data-payment')) !== before);
      const payment = desk.locator(`[data-payment="${await newest('data-payment')}"]`);
      await until('its approval', async () => (await payment.getAttribute('data-status')) === 'approved');
      await payment.getByRole('button', { name: words }).click();
      await desk
        .locator('#ask')
        .getByRole('button', { name: `${words} it` })
        .click();
      await until(`a payment that is ${wanted}`, async () => (await payment.getAttribute('data-status')) === wanted);
    }
    assert.deepEqual(
      (await grown()).transactions.map((transaction) => transaction.state),
      ['approved', 'voided', 'refunded'],
    );
    assert.equal(
      await page.getByRole('button', { name: /^(Void|Refund|Capture)/ }).count(),
      0,
      'a shopper undoes no payment',
    );
  }),
);

test(
  'leaving the question leaves the payment',
  withPage(async ({ page, grown }) => {
    await payWith(page, VISA);
    const desk = await deskOf(page);
    await newestPayment(desk).getByRole('button', { name: 'Refund' }).click();
    await desk.keyboard.press('Escape');
    assert.equal((await grown()).transactions[0].state, 'approved');
  }),
);

test(
  'a saved card is updated and keeps its place',
  withPage(async ({ page, grown }) => {
    await payWith(page, VISA);
    const id = await firstCard(page).getAttribute('data-token');
    await firstCard(page)
      .getByRole('button', { name: /^Update/ })
      .click();
    assert.equal(await page.locator('#pay').innerText(), 'Save the new card');
    await typeCard(page, { ...AMEX, expiry: '1131' });
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'The card is updated');
    await until('the new last four digits', async () =>
      (await page.locator(`[data-token="${id}"]`).innerText()).includes('•••• 0005, expires 11 / 31'),
    );
    assert.equal((await grown()).transactions.length, 1, 'an update charges nothing');
    await page.locator(`[data-token="${id}"]`).getByRole('button', { name: /^Pay/ }).click();
    await until('the charge of the new card', async () => (await grown()).transactions.at(-1).last4 === '0005');
  }),
);

test(
  'an update can be given up',
  withPage(async ({ page }) => {
    await payWith(page, VISA);
    await firstCard(page)
      .getByRole('button', { name: /^Update/ })
      .click();
    await page.click('#stop-updating');
    assert.match(await page.locator('#pay').innerText(), /^Pay \$/);
    assert.equal(await focusedField(page), 'number');
  }),
);

test(
  'a saved card is deleted, at the platform too',
  withPage(async ({ page, grown }) => {
    await payWith(page, VISA);
    const id = await firstCard(page).getAttribute('data-token');
    await firstCard(page)
      .getByRole('button', { name: /^Delete/ })
      .click();
    await page.locator('#ask').getByRole('button', { name: 'Delete it' }).click();
    await page.locator(`[data-token="${id}"]`).waitFor({ state: 'detached' });
    assert.equal((await grown()).cards[0].deleted, true);
  }),
);

test(
  'a list that was read before the card was deleted does not bring it back',
  withPage(async ({ page }) => {
    await payWith(page, VISA);
    const id = await firstCard(page).getAttribute('data-token');
    const row = page.locator(`[data-token="${id}"]`);
    // What the server said before the card was deleted arrives after what it said later.
    let release;
    const released = new Promise((done) => {
      release = done;
    });
    let held;
    const holding = new Promise((done) => {
      held = done;
    });
    await page.route(
      '**/v1/tokens?*',
      async (route) => {
        // What a browser says of a page that reads from its own server.
        const response = await route.fetch({
          headers: { ...route.request().headers(), 'sec-fetch-site': 'same-origin' },
        });
        assert.ok((await response.text()).includes(id));
        held(route.request());
        await released;
        await route.fulfill({ response });
      },
      { times: 1 },
    );
    await row.getByRole('button', { name: /^Pay/ }).click();
    const early = await holding;
    await until('the buttons', () => row.getByRole('button', { name: /^Delete/ }).isEnabled());
    await row.getByRole('button', { name: /^Delete/ }).click();
    await page.locator('#ask').getByRole('button', { name: 'Delete it' }).click();
    await row.waitFor({ state: 'detached' });
    release();
    await (await early.response()).finished();
    // One more round trip, so that the page has dealt with what came before.
    await page.evaluate(async () => {
      await (await fetch('/v1/payments?limit=1')).text();
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    });
    assert.equal(await row.count(), 0);
  }),
);

test(
  'a test card fills the form with one press',
  withPage(async ({ page }) => {
    await page.locator('[data-last4="0005"]').click();
    assert.equal(await page.inputValue(field('number')), '3782 822463 10005');
    assert.equal(await page.locator(MARKS).getAttribute('aria-label'), 'American Express');
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);
