// Worldline Online Payments, from the page's half over the server to the simulated platform and back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { load, OnlinePayments, openSession } from 'cardseal';
import {
  becomes,
  deskOf,
  failure,
  field,
  followUp,
  found,
  leaks,
  leavesNothing,
  listsRead,
  newestPayment,
  paidElsewhere,
  passesLuhn,
  payWith,
  processMemory,
  resultHeading,
  startAll,
  typeCard,
  until,
} from './harness.mjs';

const CARD = { number: '4012 0000 3333 0026', expiry: '12/30', cvc: '123', holder: 'Zoë Müller' };
const CONTEXT = { countryCode: 'DE', currencyCode: 'EUR', amount: 1000 };

let all;
before(async () => {
  await load();
  all = await startAll({
    platforms: ['online_payments'],
    settings: ({ page }) => ({ online_payments: { return_url: page } }),
  });
});
after(() => all?.stop());

/** The demo's: the platform has one token for one card, which is stored for its first customer alone. */
const CUSTOMER = 'demo-shopper';

/** As a page of the allowed origin calls. */
const fromPage = (url, options) => fetch(url, { ...options, headers: { ...options.headers, origin: all.front.url } });

test('a card becomes a token', async () => {
  const session = await openSession({
    server: all.url,
    platform: 'online_payments',
    customer: CUSTOMER,
    fetch: fromPage,
  });
  const client = new OnlinePayments({ server: all.url, fetch: fromPage });
  const product = await client.product(session, 1, CONTEXT);
  const token = await client.tokenize(session, CARD, { product });
  assert.deepEqual(
    [token.platform, token.brand, token.last4, token.status],
    ['online_payments', 'visa', '0026', 'active'],
  );
  assert.deepEqual(token.expiry, { month: 12, year: 2030 });
  await assert.rejects(client.tokenize(session, CARD, { product }), {
    code: 'server_rejected',
    platformCode: 'session_used',
  });
});

test('the platform says itself which product a card is of', async () => {
  const session = await openSession({
    server: all.url,
    platform: 'online_payments',
    customer: CUSTOMER,
    fetch: fromPage,
  });
  const token = await new OnlinePayments({ server: all.url, fetch: fromPage }).tokenize(session, CARD, {
    context: CONTEXT,
  });
  assert.equal(token.brand, 'visa');
});

test('a card is charged once, and one that needs 3-D Secure says where to go', async () => {
  const merchant = (url, options) =>
    fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${all.server.apiKey}` } });
  const client = new OnlinePayments({ server: all.url, fetch: fromPage });
  const pay = async (card) => {
    const session = await openSession({
      server: all.url,
      platform: 'online_payments',
      kind: 'payment',
      amount: '10.00',
      currency: 'EUR',
      fetch: merchant,
    });
    return client.pay(session, card, { context: CONTEXT, idempotencyKey: session.id });
  };
  const paid = await pay(CARD);
  assert.deepEqual([paid.status, paid.redirect, paid.last4], ['approved', null, '0026']);
  const waiting = await pay({ ...CARD, number: '4000000000003220' });
  assert.equal(waiting.status, 'unknown');
  assert.ok(URL.canParse(waiting.redirect.url));
});

// ------------------------------------------------------------------------------------------------- on the demo page

const VISA = { number: '4012000033330026', expiry: '1230', cvc: '739', holder: 'Zoë Müller' };
const DECLINED = { ...VISA, number: '4000000000000002' };
const platform = () => all.sandbox.of('online_payments');

/** A fresh page, what the browser sent, and the payments that the platform got since. */
const withPage = (body, options) => async () => {
  const opened = await all.open(options);
  const before = (await platform().state()).payments.length;
  try {
    await body({ ...opened, grown: async () => (await platform().state()).payments.slice(before) });
    assert.deepEqual(
      opened.problems.filter((text) => !/^Failed to load resource/.test(text)),
      [],
      'the console stays quiet',
    );
    assert.deepEqual(await opened.violations(), [], 'nothing breaks the policy');
  } finally {
    all.front.cut = () => false;
    await all.sandbox.clearFaults();
    await opened.close();
  }
};

const firstCard = (page) => page.locator('#saved > li').first();
const posts = (sent, path) => sent.filter(({ method, url }) => method === 'POST' && url.endsWith(path));

test(
  'a typed card is encrypted, stored, charged, and refunded in parts',
  withPage(async ({ page, sent, grown }) => {
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    assert.match(await page.locator('#result-lines').innerText(), /Visa •••• 0026[\s\S]*Saved for next time\s*Yes/);
    const [handed] = posts(sent, '/v1/tokens');
    assert.deepEqual(Object.keys(JSON.parse(handed.body)).sort(), [
      'encrypted_customer_input',
      'payment_product_id',
      'session',
    ]);
    const asked = posts(sent, '/services/getIINdetails').map(({ body }) => JSON.parse(body).bin);
    assert.equal(asked.at(-1), '40120000');
    assert.ok(
      asked.every((bin) => '40120000'.startsWith(bin)),
      String(asked),
    );
    await page.click('#result-next');

    await page.fill('#amount', '30.00');
    await firstCard(page)
      .getByRole('button', { name: /^Pay \$30\.00/ })
      .click();
    const desk = await deskOf(page);
    await until('the second charge', async () => (await newestPayment(desk).innerText()).startsWith('$30.00'));
    await becomes(page, 'approved');
    assert.equal(
      await newestPayment(desk).getByRole('button', { name: /^Void/ }).count(),
      0,
      'what is captured is not voided here',
    );
    await followUp(desk, 'Refund', '10.10');
    await becomes(page, 'partially_refunded');
    assert.match(await newestPayment(desk).innerText(), /captured \$30\.00 of \$30\.00, refunded \$10\.10/);
    assert.equal((await grown()).length, 2);
  }),
);

test(
  'a payment that is authorized is voided, another captured in part',
  withPage(async ({ page }) => {
    await page.check('#capture-later');
    assert.equal(await payWith(page, VISA), 'Authorized $24.50');
    const desk = await becomes(page, 'authorized');
    await followUp(desk, 'Void');
    await becomes(page, 'voided');
    await page.click('#result-next');
    assert.equal(await payWith(page, VISA), 'Authorized $24.50');
    await becomes(page, 'authorized');
    await followUp(desk, 'Capture', '20');
    await becomes(page, 'approved');
    assert.match(await newestPayment(desk).innerText(), /captured \$20\.00 of \$24\.50/);
  }),
);

test(
  'a declined card says so, and the next one is taken',
  withPage(async ({ page }) => {
    await typeCard(page, DECLINED);
    await page.click('#pay');
    const said = await failure(page);
    assert.match(said, /declined[\s\S]*does not allow this payment[\s\S]*Nothing was charged/);
    await typeCard(page, VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);

test(
  'a session that the platform has forgotten is renewed without a word',
  withPage(async ({ page, sent, grown }) => {
    await typeCard(page, VISA);
    await until('the session', () => posts(all.front.requests, '/v1/sessions').at(-1)?.status === 201);
    await platform().command('expire_sessions');
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal(posts(sent, '/v1/sessions').length, 2);
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'a card that is not kept is charged once, also after a lost answer',
  withPage(async ({ page, grown }) => {
    await page.uncheck('#save-card');
    let lost = 0;
    all.front.cut = ({ method, url }) =>
      method === 'POST' && url === '/v1/payments' && lost++ === 0 ? 'half-way' : false;
    await typeCard(page, VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'We do not know yet');
    await page.click('#result-check');
    await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'a question to the platform that gets no answer leaves nothing in doubt',
  withPage(async ({ page, sent, grown }) => {
    await page.uncheck('#save-card');
    for (const path of ['**/services/getIINdetails', '**/crypto/publickey']) {
      await page.route(path, (route) => route.abort());
      if (path.endsWith('IINdetails')) await typeCard(page, VISA);
      await page.click('#pay');
      assert.match(await failure(page), /Nothing was charged/, path);
      await page.unroute(path);
    }
    assert.equal(posts(sent, '/v1/payments').length, 0);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'nobody but the platform gets the card, and the panel shows what is sealed, masked',
  withPage(async ({ page, sent }) => {
    const before = all.front.requests.length;
    await payWith(page, VISA);
    for (const request of sent)
      assert.deepEqual(found([request.url, request.headers, request.body].join('\n'), VISA.number), [], request.url);
    assert.deepEqual(
      leaks(
        all.front.requests
          .slice(before)
          .map((request) => ({ ...request, body: request.body.replace(/"encrypted_customer_input":"[^"]*"/, '') })),
        VISA,
      ),
      [],
    );
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    const shown = await page.locator('#wire').innerText();
    assert.match(
      shown,
      /says what kind of card it is[\s\S]*encrypted card goes to the shop’s server[\s\S]*AES-256-CBC encrypted/,
    );
    assert.match(shown, /"clientSessionId": "\S{6}… \(\d+ characters\)"/);
    assert.match(shown, /authorization: GCS \S{6}… \(/);
    const session = /GCS v1Client:([\w-]+)/.exec(sent.map(({ headers }) => headers).join('\n'))[1];
    assert.equal(shown.includes(session), false, 'nobody reads the session over a shoulder');
    assert.equal(await page.locator('.proof-bad').count(), 0);
  }),
);

test(
  'the server has the card neither in memory nor in its log nor in its database',
  withPage(async ({ page }) => {
    // Not the number of a test card: the server has those in its hands when it serves the page's own files.
    const card = { ...VISA, number: '4716108999716531' };
    assert.ok(passesLuhn(card.number));
    for (const save of [true, false]) {
      await page.setChecked('#save-card', save);
      assert.equal(await payWith(page, card), 'Paid $24.50');
      await page.click('#result-next');
    }
    const database = all.server.database();
    assert.ok(database.includes(card.number.slice(-4)), 'the database is the right one');
    assert.deepEqual(found(database, card.number), [], 'the database');
    assert.deepEqual(found(all.server.log(), card.number), [], 'the log');
    let seen = 0;
    for (const { bytes, name } of processMemory(all.server.pid)) {
      seen += bytes.length;
      assert.deepEqual(found(bytes, card.number), [], `memory, in ${name}`);
    }
    assert.ok(seen > 4 << 20, 'the memory was read');
  }),
);

// ---------------------------------------------------------------------------------------------- away, and back again

const CHALLENGED = { ...VISA, number: '4000000000003220' };

/** The simulated platform's own form. */
const fillThere = async (place, card) => {
  await place.locator('[name=cardNumber]').fill(card.number);
  await place.locator('[name=cardholderName]').fill(card.holder);
  await place.locator('[name=expiryDate]').fill('12/30');
  await place.locator('[name=cvv]').fill(card.cvc);
};
const goThere = async (page) => {
  await page.check('#way-page');
  assert.equal(await page.isVisible(field('number')), false, 'no card is typed here');
  assert.equal(await page.locator('#pay').innerText(), 'Pay $24.50 at Worldline');
  await page.click('#pay');
  await page.waitForURL('**/hostedcheckout/**');
};
const comesBack = async (page) => {
  await page.waitForURL((url) => url.href.startsWith(all.url));
  await page.waitForSelector('#pay-form[data-ready]', { state: 'attached' });
};
test(
  'a payment on the platform’s own page, and back',
  withPage(async (opened) => {
    const { page } = opened;
    await goThere(page);
    await fillThere(page, VISA);
    await page.click('button[value=pay]');
    await page.click('#continue');
    await comesBack(page);
    await paidElsewhere(opened, all.url, VISA);
  }),
);

test(
  'a page of the platform’s that is cancelled charges nothing',
  withPage(async ({ page, grown }) => {
    await goThere(page);
    await page.click('button[value=cancel]');
    await page.click('#continue');
    await comesBack(page);
    await page.waitForSelector('#notice.notice-info');
    assert.match(await page.locator('#notice').innerText(), /without paying[\s\S]*Nothing was charged/);
    await leavesNothing(page, all.url);
    assert.equal((await grown()).length, 0);
    await page.check('#way-relay');
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
  }),
);

test(
  'who turns back on the platform’s page can go on there',
  withPage(async ({ page, grown }) => {
    await goThere(page);
    await page.goto(all.url);
    await page.waitForSelector('#notice.notice-info');
    assert.match(await page.locator('#notice').innerText(), /not paid yet/);
    await page.getByRole('button', { name: 'Go on there' }).click();
    await fillThere(page, VISA);
    await page.click('button[value=pay]');
    // Closed before the way back was taken: the shop asks the platform.
    await page.goto(all.url);
    assert.equal(await resultHeading(page), 'Paid $24.50');
    await leavesNothing(page, all.url);
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'an answer that is lost on coming back is asked for again',
  withPage(async ({ page, grown }) => {
    await goThere(page);
    await fillThere(page, VISA);
    await page.click('button[value=pay]');
    let lost = 0;
    all.front.cut = ({ method, url }) =>
      method === 'POST' && url === '/v1/payments' && lost++ === 0 ? 'half-way' : false;
    await page.click('#continue');
    await comesBack(page);
    assert.equal(await resultHeading(page), 'We do not know yet');
    await page.click('#result-check');
    await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
    await leavesNothing(page, all.url);
    assert.equal((await grown()).length, 1);
  }),
);

for (const [answer, save] of [
  ['pass', true],
  ['pass', false],
  ['fail', true],
]) {
  test(
    `a bank that asks for the person: ${answer}, ${save ? 'stored' : 'once'}`,
    withPage(async ({ page, sent, grown }) => {
      if (!save) await page.uncheck('#save-card');
      await typeCard(page, CHALLENGED);
      await page.click('#pay');
      await page.waitForURL('**/authentication/**');
      await page.click(`button[value=${answer}]`);
      await comesBack(page);
      if (answer === 'pass') {
        assert.equal(await resultHeading(page), 'Paid $24.50');
        assert.equal((await page.locator('#result-lines').innerText()).includes('Saved for next time'), save);
        await becomes(page, 'approved');
      } else {
        assert.match(
          await failure(page),
          /asked you to confirm this payment, and that failed[\s\S]*Nothing was charged/,
        );
        await becomes(page, 'declined');
      }
      await leavesNothing(page, all.url);
      assert.equal((await grown()).length, 1);
      for (const request of sent)
        assert.deepEqual(found([request.url, request.headers, request.body].join('\n'), CHALLENGED.number), []);
    }),
  );
}

test(
  'who leaves the bank’s page is told that it waits',
  withPage(async ({ page }) => {
    await typeCard(page, CHALLENGED);
    await page.click('#pay');
    await page.waitForURL('**/authentication/**');
    await page.goto(all.url);
    assert.equal(await resultHeading(page), 'Your bank is waiting for you');
    const desk = await becomes(page, 'unknown');
    assert.match(
      await desk.locator('#open > li').first().innerText(),
      /bank waits for the customer to confirm[\s\S]*What to do: nothing/,
    );
    await page.click('#result-go');
    await page.waitForURL('**/authentication/**');
    await page.goto(all.url);
    assert.equal(await resultHeading(page), 'Your bank is waiting for you');
    await page.click('#result-go');
    await page.waitForURL('**/authentication/**');
    await page.click('button[value=pass]');
    await comesBack(page);
    assert.equal(await resultHeading(page), 'Paid $24.50');
    await leavesNothing(page, all.url);
  }),
);

test(
  'a card that is not kept is not authorized for later',
  withPage(async ({ page }) => {
    await page.check('#capture-later');
    await page.uncheck('#save-card');
    assert.equal(await page.isVisible('#capture-later'), false);
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
  }),
);

// ------------------------------------------------------------------------------------- the platform's form in a frame

const framed = async (page) => {
  await page.check('#way-frame');
  await page.waitForSelector('#frame[data-ready]');
  return page.frameLocator('#frame iframe');
};

test(
  'a card that is typed in the platform’s form is stored and charged, twice',
  withPage(async ({ page, sent, grown }) => {
    const inside = await framed(page);
    assert.equal(await page.isVisible(field('number')), false, 'no card is typed in the shop’s own fields');
    const script = page.locator('script[src$="tokenizer.min.js"]');
    assert.match(await script.getAttribute('integrity'), /^sha384-/);
    for (const [number, last4] of [
      [VISA.number, '0026'],
      ['5300000000000006', '0006'],
    ]) {
      await page.waitForSelector('#frame[data-ready]');
      await fillThere(inside, { ...VISA, number });
      await page.click('#pay');
      assert.equal(await resultHeading(page), 'Paid $24.50');
      assert.match(
        await page.locator('#result-lines').innerText(),
        new RegExp(`•••• ${last4}[\\s\\S]*Saved for next time\\s*Yes`),
      );
      await page.click('#result-next');
      const holding = sent.filter(
        (request) => found([request.url, request.headers, request.body].join('\n'), number).length > 0,
      );
      assert.deepEqual(
        holding.map(({ method, url }) => [method, url.startsWith(`${platform().base_url}/hostedtokenization/`)]),
        [['POST', true]],
      );
    }
    assert.equal((await grown()).length, 2);
    await firstCard(page)
      .getByRole('button', { name: /^Pay \$24\.50/ })
      .click();
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal((await grown()).length, 3);
  }),
);

test(
  'a mistake in the platform’s form, a declined card, and then another',
  withPage(async ({ page, grown }) => {
    const inside = await framed(page);
    await page.click('#pay');
    assert.match(await failure(page), /did not accept the card[\s\S]*Nothing was charged/);
    await fillThere(inside, DECLINED);
    await page.click('#pay');
    await until('the decline', async () => /declined this payment/.test(await page.locator('#notice').innerText()));
    await page.waitForSelector('#frame[data-ready]');
    await fillThere(inside, VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.match(await page.locator('#result-lines').innerText(), /•••• 0026/, 'the card that was typed last');
    assert.deepEqual((await grown()).length, 2);
  }),
);

test(
  'a card that is saved stays, if it is typed again without being saved, and if it is declined then',
  withPage(async ({ page, grown }) => {
    const saved = async () => {
      await listsRead(page);
      return page.locator('#saved > li').filter({ hasText: '0026' }).count();
    };
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    await page.click('#result-next');
    await until('the saved card', async () => (await saved()) === 1);

    await page.uncheck('#save-card');
    const inside = await framed(page);
    await fillThere(inside, VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    await page.click('#result-next');
    assert.equal(await saved(), 1, 'the platform has one token for the card');

    await page.check('#way-relay');
    await page.check('#save-card');
    // The platform declines this amount.
    await page.fill('#amount', '13.02');
    await typeCard(page, VISA);
    await page.click('#pay');
    assert.match(await failure(page), /declined[\s\S]*Nothing was charged/);
    assert.equal(await saved(), 1);
    assert.equal((await grown()).length, 3);
  }),
);

test(
  'the platform’s form goes when another way is chosen, and leads to the bank’s page, too',
  withPage(async ({ page, grown }) => {
    await framed(page);
    await page.check('#way-relay');
    assert.equal(await page.locator('#frame iframe').count(), 0);
    assert.equal(await page.isVisible(field('number')), true);
    const inside = await framed(page);
    await fillThere(inside, CHALLENGED);
    await page.click('#pay');
    await page.waitForURL('**/authentication/**');
    await page.click('button[value=pass]');
    await comesBack(page);
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal((await grown()).length, 1);
  }),
);

test('another script in the place of the platform’s is not run', async () => {
  const { page, close } = await all.open();
  try {
    await page.route('**/tokenizer.min.js', (route) =>
      route.fulfill({
        contentType: 'text/javascript',
        headers: { 'access-control-allow-origin': '*' },
        body: 'globalThis.__evil = true;',
      }),
    );
    await page.check('#way-frame');
    await until('the refusal', async () =>
      /does not match the hash from the platform/.test(await page.locator('#frame-note').innerText()),
    );
    assert.equal(await page.evaluate(() => globalThis.__evil), undefined);
    await page.unroute('**/tokenizer.min.js');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.waitForSelector('#frame[data-ready]');
  } finally {
    await close();
  }
});

// ------------------------------------------------------------------------------------- answers that come late

/** Holds the requests that fit until they are let go. */
const hold = async (page, url, method) => {
  const held = [];
  await page.route(url, (route) => (route.request().method() === method ? held.push(route) : route.continue()));
  return held;
};

test(
  'what is heard late of a payment does not take the next one’s card from the form',
  withPage(async ({ page }) => {
    await typeCard(page, CHALLENGED);
    await page.click('#pay');
    await page.waitForURL('**/authentication/**');
    await page.goto(all.url);
    assert.equal(await resultHeading(page), 'Your bank is waiting for you');
    const id = await newestPayment(await deskOf(page)).getAttribute('data-payment');
    const held = await hold(page, '**/v1/payments/pay_*', 'GET');
    await until('a question about the payment', () => held.length > 0);
    await page.click('#result-next');
    await typeCard(page, VISA);
    const answered = page.waitForResponse((response) => response.url().endsWith(id));
    const paid = { id, platform: 'online_payments', status: 'approved', amount: '24.50', currency: 'USD' };
    const listsRead = page.waitForResponse((response) => response.url().includes('/v1/tokens?'));
    for (const route of held) await route.fulfill({ json: paid });
    await answered;
    await listsRead; // what the page does with the answer is done by then
    assert.equal(await page.isVisible('#result'), false);
    assert.equal(await page.inputValue(field('number')), '4012 0000 3333 0026');
  }),
);

test(
  'a change in the list that ends does not free the list while the form pays, nor shows in the panel of another action',
  withPage(async ({ page }) => {
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    await becomes(page, 'approved');
    await page.click('#result-next');
    const id = await firstCard(page).getAttribute('data-token');
    await typeCard(page, VISA);
    const changes = await hold(page, '**/v1/tokens/tok_*', 'DELETE');
    const charges = await hold(page, '**/v1/payments', 'POST');
    await firstCard(page)
      .getByRole('button', { name: /^Delete/ })
      .click();
    await page.click('#ask-yes');
    await until('the deletion', () => changes.length === 1);
    await page.click('#pay');
    await until('the charge', () => charges.length === 1);
    await changes[0].continue();
    await page.locator(`[data-token="${id}"]`).waitFor({ state: 'detached' });
    const buttons = page.locator('#saved').getByRole('button', { name: /^Delete/ });
    await until('the card that is being charged', () => buttons.first().isVisible());
    assert.equal(await buttons.first().isDisabled(), true, 'the form is still paying');
    assert.equal(
      await page
        .locator('#wire')
        .innerText()
        .then((text) => /deleted/i.test(text)),
      false,
    );
    await charges[0].continue();
    assert.equal(await resultHeading(page), 'Paid $24.50');
    await until('the list is free', () => buttons.first().isEnabled());
  }),
);
