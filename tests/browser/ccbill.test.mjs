// CCBill on the demo page, in a real browser against server and sandbox.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  accessibility,
  axe,
  becomes,
  CC_JCB,
  CC_VISA,
  CUSTOMER,
  deskOf,
  failure,
  field,
  found,
  leaks,
  newestPayment,
  note,
  passesLuhn,
  payWith,
  processMemory,
  resultHeading,
  savedCards,
  startAll,
  sticksOut,
  typeCard,
  typeCustomer,
  until,
  VISA,
} from './harness.mjs';

let all;
let cc;
let wire;
before(async () => {
  all = await startAll({ platforms: ['greenpay', 'ccbill'] });
  cc = all.sandbox.of('ccbill');
  wire = all.wire.ccbill.base_url;
});
after(() => all?.stop());

/** A fresh page with CCBill chosen and the customer known, and what the sandbox and the wire got since. */
const withPage = (body, options) => async () => {
  const opened = await all.open(options);
  const before = await cc.state();
  const from = { wire: wire.requests.length, front: all.front.requests.length };
  const grown = async () => {
    const now = await cc.state();
    return {
      transactions: now.transactions.slice(before.transactions.length),
      tokens: now.payment_tokens.filter(({ id }) => !before.payment_tokens.some((old) => old.id === id)),
    };
  };
  try {
    await opened.page.check('#platform-ccbill');
    await typeCustomer(opened.page);
    await body({
      ...opened,
      grown,
      wired: () => wire.requests.slice(from.wire),
      front: () => all.front.requests.slice(from.front),
    });
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
const pathOf = (url) =>
  [wire.url, all.url].reduce((path, base) => (path.startsWith(base) ? path.slice(base.length) : path), url);
const posts = (requests, path) => requests.filter(({ method, url }) => method === 'POST' && pathOf(url) === path);
const CREATE = '/payment-tokens/merchant-only-verify';
const ONCE = async (page, currency = 'EUR') => {
  await page.uncheck('#save-card');
  await page.selectOption('#currency', currency);
};

// ------------------------------------------------------------------------------------------------- the form

test(
  'the form asks who the customer is, and only for CCBill',
  withPage(async ({ page, sent }) => {
    assert.equal(await page.isVisible(field('email')), true);
    assert.equal(await page.isDisabled('#way-relay'), true);
    assert.equal(await page.isVisible(field('nickname')), false);
    assert.equal(await page.isVisible('#save-card'), true);
    assert.equal(await page.isVisible('#later-row'), false);
    assert.match(await page.locator('#promise').innerText(), /goes to CCBill only/);
    assert.doesNotMatch(
      await page.locator('main').innerText(),
      /[Ee]ncrypted by WebAssembly/,
      'nothing is promised that this platform does not keep',
    );
    await page.check('#platform-greenpay');
    assert.equal(await page.isVisible(field('email')), false);
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    assert.deepEqual(leaks(sent, VISA), []);
    assert.equal(
      sent.some(({ body }) => body.includes(CUSTOMER.email)),
      false,
      'nobody else hears of the customer',
    );
  }),
);

test(
  'what is missing or would be refused is said at its field, before anything is sent',
  withPage(async ({ page, sent }) => {
    await typeCustomer(page, { firstName: '', email: 'ana', postalCode: 'SW1A 1AA' });
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    const words = (name) => page.locator(note(name)).innerText();
    const wrong = () =>
      page
        .locator('#card [aria-invalid]')
        .evaluateAll((inputs) => inputs.map((input) => input.closest('[data-field]').dataset.field));
    const first = page.locator('#card .cardseal-summary').getByRole('link').first();
    assert.match(await words('firstName'), /Fill in this field/);
    assert.match(await words('email'), /Check this field/);
    assert.match(await words('postalCode'), /Check this field/);
    assert.match(await page.locator('#card .cardseal-summary:focus').innerText(), /3 mistakes/);
    assert.equal(await first.getAttribute('data-field'), 'firstName');
    assert.deepEqual(await wrong(), ['firstName', 'email', 'postalCode']);
    await page.selectOption(field('country'), 'GB');
    assert.equal(await words('postalCode'), '', 'of that country it is one');
    await page.fill(field('firstName'), 'José');
    assert.match(await words('firstName'), /without accents/);
    await page.fill(field('holder'), 'Ana Mora 2');
    await page.click('#pay');
    await page.waitForSelector('#card .cardseal-summary:focus');
    assert.equal(await first.getAttribute('data-field'), 'holder', 'the card goes first');
    assert.equal(
      sent.some(({ url }) => url.startsWith(wire.url)),
      false,
    );
    await page.fill(field('holder'), 'Ana Núñez');
    await typeCustomer(page);
    await page.selectOption(field('country'), 'US');
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);

test(
  'a press is one even where leaving a field puts words above the button',
  withPage(
    async ({ page }) => {
      await typeCustomer(page, { postalCode: '' });
      await typeCard(page, { ...CC_VISA, holder: 'Ana Mora 2' });
      await page.click('#pay');
      await until('every mistake', async () =>
        /Fill in this field/.test(await page.locator(note('postalCode')).innerText()),
      );
      assert.match(await page.locator('#card .cardseal-summary:focus').innerText(), /2 mistakes/);
    },
    { viewport: { width: 390, height: 1500 } },
  ),
);

// ---------------------------------------------------------------------------------------------------- money

test(
  'a card becomes a payment token in the browser, is stored, and is charged, and charged again',
  withPage(async ({ page, wired, grown }) => {
    assert.equal(await payWith(page, CC_VISA), 'Paid $24.50');
    assert.match(
      await page.locator('#result-lines').innerText(),
      /Visa •••• 3598[\s\S]*Authorization[\s\S]*Saved for next time\s*Yes/,
    );
    await becomes(page, 'approved');
    const [made] = posts(wired(), CREATE);
    const { customerInfo, subscriptionId, timeToLive, clientSubacc } = JSON.parse(made.body);
    assert.deepEqual(
      [customerInfo, subscriptionId, timeToLive, clientSubacc],
      [
        {
          customerFname: 'Ana',
          customerLname: 'Mora',
          zipcode: '85281',
          country: 'US',
          email: 'ana@shop.example',
          ipAddress: '127.0.0.1',
        },
        0,
        undefined,
        0,
      ],
    );
    for (const name of ['number', 'expiry', 'cvc', 'holder'])
      assert.equal(await page.inputValue(field(name)), '', `${name} is cleared`);

    // Of the card nothing is known afterwards, and nothing is made up.
    assert.match(await firstCard(page).innerText(), /^Card\s*CCBill[\s\S]*CCBill does not tell its digits, saved /);
    assert.doesNotMatch(await firstCard(page).innerText(), /undefined|null|\?\?\?\?|unknown/);
    assert.equal(
      await newestPayment(await deskOf(page))
        .getByRole('button')
        .count(),
      0,
      'CCBill has no voids and refunds here',
    );
    await page.fill('#amount', '19.99');
    await firstCard(page)
      .getByRole('button', { name: /^Pay \$19\.99/ })
      .click();
    const desk = await deskOf(page);
    await until('the second charge', async () => (await newestPayment(desk).innerText()).startsWith('$19.99'));
    await becomes(page, 'approved');
    const { transactions, tokens } = await grown();
    assert.deepEqual(
      transactions.map(({ cents, currency, approved, threeds, token }) => [cents, currency, approved, threeds, token]),
      [
        [2450, 840, true, false, tokens[0].id],
        [1999, 840, true, false, tokens[0].id],
      ],
    );
    assert.deepEqual([tokens.length, tokens[0].last4, tokens[0].verified], [1, '3598', true]);

    await firstCard(page)
      .getByRole('button', { name: /^Delete/ })
      .click();
    assert.match(await page.locator('#ask-text').innerText(), /The shop forgets it\. CCBill cannot delete it/);
    const id = await firstCard(page).getAttribute('data-token');
    await page.click('#ask-yes');
    await page.locator(`[data-token="${id}"]`).waitFor({ state: 'detached' });
  }),
);

test(
  'a card that is not kept is charged once, with a token for one use',
  withPage(async ({ page, sent, grown }) => {
    await ONCE(page, 'USD');
    assert.equal(await payWith(page, CC_JCB), 'Paid $24.50');
    assert.match(await page.locator('#result-lines').innerText(), /JCB •••• 0000/);
    const { transactions, tokens } = await grown();
    assert.deepEqual(
      transactions.map(({ cents, approved, threeds }) => [cents, approved, threeds]),
      [[2450, true, false]],
    );
    assert.deepEqual(
      tokens.map(({ time_to_live: hours, valid_number_of_use: uses, uses: used, subacc }) => [
        hours,
        uses,
        used,
        subacc,
      ]),
      [[1, 1, 1, 0]],
    );
    const asked = sent.filter(({ url }) => url.includes('/threeds-required'));
    assert.deepEqual(
      asked.map(({ url }) => pathOf(url)),
      ['/payment-tokens/threeds-required?bin=353011&last4=0000&clientAccnum=900684&clientSubacc=1&currencyCode=840'],
    );
  }),
);

test(
  'where CCBill wants 3-D Secure the customer is asked, and the charge has what came of it',
  withPage(async ({ page, wired, front, grown }) => {
    await ONCE(page);
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    await page.waitForSelector('#ask[open]');
    assert.match(await page.locator('#ask-text').innerText(), /€22\.50/);
    assert.equal((await grown()).transactions.length, 0, 'nothing is charged before');
    await page.click('#ask-yes');
    assert.equal(await resultHeading(page), 'Paid €22.50');
    const { transactions, tokens } = await grown();
    assert.deepEqual(
      transactions.map(({ cents, currency, approved, threeds, subacc }) => [
        cents,
        currency,
        approved,
        threeds,
        subacc,
      ]),
      [[2250, 978, true, true, 1]],
    );
    assert.equal(tokens[0].subacc, 1);
    assert.equal(posts(wired(), `/transactions/payment-tokens/threeds/${tokens[0].id}`).length, 1);
    const { answer } = JSON.parse(posts(front(), '/v1/payments')[0].body);
    assert.deepEqual(
      [answer.paymentToken, answer.threedsInformation.status, answer.threedsInformation.amount],
      [{ paymentTokenId: tokens[0].id, clientAccnum: 900684, clientSubacc: 1 }, 'Y', '22.50'],
    );
  }),
);

test(
  'a customer who refuses at the bank is not charged',
  withPage(async ({ page, front, grown }) => {
    await ONCE(page, 'GBP');
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    await page.waitForSelector('#ask[open]');
    await page.click('#ask-no');
    assert.match(
      await failure(page),
      /declined[\s\S]*asked you to confirm this payment, and that failed[\s\S]*Nothing was charged/,
    );
    await becomes(page, 'declined');
    assert.equal((await grown()).transactions.length, 0);
    const { answer } = JSON.parse(posts(front(), '/v1/payments')[0].body);
    assert.deepEqual(answer.threedsInformation, { status: 'N', success: false });
    // The same card again, and this time the customer agrees.
    await page.click('#pay');
    await page.waitForSelector('#ask[open]');
    await page.click('#ask-yes');
    assert.equal(await resultHeading(page), 'Paid £19.50');
  }),
);

for (const [amount, words] of [
  ['24.31', /not enough money/],
  ['24.29', /expired/],
  ['24.05', /said no/],
  ['24.22', /could not be reached/],
]) {
  test(
    `a decline says why, ${amount}`,
    withPage(async ({ page, grown }) => {
      await page.locator('#cards-approved button').first().click();
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      await page.locator(`#cards-declined [data-amount="${amount}"]`).click();
      assert.equal(await page.inputValue('#amount'), amount);
      await page.uncheck('#save-card');
      await page.click('#pay');
      const said = await failure(page);
      assert.match(said, words);
      assert.match(said, /Nothing was charged/);
      assert.doesNotMatch(said, /undefined|null|\bcode:/);
      assert.deepEqual(
        (await grown()).transactions.map(({ approved }) => approved),
        [false],
      );
      await page.fill('#amount', '24.50');
      await page.click('#pay');
      assert.equal(await resultHeading(page), 'Paid $24.50');
    }),
  );
}

test(
  'a charge that is declined after the card was stored says so, and the card does not stay',
  withPage(async ({ page, grown }) => {
    const before = await savedCards(page);
    await page.fill('#amount', '24.31');
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    assert.match(await failure(page), /not enough money[\s\S]*The card was not saved/);
    assert.equal(await savedCards(page), before);
    await page.fill('#amount', '24.50');
    await typeCustomer(page);
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    await until('the card that stays', async () => (await savedCards(page)) === before + 1);
    const { transactions, tokens } = await grown();
    // CCBill deletes no token, so both are there; the shop has forgotten the first.
    assert.deepEqual([transactions.map(({ approved }) => approved), tokens.length], [[false, true], 2]);
  }),
);

// ------------------------------------------------------------------------------------------------- trouble

test(
  'an access token that ended is renewed without a word',
  withPage(async ({ page, sent, grown }) => {
    await typeCard(page, CC_VISA);
    await until('the session', () => posts(all.front.requests, '/v1/sessions').at(-1)?.status === 201);
    // The page has it as soon as a press finds it there; whether it came before or after is the same to what follows.
    await cc.command('expire_tokens');
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal(posts(sent, CREATE).length, 2);
    assert.equal((await grown()).transactions.length, 1);
  }),
);

test(
  'a platform that does not answer a card gets words, and the next press works',
  withPage(async ({ page, grown }) => {
    await typeCard(page, CC_VISA);
    for (const kind of ['drop_before', 'server_error', 'html', 'bad_gateway_before_commit']) {
      await all.sandbox.clearFaults();
      await cc.fault({ route: 'payment-tokens/verify', kind, times: 0 });
      await page.click('#pay');
      const said = await failure(page);
      assert.match(said, /Nothing was charged/, kind);
      assert.doesNotMatch(said, /undefined|null|\bcode:/, kind);
    }
    assert.equal((await grown()).transactions.length, 0);
    await all.sandbox.clearFaults();
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
  }),
);

test(
  'a charge whose answer was lost is unknown, and is not made again',
  withPage(async ({ page, grown }) => {
    await ONCE(page, 'USD');
    await cc.fault({ route: 'transactions', kind: 'drop_after_commit', times: 0 });
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'We do not know yet');
    assert.match(await page.locator('#result-text').innerText(), /looks it up by hand/);
    await becomes(page, 'unknown');
    await all.sandbox.clearFaults();
    assert.equal((await grown()).transactions.length, 1);
  }),
);

test(
  "the shop's own answer is asked for again, with the same key",
  withPage(async ({ page, front, grown }) => {
    await ONCE(page, 'USD');
    let lost = 0;
    all.front.cut = ({ method, url }) =>
      method === 'POST' && url === '/v1/payments' && lost++ === 0 ? 'half-way' : false;
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'We do not know yet');
    all.front.cut = () => false;
    await page.click('#result-check');
    await until(
      'the answer',
      async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50',
      30_000,
    );
    assert.equal((await grown()).transactions.length, 1);
    const keys = new Set(
      posts(front(), '/v1/payments').map(({ headers }) => /idempotency-key\n(\S+)/i.exec(headers)[1]),
    );
    assert.equal(keys.size, 1);
  }),
);

// ------------------------------------------------------------------------------------------------- secrecy

test(
  'the card goes to CCBill, once, and nowhere else',
  withPage(async ({ page, sent, wired, front }) => {
    await payWith(page, CC_VISA);
    await page.click('#result-next');
    await ONCE(page);
    await typeCustomer(page);
    await typeCard(page, CC_JCB);
    await page.click('#pay');
    await page.waitForSelector('#ask[open]');
    await page.click('#ask-yes');
    assert.equal(await resultHeading(page), 'Paid €22.50');
    for (const card of [CC_VISA, CC_JCB]) {
      const holding = (requests) =>
        requests.filter(
          (request) => found([request.url, request.headers, request.body].join('\n'), card.number).length > 0,
        );
      assert.deepEqual(
        holding(sent).map(({ method, url }) => `${method} ${pathOf(url)}`),
        [`POST ${CREATE}`],
      );
      assert.deepEqual(
        holding(wired()).map(({ method, url, status }) => [method, url, status]),
        [['POST', CREATE, 200]],
      );
      assert.match(holding(wired())[0].headers, new RegExp(`origin\\n${all.url}`, 'i'), 'sent by the browser itself');
      for (const { url, headers } of holding(wired()))
        assert.deepEqual(leaks([{ method: 'POST', url, headers, body: '' }], card), []);
      assert.deepEqual(leaks(front(), card), [], 'what the shop got');
      assert.deepEqual(
        leaks(
          sent.filter(({ url }) => new URL(url).origin === all.url),
          card,
        ),
        [],
      );
    }
    assert.deepEqual([...new Set(sent.map(({ url }) => new URL(url).origin))].sort(), [all.url, wire.origin].sort());
  }),
);

test(
  "the browser's access token makes payment tokens and charges nothing",
  withPage(async ({ page, wired, grown }) => {
    await payWith(page, CC_VISA);
    const bearer = /authorization\n(Bearer \S+)/i.exec(posts(wired(), CREATE)[0].headers)[1];
    const [{ id }] = (await grown()).tokens;
    for (const [method, path] of [
      ['POST', `/transactions/payment-tokens/${id}`],
      ['GET', `/payment-tokens/${id}`],
      ['GET', `/transactions/payment-tokens/${id}`],
    ]) {
      const answer = await fetch(wire.url + path, {
        method,
        headers: { authorization: bearer, 'content-type': 'application/json' },
        body: method === 'POST' ? '{}' : undefined,
      });
      assert.equal(answer.status, 403, `${method} ${path}`);
    }
  }),
);

test(
  "the panel shows the requests with the card masked, and says what this platform's format is",
  withPage(async ({ page }) => {
    await ONCE(page);
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    await page.waitForSelector('#ask[open]');
    await page.click('#ask-yes');
    await resultHeading(page);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    const shown = await page.locator('#wire').innerText();
    assert.match(
      shown,
      /POST \/v1\/sessions[\s\S]*GET http[^\n]*threeds-required[\s\S]*POST http[^\n]*merchant-only-verify[\s\S]*POST http[^\n]*_stub[\s\S]*POST \/v1\/payments/,
    );
    assert.match(
      shown,
      /CCBill accepts the card as plain JSON: only TLS protects it[\s\S]*never touches the shop’s server/,
    );
    assert.match(shown, /"cardNum": "•{12}3598"/);
    assert.match(shown, /"cvv2": "•••"/);
    assert.match(shown, /bin=447370&last4=3598/);
    assert.match(shown, /accept: application\/vnd\.mcn\.transaction-service\.api\.v\.2\+json/);
    assert.match(shown, /authorization: Bearer \S{6}… \(/, 'the access token is cut short');
    assert.equal(await page.locator('.proof-bad').count(), 0);
    assert.deepEqual(
      found(await page.content(), CC_VISA.number),
      [],
      'nor is the number anywhere else in the document',
    );
    assert.doesNotMatch(shown, new RegExp(`"${CC_VISA.cvc}"`));
  }),
);

test('neither the server nor the wasm module keeps the card', async () => {
  const card = { ...CC_VISA, number: '4716108999716531' }; // none of the page's own test cards
  assert.ok(passesLuhn(card.number));
  const { page, close } = await all.open();
  await page.check('#platform-ccbill');
  await typeCustomer(page);
  await payWith(page, card);
  const memories = await page.evaluate(() =>
    globalThis.__memories.map((memory) => {
      const bytes = new Uint8Array(memory.buffer);
      let text = '';
      for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
      return btoa(text);
    }),
  );
  assert.ok(memories.length > 0);
  for (const memory of memories)
    assert.deepEqual(found(Buffer.from(memory, 'base64'), card.number), [], 'the wasm module');
  await close();
  assert.deepEqual(found(all.server.log(), card.number), [], 'the log');
  assert.deepEqual(found(all.server.database(), card.number), [], 'the database');
  for (const { bytes, name } of processMemory(all.server.pid))
    assert.deepEqual(found(bytes, card.number), [], `memory, in ${name}`);
});

// ------------------------------------------------------------------------------------------------- for everybody

for (const colorScheme of ['light', 'dark']) {
  test(
    `axe finds nothing with CCBill chosen, ${colorScheme}`,
    { skip: axe === null && 'axe-core is not installed' },
    withPage(
      async ({ page, context }) => {
        const check = await accessibility(page, context);
        await check('chosen');
        await page.fill(field('email'), 'x');
        await page.click('#pay');
        await check('with mistakes');
        await page.fill(field('email'), CUSTOMER.email);
        await payWith(page, CC_VISA);
        await becomes(page, 'approved');
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        await check('paid, everything open');
      },
      { colorScheme },
    ),
  );
}

for (const width of [320, 1280]) {
  test(
    `nothing sticks out at ${width} px with CCBill chosen`,
    withPage(
      async ({ page }) => {
        assert.equal(await sticksOut(page), false);
        await payWith(page, CC_VISA);
        await becomes(page, 'approved');
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        assert.equal(await sticksOut(page), false, 'paid, everything open');
        assert.equal(await sticksOut(await deskOf(page)), false, 'the desk');
      },
      { viewport: { width, height: 800 } },
    ),
  );
}
