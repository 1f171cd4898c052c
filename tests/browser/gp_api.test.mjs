// Global Payments GP API on the demo page, in a real browser against server and sandbox.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  accessibility,
  axe,
  becomes,
  deskOf,
  failure,
  field,
  focusedField,
  followUp,
  found,
  GP_AMEX,
  GP_DECLINED,
  GP_VISA,
  leaks,
  newestPayment,
  passesLuhn,
  payWith,
  processMemory,
  resultHeading,
  savedCards,
  startAll,
  sticksOut,
  typeCard,
  until,
  VISA,
} from './harness.mjs';

let all;
before(async () => {
  all = await startAll({ platforms: ['greenpay', 'gp_api'] });
});
after(() => all?.stop());

/** A fresh page with GP API chosen, and what the sandbox and the wire got since. */
const withPage = (body, options) => async () => {
  const opened = await all.open(options);
  const before = await all.sandbox.gp.state();
  const from = { gp: all.gp.requests.length, front: all.front.requests.length };
  const grown = async () => {
    const now = await all.sandbox.gp.state();
    return {
      transactions: now.transactions.slice(before.transactions.length),
      verifications: now.verifications_made - before.verifications_made,
    };
  };
  try {
    await opened.page.check('#platform-gp_api');
    await body({
      ...opened,
      grown,
      gp: () => all.gp.requests.slice(from.gp),
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
/** Below the platform's address, or the server's. */
const pathOf = (url) =>
  [all.gp.url, all.url].reduce((path, base) => (path.startsWith(base) ? path.slice(base.length) : path), url);
const posts = (requests, path) => requests.filter(({ method, url }) => method === 'POST' && pathOf(url) === path);

// ------------------------------------------------------------------------------------------------- the choice

test(
  'both platforms are offered, and the same form serves either',
  withPage(async ({ page, sent }) => {
    const choice = page.getByRole('group', { name: 'Payment platform' });
    assert.deepEqual(
      await choice.getByRole('radio').evaluateAll((radios) => radios.map(({ value, checked }) => [value, checked])),
      [
        ['greenpay', false],
        ['gp_api', true],
      ],
    );
    assert.equal(await page.isVisible(field('nickname')), false, 'only GreenPay names a card');
    assert.equal(await page.isVisible('#save-card'), true);
    assert.equal(await page.isDisabled('#way-relay'), true);
    assert.equal(await page.isChecked('#way-direct'), true);
    assert.match(await page.locator('#card [data-field="holder"] label').innerText(), /optional/);
    assert.match(await page.locator('#promise').innerText(), /goes to Global Payments only/);
    assert.doesNotMatch(
      await page.locator('main').innerText(),
      /[Ee]ncrypted by WebAssembly/,
      'nothing is promised that this platform does not keep',
    );
    await page.selectOption('#currency', 'EUR');

    await page.check('#platform-greenpay');
    assert.equal(await page.inputValue('#currency'), 'USD');
    assert.equal(await page.isChecked('#way-relay'), true, 'the way that was chosen before');
    assert.equal(await page.isVisible(field('nickname')), true);
    assert.equal(await page.isVisible('#capture-later'), false);
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    await page.click('#result-next');

    await page.check('#platform-gp_api');
    assert.equal(await payWith(page, GP_VISA), 'Paid $24.50');
    const labels = page.locator('#saved [data-platform]');
    await until('cards of both', async () => (await labels.count()) >= 2);
    assert.deepEqual(await labels.evaluateAll((all) => all.slice(0, 2).map(({ textContent }) => textContent)), [
      'Global Payments',
      'GreenPay',
    ]);
    assert.equal(
      await firstCard(page)
        .getByRole('button', { name: /^Update/ })
        .count(),
      0,
      'only GreenPay replaces a stored card',
    );
    assert.equal(posts(sent, '/v1/sessions').length, 2);
  }),
);

test(
  'a press on a test card of the platform fills the form',
  withPage(async ({ page }) => {
    await page.locator('[data-last4="0608"]').click();
    assert.equal(await page.inputValue(field('number')), '3741 010000 00608');
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.match(await page.locator('#result-lines').innerText(), /American Express •••• 0608/);
  }),
);

test(
  'a wrong check digit only warns: one of the platform’s test cards has one',
  withPage(async ({ page }) => {
    assert.equal(await payWith(page, { ...GP_VISA, number: '5425233424241200' }), 'Paid $24.50');
    assert.match(await page.locator('#result-lines').innerText(), /Mastercard •••• 1200/);
  }),
);

test(
  'a number that is too short stops here',
  withPage(async ({ page, sent }) => {
    await typeCard(page, { ...GP_VISA, number: '542523342424' });
    await page.click('#pay');
    assert.equal(await page.locator(field('number')).getAttribute('aria-invalid'), 'true');
    assert.equal(
      sent.some(({ url }) => url.startsWith(all.gp.url)),
      false,
    );
  }),
);

// ---------------------------------------------------------------------------------------------------- money

test(
  'a card becomes a single-use token in the browser, a stored network token and a charge',
  withPage(async ({ page, gp, grown }) => {
    assert.equal(await payWith(page, GP_VISA), 'Paid $24.50');
    assert.match(
      await page.locator('#result-lines').innerText(),
      /Visa •••• 5262[\s\S]*Authorization[\s\S]*Saved for next time\s*Yes/,
    );
    const { transactions, verifications } = await grown();
    assert.equal(verifications, 1);
    assert.deepEqual(
      transactions.map(({ amount, currency, status, usage_mode: mode, last4 }) => [
        amount,
        currency,
        status,
        mode,
        last4,
      ]),
      [['2450', 'USD', 'CAPTURED', 'USE_NETWORK_TOKEN', '5262']],
    );
    const [single] = posts(gp(), '/payment-methods');
    assert.equal(JSON.parse(single.body).usage_mode, 'SINGLE');
    assert.notEqual(JSON.parse(posts(gp(), '/transactions')[0].body).payment_method.id, undefined);
    await becomes(page, 'approved');
    for (const name of ['number', 'expiry', 'cvc', 'holder'])
      assert.equal(await page.inputValue(field(name)), '', `${name} is cleared`);
  }),
);

test(
  '19.99 is charged to the cent, and the yen has no cents',
  withPage(async ({ page, grown }) => {
    await page.fill('#amount', '19.99');
    assert.equal(await payWith(page, GP_VISA), 'Paid $19.99');
    await page.click('#result-next');
    await page.selectOption('#currency', 'JPY');
    await page.fill('#amount', '3600.5');
    await page.click('#pay');
    assert.match(await page.locator('#amount-error').innerText(), /such as 3600,/);
    await page.fill('#amount', '3600');
    assert.equal(await payWith(page, GP_AMEX), 'Paid ¥3,600');
    assert.deepEqual(
      (await grown()).transactions.map(({ amount, currency }) => [amount, currency]),
      [
        ['1999', 'USD'],
        ['3600', 'JPY'],
      ],
    );
  }),
);

test(
  'a saved card is charged, refunded in parts and voided',
  withPage(async ({ page, grown }) => {
    await payWith(page, GP_VISA);
    await becomes(page, 'approved');
    await page.fill('#amount', '30.00');
    await firstCard(page)
      .getByRole('button', { name: /^Pay \$30\.00/ })
      .click();
    const desk = await deskOf(page);
    await until('the second charge', async () => (await newestPayment(desk).innerText()).startsWith('$30.00'));
    await becomes(page, 'approved');
    assert.match(await newestPayment(desk).innerText(), /captured \$30\.00 of \$30\.00/);

    await newestPayment(desk)
      .getByRole('button', { name: /^Refund/ })
      .click();
    assert.equal(await desk.inputValue('#ask-amount'), '30.00', 'all of it is proposed');
    await desk.fill('#ask-amount', '30.01');
    await desk.keyboard.press('Enter');
    assert.match(await desk.locator('#ask-amount-error').innerText(), /At most \$30\.00/);
    await desk.fill('#ask-amount', '10.10');
    await desk.keyboard.press('Enter');
    await becomes(page, 'partially_refunded');
    assert.match(
      await newestPayment(desk).innerText(),
      /captured \$30\.00 of \$30\.00, refunded \$10\.10[\s\S]*Partly refunded/,
    );

    await newestPayment(desk)
      .getByRole('button', { name: /^Refund/ })
      .click();
    assert.equal(await desk.inputValue('#ask-amount'), '19.90', 'what is left is proposed');
    await desk.click('#ask-yes');
    await becomes(page, 'refunded');
    const { transactions } = await grown();
    assert.deepEqual(
      transactions.filter(({ type }) => type === 'REFUND').map(({ amount }) => amount),
      ['1010', '1990'],
    );

    const earlier = desk.locator('#payments > li').nth(1);
    await earlier.getByRole('button', { name: /^Void/ }).click();
    await desk.click('#ask-yes');
    await until('the void', async () => (await earlier.getAttribute('data-status')) === 'voided');
  }),
);

test(
  'two refunds of the same part are two refunds',
  withPage(async ({ page, grown }) => {
    await payWith(page, GP_VISA);
    const desk = await becomes(page, 'approved');
    for (const refunded of ['$5.00', '$10.00']) {
      await followUp(desk, 'Refund', '5');
      await until(`${refunded} refunded`, async () =>
        (await newestPayment(desk).innerText()).includes(`refunded ${refunded}`),
      );
    }
    assert.deepEqual(
      (await grown()).transactions.filter(({ type }) => type === 'REFUND').map(({ amount }) => amount),
      ['500', '500'],
    );
  }),
);

test(
  'authorized now, captured later, in part',
  withPage(async ({ page, grown }) => {
    await page.check('#capture-later');
    assert.equal(await page.locator('#pay').innerText(), 'Authorize $24.50');
    assert.equal(await payWith(page, GP_VISA), 'Authorized $24.50');
    const desk = await becomes(page, 'authorized');
    assert.match(await newestPayment(desk).innerText(), /captured \$0\.00 of \$24\.50/);
    assert.equal((await grown()).transactions[0].status, 'PREAUTHORIZED');
    await followUp(desk, 'Capture', '20');
    await becomes(page, 'approved');
    assert.match(await newestPayment(desk).innerText(), /captured \$20\.00 of \$24\.50/);
    const [transaction] = (await grown()).transactions;
    assert.deepEqual([transaction.status, transaction.captured], ['CAPTURED', '2000']);
    await newestPayment(desk)
      .getByRole('button', { name: /^Refund/ })
      .click();
    assert.equal(await desk.inputValue('#ask-amount'), '20.00', 'no more than was captured');
  }),
);

test(
  'an authorized payment is voided',
  withPage(async ({ page, grown }) => {
    await page.check('#capture-later');
    await payWith(page, GP_VISA);
    await followUp(await becomes(page, 'authorized'), 'Void');
    await becomes(page, 'voided');
    assert.equal((await grown()).transactions[0].status, 'REVERSED');
  }),
);

for (const [number, words] of [
  [GP_DECLINED.number, /declined/],
  ['4000160000004147', /blocked/],
  ['4242420000000091', /confirm/],
]) {
  test(
    `a declined card says why, •••• ${number.slice(-4)}`,
    withPage(async ({ page, grown }) => {
      await typeCard(page, { ...GP_DECLINED, number });
      await page.click('#pay');
      const said = await failure(page);
      assert.match(said, words);
      assert.match(said, /Nothing was charged/);
      assert.doesNotMatch(said, /undefined|null|\bcode:/);
      assert.equal((await grown()).transactions.filter(({ status }) => status === 'CAPTURED').length, 0);
      // Another card on the same page works.
      await page.fill(field('number'), GP_VISA.number);
      await page.click('#pay');
      assert.equal(await resultHeading(page), 'Paid $24.50');
    }),
  );
}

test(
  'a card that is good but was not kept by the platform says so',
  withPage(async ({ page, grown }) => {
    await all.sandbox.gp.settings({ verification_returns_id: false });
    try {
      await typeCard(page, GP_VISA);
      await page.click('#pay');
      assert.match(await failure(page), /did not store it[\s\S]*Nothing was charged/);
      assert.equal((await grown()).transactions.length, 0);
    } finally {
      await all.sandbox.gp.settings({ verification_returns_id: true });
    }
  }),
);

test(
  'a charge that is declined after the card was stored says so, and the card does not stay',
  withPage(async ({ page, grown }) => {
    await all.sandbox.gp.settings({ delete_permission: true });
    try {
      const before = await savedCards(page);
      await all.sandbox.gp.fault({ route: 'transactions', kind: 'resp_code', value: '101', times: 1 });
      await typeCard(page, GP_VISA);
      await page.click('#pay');
      assert.match(
        await failure(page),
        /declined[\s\S]*The bank said no[\s\S]*Nothing was charged\. The card was not saved/,
      );
      await becomes(page, 'declined');
      assert.equal((await all.sandbox.gp.state()).payment_methods.at(-1).status, 'DELETED');
      assert.equal(await savedCards(page), before);
      await typeCard(page, GP_VISA);
      await page.click('#pay');
      assert.equal(await resultHeading(page), 'Paid $24.50');
      const { transactions, verifications } = await grown();
      assert.deepEqual([transactions.map(({ status }) => status), verifications], [['DECLINED', 'CAPTURED'], 2]);
    } finally {
      await all.sandbox.gp.settings({ delete_permission: false });
    }
  }),
);

test(
  'a declined card that the platform does not let the shop delete is not said to be gone',
  withPage(async ({ page }) => {
    const before = await savedCards(page);
    await all.sandbox.gp.fault({ route: 'transactions', kind: 'resp_code', value: '101', times: 1 });
    await typeCard(page, GP_VISA);
    await page.click('#pay');
    assert.match(await failure(page), /Nothing was charged\. The platform did not let the shop delete the card/);
    await until('the card', async () => (await savedCards(page)) === before + 1);
  }),
);

test(
  'a card that the shopper does not save is stored to be charged, and deleted afterwards',
  withPage(
    async ({ page, grown }) => {
      await all.sandbox.gp.settings({ delete_permission: true });
      try {
        const before = await savedCards(page);
        assert.match(await page.locator('#passing-hint').innerText(), /charges only stored cards[\s\S]*deletes it/);
        assert.equal(await payWith(page, GP_VISA), 'Paid $24.50');
        assert.doesNotMatch(await page.locator('#result-lines').innerText(), /Saved for next time/);
        await until(
          'the deletion at the platform',
          async () => (await all.sandbox.gp.state()).payment_methods.at(-1).status === 'DELETED',
        );
        const desk = await becomes(page, 'approved');
        await until('the end', () => page.evaluate(() => sessionStorage.length === 0));
        assert.equal(await savedCards(page), before);
        assert.equal((await grown()).transactions.length, 1);
        // The payment needs the card no more.
        await followUp(desk, 'Refund', '5');
        await becomes(page, 'partially_refunded');
      } finally {
        await all.sandbox.gp.settings({ delete_permission: false });
      }
    },
    { save: false },
  ),
);

test(
  'a card that is not to be saved is deleted by the next page where the deletion gets no answer',
  withPage(
    async ({ page }) => {
      await all.sandbox.gp.settings({ delete_permission: true });
      try {
        let asked = 0;
        await page.route('**/v1/tokens/tok_*', async (route) => {
          if (route.request().method() !== 'DELETE') return route.fallback();
          asked += 1;
          if (asked === 1) await route.abort();
          else await route.fallback();
        });
        assert.equal(await payWith(page, GP_VISA), 'Paid $24.50');
        await until('the deletion that fails', () => asked === 1);
        await page.reload();
        await until(
          'the deletion at the platform',
          async () => (await all.sandbox.gp.state()).payment_methods.at(-1).status === 'DELETED',
        );
        await until('the end', () => page.evaluate(() => sessionStorage.length === 0));
        assert.equal(asked, 2);
      } finally {
        await all.sandbox.gp.settings({ delete_permission: false });
      }
    },
    { save: false },
  ),
);

test(
  'a card that is not to be saved goes once an unknown payment has an outcome, also after the page was left',
  withPage(
    async ({ page, grown }) => {
      await all.sandbox.gp.settings({ delete_permission: true, readable_after_ms: 3_600_000 });
      try {
        await all.sandbox.gp.fault({ route: 'transactions', kind: 'bad_gateway_after_commit', times: 0 });
        assert.equal(await payWith(page, GP_VISA), 'We do not know yet');
        assert.notEqual((await all.sandbox.gp.state()).payment_methods.at(-1).status, 'DELETED');
        await page.goto(new URL('/desk.html', all.url).href);
        await page.goto(new URL('/desk.html', all.url).href);
        await all.sandbox.gp.settings({ readable_after_ms: 0 });
        await becomes(page, 'approved');
        await page.goto(all.url);
        await until(
          'the deletion',
          async () => (await all.sandbox.gp.state()).payment_methods.at(-1).status === 'DELETED',
        );
        assert.equal((await grown()).transactions.length, 1);
      } finally {
        await all.sandbox.gp.settings({ delete_permission: false, readable_after_ms: 0 });
      }
    },
    { save: false },
  ),
);

test(
  'a saved card is deleted, at the platform too if the account may',
  withPage(async ({ page }) => {
    await payWith(page, GP_VISA);
    await until('the list', () => firstCard(page).isVisible());
    const id = await firstCard(page).getAttribute('data-token');
    const remove = async () => {
      await page
        .locator(`[data-token="${id}"]`)
        .getByRole('button', { name: /^Delete/ })
        .click();
      await page.click('#ask-yes');
    };
    await remove();
    await page.waitForSelector('#saved-notice.notice-bad');
    assert.match(await page.locator('#saved-notice').innerText(), /account is not allowed to do this/);
    await all.sandbox.gp.settings({ delete_permission: true });
    try {
      await remove();
      await page.locator(`[data-token="${id}"]`).waitFor({ state: 'detached' });
      assert.equal((await all.sandbox.gp.state()).payment_methods.at(-1).status, 'DELETED');
    } finally {
      await all.sandbox.gp.settings({ delete_permission: false });
    }
  }),
);

// ------------------------------------------------------------------------------------------------- trouble

test(
  'an access token that expired is renewed without a word',
  withPage(async ({ page, sessionOpened, sent, grown }) => {
    await typeCard(page, GP_VISA);
    await sessionOpened();
    await all.sandbox.gp.command('expire_tokens');
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal(posts(sent, '/v1/sessions').length, 2);
    assert.equal(posts(sent, '/payment-methods').length, 2);
    assert.equal((await grown()).transactions.length, 1);
  }),
);

test(
  'a session that grew old in the page sends no card',
  withPage(async ({ page, sessionOpened, sent, grown }) => {
    await typeCard(page, GP_VISA);
    await sessionOpened();
    await page.evaluate(() => {
      globalThis.__skew = 11 * 60_000;
    });
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal(posts(sent, '/v1/sessions').length, 2);
    assert.equal(posts(sent, '/payment-methods').length, 1);
    assert.equal((await grown()).transactions.length, 1);
  }),
);

for (const kind of ['bad_gateway_after_commit', 'drop_after_commit', 'gateway_timeout_after_commit']) {
  test(
    `a charge whose answer is lost (${kind.replaceAll('_', ' ')}) ends approved and is made once`,
    withPage(async ({ page, grown }) => {
      await all.sandbox.gp.fault({ route: 'transactions', kind, times: 1 });
      await payWith(page, GP_VISA);
      await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
      await becomes(page, 'approved');
      assert.equal((await grown()).transactions.length, 1);
    }),
  );
}

test(
  'an outcome that is not known for a while shows by itself',
  withPage(async ({ page, grown }) => {
    await all.sandbox.gp.settings({ readable_after_ms: 3_600_000 });
    try {
      await all.sandbox.gp.fault({ route: 'transactions', kind: 'bad_gateway_after_commit', times: 0 });
      assert.equal(await payWith(page, GP_VISA), 'We do not know yet');
      assert.match(await page.locator('#result-text').innerText(), /do not pay again[\s\S]*asking Global Payments/);
      assert.equal(await page.isVisible('#pay'), false);
      await all.sandbox.gp.settings({ readable_after_ms: 0 });
      await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
      await becomes(page, 'approved');
      assert.equal((await grown()).transactions.length, 1);
    } finally {
      await all.sandbox.gp.settings({ readable_after_ms: 0 });
    }
  }),
);

test(
  'an answer of the shop that is lost is asked for again and charges once',
  withPage(async ({ page, grown }) => {
    let lost = 0;
    all.front.cut = (request) =>
      request.method === 'POST' && request.url === '/v1/payments' && lost++ === 0 && 'half-way';
    assert.equal(await payWith(page, GP_VISA), 'We do not know yet');
    await page.click('#result-check');
    await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
    assert.equal((await grown()).transactions.length, 1);
  }),
);

test(
  'a refund whose answer is lost is made once',
  withPage(async ({ page, grown }) => {
    await payWith(page, GP_VISA);
    const desk = await becomes(page, 'approved');
    await all.sandbox.gp.fault({ route: 'transactions/refund', kind: 'drop_after_commit', times: 1 });
    await followUp(desk, 'Refund', '5');
    await becomes(page, 'partially_refunded');
    assert.deepEqual(
      (await grown()).transactions.filter(({ type }) => type === 'REFUND').map(({ amount }) => amount),
      ['500'],
    );
  }),
);

test(
  'a double click on Pay charges once',
  withPage(async ({ page, grown }) => {
    await typeCard(page, GP_VISA);
    await page.dblclick('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    await page.waitForTimeout(300);
    assert.equal((await grown()).transactions.length, 1);
  }),
);

test(
  'a platform that does not answer a card gets words, and the next press works',
  withPage(async ({ page, grown }) => {
    for (const kind of ['drop_before', 'server_error', 'html', 'bad_gateway_before_commit']) {
      await all.sandbox.clearFaults();
      await all.sandbox.gp.fault({ route: 'payment-methods', kind, times: 0 });
      if (kind === 'drop_before') await typeCard(page, GP_VISA);
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

// ------------------------------------------------------------------------------------------------- secrecy

test(
  'the card goes to the platform, once, and nowhere else',
  withPage(async ({ page, sent, gp, front }) => {
    for (const card of [GP_VISA, GP_AMEX]) {
      await payWith(page, card);
      await page.click('#result-next');
    }
    await followUp(await becomes(page, 'approved'), 'Refund', '1');
    await becomes(page, 'partially_refunded');
    for (const card of [GP_VISA, GP_AMEX]) {
      const holding = sent.filter(
        (request) => found([request.url, request.headers, request.body].join('\n'), card.number).length > 0,
      );
      assert.deepEqual(
        holding.map(({ method, url }) => `${method} ${url}`),
        [`POST ${all.gp.url}/payment-methods`],
      );
      const onWire = gp().filter(
        (request) => found([request.url, request.headers, request.body].join('\n'), card.number).length > 0,
      );
      assert.deepEqual(
        onWire.map(({ method, url, status }) => [method, url, status]),
        [['POST', '/payment-methods', 200]],
      );
      assert.match(onWire[0].headers, new RegExp(`origin\\n${all.url}`, 'i'), 'sent by the browser itself');
      assert.deepEqual(leaks(front(), card), [], 'what the shop got');
      assert.deepEqual(
        leaks(
          sent.filter(({ url }) => new URL(url).origin === all.url),
          card,
        ),
        [],
      );
    }
    assert.deepEqual([...new Set(sent.map(({ url }) => new URL(url).origin))].sort(), [all.url, all.gp.origin].sort());
  }),
);

test(
  'the browser’s access token may create single-use payment methods and nothing else',
  withPage(async ({ page, gp }) => {
    await payWith(page, GP_VISA);
    const [{ headers }] = posts(gp(), '/payment-methods');
    const bearer = /authorization\n(Bearer \S+)/i.exec(headers)[1];
    for (const [method, path, body] of [
      ['POST', '/transactions', {}],
      ['GET', '/transactions', null],
      ['GET', '/payment-methods', null],
    ]) {
      const answer = await fetch(all.gp.url + path, {
        method,
        headers: { authorization: bearer, 'x-gp-version': '2021-03-22' },
        body: body && JSON.stringify(body),
      });
      assert.equal(answer.status, 403, `${method} ${path}`);
    }
    const asked = gp()
      .filter(({ url }) => url === '/accesstoken')
      .map(({ body }) => JSON.parse(body));
    for (const { permissions, secret } of asked)
      assert.ok(secret && (permissions === undefined || permissions.join() === 'PMT_POST_Create_Single'));
  }),
);

test(
  'the panel shows the request with the card masked, and says what this platform’s format is',
  withPage(async ({ page }) => {
    await payWith(page, GP_AMEX);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    const shown = await page.locator('#wire').innerText();
    assert.match(
      shown,
      /POST \/v1\/sessions[\s\S]*POST http[^\n]*\/payment-methods[\s\S]*POST \/v1\/tokens[\s\S]*POST \/v1\/payments/,
    );
    assert.match(
      shown,
      /Global Payments accepts the card as plain JSON: only TLS protects it[\s\S]*never touches the shop’s server/,
    );
    assert.match(shown, /"number": "•{11}0608"/);
    assert.match(shown, /"cvv": "••••"/);
    assert.match(shown, /"usage_mode": "SINGLE"/);
    assert.match(shown, /x-gp-version: 2021-03-22/);
    assert.match(shown, /authorization: Bearer \S{6}… \(/, 'the access token is cut short');
    assert.equal((shown.match(/Checked address[^:]*card number/g) ?? []).length >= 3, true);
    assert.equal(await page.locator('.proof-bad').count(), 0);
    const everything = await page.content();
    assert.deepEqual(found(everything, GP_AMEX.number), [], 'nor is the number anywhere else in the document');
    assert.doesNotMatch(shown, new RegExp(`"${GP_AMEX.cvc}"`));
  }),
);

test(
  'the panel would say so if the card went elsewhere',
  withPage(async ({ page }) => {
    await typeCard(page, GP_VISA);
    await page.route('**/v1/tokens', (route) => route.abort());
    await page.evaluate(
      (number) => fetch('/v1/tokens', { method: 'POST', body: JSON.stringify({ card: { number } }) }).catch(() => {}),
      GP_VISA.number,
    );
    await page.waitForSelector('.proof-bad', { state: 'attached' });
    assert.deepEqual(found(await page.locator('#wire').innerHTML(), GP_VISA.number), [], 'masked all the same');
    await page.unroute('**/v1/tokens');
  }),
);

test('the policy lets the page reach the two platforms and nobody else', async () => {
  const policy = (await fetch(all.url)).headers.get('content-security-policy');
  const connect = /connect-src ([^;]*)/
    .exec(policy)[1]
    .split(' ')
    .filter((source) => source !== "'self'");
  assert.deepEqual(connect.map((source) => new URL(source).origin).sort(), [all.checkout.origin, all.gp.origin].sort());
});

test('neither the server nor the wasm module keeps the card', async () => {
  const card = { ...GP_VISA, number: '4716108999716531' }; // none of the page's own test cards
  assert.ok(passesLuhn(card.number));
  const { page, close } = await all.open();
  await page.check('#platform-gp_api');
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

// --------------------------------------------------------------------------- the sample's own contract, in a page

const SAMPLE = `<!doctype html><title>Network tokens</title><pre id="out"></pre><script type="module">
  import { load, GpApi } from '/pkg/index.js';
  const json = async (url, value) => (await fetch(url, value && { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) })).json();
  const { base, card, declined, amount } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const out = {};
  try {
    await load();
    out.config = await json('/config');
    const gp = new GpApi({ environment: { base } });
    const make = (what, reference) => gp.tokenize({ access_token: out.config.data.accessToken, reference }, what);
    const single = await make(card, 'sample-1');
    out.single = single.id;
    out.created = await json('/create-network-token', { payment_reference: single.id });
    out.listed = await json('/list-tokens');
    out.paid = await json('/process-payment', { pmt_id: out.created.data.id, amount, currency: 'USD' });
    out.unknown = await json('/process-payment', { pmt_id: 'PMT_00000000-0000-4000-8000-000000000000', amount, currency: 'USD' });
    out.refused = await json('/create-network-token', { payment_reference: (await make(declined, 'sample-2')).id });
  } catch (error) {
    out.error = String(error?.stack ?? error);
  }
  document.getElementById('out').textContent = JSON.stringify(out);
</script>`;

test('a page written for the back end of the network-token sample works unchanged', async () => {
  const { page, sent, close } = await all.open({ ready: false });
  try {
    const before = await all.sandbox.gp.state();
    all.front.pages['/sample.html'] = SAMPLE;
    const typed = { number: '4622943123052970', expiry: '12/30', cvc: '999', holder: '' };
    const asked = {
      base: all.gp.url,
      card: typed,
      declined: { ...typed, number: GP_DECLINED.number, cvc: '123' },
      amount: 19.99,
    };
    await page.goto(`${all.url}/sample.html#${encodeURIComponent(JSON.stringify(asked))}`);
    const out = JSON.parse(await until('the sample to end', () => page.locator('#out').textContent()));
    assert.equal(out.error, undefined);

    assert.deepEqual(Object.keys(out.config).sort(), ['data', 'success']);
    assert.deepEqual([out.config.success, Object.keys(out.config.data)], [true, ['accessToken']]);

    const { id, created_at: at, ...rest } = out.created.data;
    assert.match(id, /^PMT_/);
    assert.notEqual(id, out.single, 'the lasting token is another one');
    assert.deepEqual(rest, { brand: 'VISA', masked_card: '2970', usage_mode: 'USE_NETWORK_TOKEN', status: 'Active' });
    assert.ok(!Number.isNaN(Date.parse(at)));
    assert.deepEqual([out.created.success, out.created.message], [true, 'Network token created successfully']);
    assert.deepEqual(
      out.listed.data.find((token) => token.id === id),
      out.created.data,
    );

    const { transactionId, authCode, ...paid } = out.paid.data;
    assert.match(transactionId, /^TRN_/);
    assert.match(authCode, /\S/);
    assert.deepEqual(paid, { status: 'SUCCESS', amount: 19.99, currency: 'USD', tokenUsageMode: 'USE_NETWORK_TOKEN' });
    assert.deepEqual([out.paid.success, out.paid.message], [true, 'Payment processed successfully']);
    const made = (await all.sandbox.gp.state()).transactions.slice(before.transactions.length);
    assert.deepEqual(
      made.map(({ amount, usage_mode: mode }) => [amount, mode]),
      [['1999', 'USE_NETWORK_TOKEN']],
      '19.99 and not 19.98',
    );

    for (const answer of [out.unknown, out.refused]) {
      assert.deepEqual(Object.keys(answer).sort(), ['message', 'success']);
      assert.equal(answer.success, false);
    }
    const own = sent.filter(({ url }) => new URL(url).origin === all.url);
    assert.deepEqual(
      leaks(
        own.filter(({ url }) => !url.includes('/sample.html')),
        typed,
      ),
      [],
    );
  } finally {
    await close();
  }
});

// ------------------------------------------------------------------------------------------------- for everybody

for (const colorScheme of ['light', 'dark']) {
  test(
    `axe finds nothing with GP API chosen, ${colorScheme}`,
    { skip: axe === null && 'axe-core is not installed' },
    withPage(
      async ({ page, context }) => {
        const check = await accessibility(page, context);
        await check('chosen');
        await page.check('#capture-later');
        await payWith(page, GP_VISA);
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        await check('authorized, everything open');
        const desk = await becomes(page, 'authorized');
        const checkDesk = await accessibility(desk, context);
        await newestPayment(desk)
          .getByRole('button', { name: /^Capture/ })
          .click();
        await desk.fill('#ask-amount', '99');
        await desk.click('#ask-yes');
        await checkDesk('a question with a mistake');
        await desk.fill('#ask-amount', '24.50');
        await desk.click('#ask-yes');
        await becomes(page, 'approved');
        await followUp(desk, 'Refund', '1');
        await becomes(page, 'partially_refunded');
        await desk.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        await checkDesk('partly refunded, everything open');
      },
      { colorScheme },
    ),
  );
}

for (const width of [320, 1280]) {
  test(
    `nothing sticks out at ${width} px with GP API chosen`,
    withPage(
      async ({ page }) => {
        assert.equal(await sticksOut(page), false);
        await payWith(page, GP_VISA);
        const desk = await becomes(page, 'approved');
        await followUp(desk, 'Refund', '1');
        await becomes(page, 'partially_refunded');
        for (const each of [page, desk]) {
          await each.evaluate(() => {
            for (const details of document.querySelectorAll('details')) details.open = true;
          });
          assert.equal(await sticksOut(each), false, `partly refunded, everything open, ${each.url()}`);
        }
      },
      { viewport: { width, height: 800 } },
    ),
  );
}

test(
  'the choice is reached by keyboard before the card, and Enter in a question says yes',
  withPage(async ({ page }) => {
    await page.evaluate(() => {
      document.activeElement.blur();
    });
    await page.locator('#currency').focus();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'platform-gp_api');
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.isChecked('#platform-greenpay'), true);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Tab');
    assert.equal(await focusedField(page), 'number');
    await payWith(page, GP_VISA);
    const desk = await becomes(page, 'approved');
    await newestPayment(desk)
      .getByRole('button', { name: /^Refund/ })
      .click();
    assert.equal(await desk.evaluate(() => document.activeElement.id), 'ask-amount');
    await desk.keyboard.press('Enter');
    await becomes(page, 'refunded');
  }),
);
