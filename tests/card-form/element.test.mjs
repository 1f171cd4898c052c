// The card form in a page of a shop: what is typed becomes a token, with every platform, and the page's own form submits
// that and never a card.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CC_VISA, found, GP_VISA, leaks, startAll, until, VISA } from '../browser/harness.mjs';
import { failures, field, heard, inState, openShop, stateOf, typeCard } from './shop.mjs';

const CARDS = {
  greenpay: VISA,
  gp_api: GP_VISA,
  online_payments: { number: '4012000033330026', expiry: '1230', cvc: '123', holder: 'Zoë Müller' },
  ccbill: CC_VISA,
  worldline_acquiring: { number: '4176669999000104', expiry: '1230', cvc: '012', holder: 'Ana Mora' },
};
const DECLINED = { ...VISA, number: '4094394314664828' };
const PERSON = { firstName: 'Ana', lastName: 'Mora', email: 'ana@shop.example', postalCode: '85281', country: 'US' };

let all;

before(async () => {
  all = await startAll({
    platforms: Object.keys(CARDS),
    settings: ({ page }) => ({ online_payments: { return_url: page } }),
  });
});
after(() => all?.stop());

/** What was posted to the shop since `from`, as a form. */
const orders = (from = 0) =>
  all.front.requests
    .slice(from)
    .filter(({ method, url }) => method === 'POST' && url.startsWith('/order'))
    .map(({ body }) => Object.fromEntries(new URLSearchParams(body)));

const posts = (path, from = 0) =>
  all.front.requests.slice(from).filter(({ method, url }) => method === 'POST' && url === path);

/** A session that a back end opens with its API key. */
async function session(body) {
  const response = await fetch(`${all.server.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${all.server.apiKey}` },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 201, await response.clone().text());
  return response.json();
}

const stored = async (id) => {
  const response = await fetch(`${all.server.url}/v1/tokens/${id}`, {
    headers: { authorization: `Bearer ${all.server.apiKey}` },
  });
  return response.json();
};

/** Does `work` in a page of the shop, and says what the page complained of, unless that belongs to it. */
async function inShop(more, work, { ignore = /405/ } = {}) {
  const from = all.front.requests.length;
  const opened = await openShop(all, more);
  try {
    await work({ ...opened, from });
    assert.deepEqual(
      opened.problems.filter((text) => !ignore.test(text)),
      [],
    );
    assert.deepEqual(await opened.page.evaluate(() => globalThis.__violations ?? []).catch(() => []), []);
  } finally {
    await opened.close();
  }
}

for (const [platform, card] of Object.entries(CARDS)) {
  test(`${platform}: the page's form submits a token, and never the card`, async () => {
    const details = platform === 'ccbill' ? `card.customerDetails = ${JSON.stringify(PERSON)};` : '';
    await inShop({ attributes: `platform="${platform}" required`, script: details }, async ({ page, from, sent }) => {
      await typeCard(page, card);
      await inState(page, 'valid');
      await page.click('#pay');
      const [order] = await until('the order', () => {
        const found = orders(from);
        return found.length > 0 && found;
      });
      assert.deepEqual(Object.keys(order).sort(), ['card_token', 'note', 'way']);
      assert.equal(order.way, 'card', 'the button that was pressed counts');
      const token = await stored(order.card_token);
      assert.equal(token.platform, platform);
      assert.ok(['active', 'unconfirmed'].includes(token.status), token.status);
      assert.equal(posts('/v1/sessions', from).length, 1, 'one session, although one was opened early');
      assert.deepEqual(leaks(all.front.requests.slice(from), card), [], 'at the shop and its server');
      const there = sent.filter(({ url }) => !url.startsWith(all.url));
      // Two platforms take the card from the page, as clear JSON; nobody else does.
      if (!['gp_api', 'ccbill'].includes(platform)) assert.deepEqual(leaks(there, card), []);
      const clear = there.filter(({ body }) => found(body, card.number).length > 0);
      assert.ok(clear.length <= 1, 'once, to the platform');
    });
  });
}

test('a double press submits once', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    await page.evaluate(() => {
      document.getElementById('pay').click();
      document.getElementById('pay').click();
      document.getElementById('shop').requestSubmit();
    });
    await until('the order', () => orders(from).length > 0);
    assert.equal(posts('/v1/tokens', from).length, 1);
    assert.equal(orders(from).length, 1);
  });
});

test('two calls of tokenize give the same token', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    const [first, second, third] = await page.evaluate(async () => {
      const card = document.getElementById('card');
      const both = await Promise.all([card.tokenize(), card.tokenize()]);
      return [...both, await card.tokenize()].map(({ id }) => id);
    });
    assert.match(first, /^tok_/);
    assert.deepEqual([second, third], [first, first]);
    assert.equal(posts('/v1/tokens', from).length, 1);
    assert.equal(await stateOf(page), 'done');
    const [{ token }] = await heard(page, 'token');
    assert.equal(token.id, first);
    assert.match(await page.locator('.cardseal-done').innerText(), /Visa ending in 4242/);
    // Who was in the form is led there, and hears it once. Others hear it from the status, see a11y.test.mjs.
    assert.equal(await page.evaluate(() => document.activeElement.className), 'cardseal-done');
    assert.equal(await page.locator('.cardseal-status').textContent(), '');
  });
});

test('Enter in a field does what it does in any other', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    await page.keyboard.press('Enter');
    await until('the order', () => orders(from).length > 0);
    assert.equal(orders(from)[0].way, 'card', 'through the default button');
  });
  await inShop({ attributes: 'platform="greenpay" required' }, async ({ page, from }) => {
    await page.evaluate(() => {
      document.getElementById('pay').disabled = true;
    });
    await typeCard(page);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await stateOf(page), 'valid');
    assert.equal(posts('/v1/tokens', from).length, 0, 'the default button is disabled');
  });
});

test('a press with mistakes shows them, moves to the summary, and sends nothing', async () => {
  await inShop({}, async ({ page, from }) => {
    await page.click('#pay');
    await page.waitForSelector('.cardseal-summary:not([hidden])');
    assert.ok(await page.evaluate(() => document.activeElement.matches('.cardseal-summary')));
    assert.match(await page.locator('.cardseal-summary').innerText(), /4 mistakes/);
    await page.click('.cardseal-summary a >> nth=1');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'cc-exp');
    await field(page, 'expiry').pressSequentially('1230');
    await page.locator('.cardseal-summary li').nth(3).waitFor({ state: 'detached' });
    assert.match(await page.locator('.cardseal-summary').innerText(), /3 mistakes/, 'it says what is left');
    assert.equal(posts('/v1/tokens', from).length + orders(from).length, 0);
    // Also where the press comes from a script.
    await page.evaluate(() => {
      document.activeElement.blur();
      document.getElementById('card').clear();
      document.getElementById('shop').requestSubmit();
    });
    assert.equal(await page.evaluate(() => document.activeElement.name), 'cardnumber');
  });
});

test('a form that another control keeps from being submitted is not interrupted', async () => {
  const around = (form) => `<p><input id="name" required aria-label="Name"></p>${form}`;
  await inShop({ around }, async ({ page }) => {
    await page.click('#pay');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'name');
    // A page that asks all the time must not move the focus, or show mistakes before their time.
    await page.evaluate(() => document.getElementById('shop').checkValidity());
    assert.equal(await page.evaluate(() => document.activeElement.id), 'name');
    assert.equal(await page.locator('.cardseal-summary').isVisible(), false);
  });
});

test('a message comes when a field is left, and goes while it is put right', async () => {
  await inShop({}, async ({ page }) => {
    await field(page, 'number').pressSequentially('4242');
    assert.equal(await stateOf(page), 'typing');
    await page.keyboard.press('Tab');
    const note = page.locator('[data-field="number"] .cardseal-note');
    assert.equal(await note.innerText(), 'Your card number is incomplete.');
    assert.equal(await field(page, 'number').getAttribute('aria-invalid'), 'true');
    assert.equal(await stateOf(page), 'invalid');
    assert.equal(await page.locator('[data-field="expiry"] .cardseal-note').innerText(), '', 'not before its time');
    await field(page, 'number').focus();
    await page.keyboard.press('End');
    await page.keyboard.type('424242424242');
    assert.equal(await note.innerText(), '');
    assert.equal(await field(page, 'number').inputValue(), '4242 4242 4242 4242');
    assert.deepEqual(
      await page.evaluate(() => {
        const { brand, brands, last4 } = document.getElementById('card');
        return { brand, brands, last4 };
      }),
      { brand: 'visa', brands: ['visa'], last4: '4242' },
    );
  });
});

test('the page hears no input event of a field, and its form has no field of a card', async () => {
  const script = `
    globalThis.seen = [];
    for (const name of ['input', 'change', 'submit', 'invalid', 'reset'])
      document.getElementById('shop').addEventListener(name, (event) => seen.push(event.target.name));`;
  await inShop({ script }, async ({ page }) => {
    await typeCard(page);
    assert.deepEqual(await page.evaluate(() => globalThis.seen), []);
    assert.deepEqual(
      await page.evaluate(() => [
        [...new FormData(document.getElementById('shop')).keys()],
        [...document.getElementById('shop').elements].map(({ id, name }) => id || name),
      ]),
      [['note'], ['note', 'card', 'pay']],
    );
  });
});

test('a session that has expired is replaced, and the shopper does not notice', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    await until('the session', () => posts('/v1/sessions', from).at(-1)?.status === 201);
    await page.evaluate(() => {
      globalThis.__skew = 3 * 3600 * 1000;
    });
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.equal(posts('/v1/sessions', from).length, 2);
  });
});

test('a session of the page that has expired is asked for again, and what was typed stays', async () => {
  const given = await session({ platform: 'greenpay', kind: 'tokenize' });
  const old = { ...given, expires_at: '2020-01-01T00:00:00Z' };
  const script = `card.session = ${JSON.stringify(old)};
    card.openSession = (why) => { globalThis.why = why; return Promise.resolve(${JSON.stringify(given)}); };`;
  await inShop({ attributes: 'required', script }, async ({ page, from }) => {
    await typeCard(page);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.equal(posts('/v1/sessions', from).length, 0);
  });
  // For a payment only the page can get another one.
  const payment = await session({ platform: 'greenpay', kind: 'payment', amount: '10.00', currency: 'USD' });
  const expired = JSON.stringify({ ...payment, expires_at: '2020-01-01T00:00:00Z' });
  await inShop({ attributes: 'required', script: `card.session = ${expired};` }, async ({ page, from }) => {
    await typeCard(page);
    const code = await page.evaluate(() =>
      document
        .getElementById('card')
        .pay()
        .catch((error) => error.code),
    );
    assert.equal(code, 'session_expired');
    assert.equal(await stateOf(page), 'expired');
    assert.equal((await heard(page, 'sessionexpired')).length, 1);
    assert.equal(await field(page, 'cvc').inputValue(), VISA.cvc);
    assert.match(await page.locator('.cardseal-notice').innerText(), /open for too long/);
    await page.evaluate((fresh) => {
      document.getElementById('card').session = fresh;
    }, JSON.stringify(payment));
    const outcome = await page.evaluate(() => document.getElementById('card').pay());
    assert.equal(outcome.status, 'approved');
    assert.equal(posts('/v1/payments', from).length, 1);
  });
});

test('offline it says so, and what was typed stays', async () => {
  await inShop(
    {},
    async ({ page, context, from }) => {
      await typeCard(page);
      await until('the session', () => posts('/v1/sessions', from).at(-1)?.status === 201);
      await context.setOffline(true);
      await page.click('#pay');
      await inState(page, 'failed');
      assert.match(await page.locator('.cardseal-notice').innerText(), /internet connection/);
      assert.equal((await heard(page, 'failure'))[0].message, await page.locator('.cardseal-notice').innerText());
      assert.equal(await field(page, 'number').inputValue(), '4242 4242 4242 4242');
      await context.setOffline(false);
      await page.click('#pay');
      await until('the order', () => orders(from).length > 0);
    },
    { ignore: /405|ERR_INTERNET_DISCONNECTED/ },
  );
});

test('a platform whose code cannot be fetched can be tried again', async () => {
  await inShop(
    { wait: '' },
    async ({ page, context }) => {
      await context.route(/greenpay-inline/, (route) => route.abort());
      await page.reload();
      await inState(page, 'failed');
      await field(page, 'number').pressSequentially(VISA.number);
      await context.unroute(/greenpay-inline/);
      await page.click('.cardseal-notice button');
      await inState(page, 'typing');
      assert.equal(await field(page, 'number').inputValue(), '4242 4242 4242 4242', 'formatted afterwards');
    },
    { ignore: /ERR_FAILED/ },
  );
});

test('left and shown again, the form is empty and opens a new session', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    await until('the session', () => posts('/v1/sessions', from).length === 1);
    for (const [name, persisted] of [
      ['pagehide', true],
      ['pageshow', true],
    ]) {
      await page.evaluate(
        ([type, kept]) => dispatchEvent(new PageTransitionEvent(type, { persisted: kept })),
        [name, persisted],
      );
      for (const one of ['number', 'cvc', 'holder']) assert.equal(await field(page, one).inputValue(), '', name);
    }
    await typeCard(page);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.equal(posts('/v1/sessions', from).length, 2);
  });
  // By the browser itself.
  all.front.pages['/elsewhere'] = '<!doctype html><title>Elsewhere</title><link rel="icon" href="data:,">';
  await inShop({}, async ({ page }) => {
    await typeCard(page);
    await page.goto(`${all.url}/elsewhere`);
    await page.goBack();
    await page.waitForSelector('#card[data-state="empty"]');
    assert.equal(await field(page, 'number').inputValue(), '');
  });
});

test('the language is that of the page, follows it, and can be the page’s own', async () => {
  await inShop({ lang: 'de-AT' }, async ({ page }) => {
    const label = page.locator('[data-field="number"] label');
    await until('German', async () => (await label.innerText()) === 'Kartennummer');
    await field(page, 'number').pressSequentially('4242');
    await page.keyboard.press('Tab');
    const german = await page.locator('[data-field="number"] .cardseal-note').innerText();
    await page.evaluate(() => {
      document.documentElement.lang = 'ar';
    });
    await until('Arabic', async () => (await page.locator('.cardseal').getAttribute('dir')) === 'rtl');
    assert.equal(await page.locator('.cardseal').getAttribute('lang'), 'ar');
    assert.notEqual(await page.locator('[data-field="number"] .cardseal-note').innerText(), german);
    assert.equal(await field(page, 'number').inputValue(), '4242', 'what was typed stays');
    assert.equal(await field(page, 'number').evaluate((input) => getComputedStyle(input).direction), 'ltr');
    await page.evaluate(() => {
      const card = document.getElementById('card');
      card.messages = { en: { labels: { number: 'Number' } }, tlh: { labels: { number: 'mI’' }, form: 'chaw’' } };
      card.lang = 'en-GB';
    });
    await until('the page’s own word', async () => (await label.innerText()) === 'Number');
    await page.evaluate(() => {
      document.getElementById('card').lang = 'tlh';
    });
    await until('the page’s own language', async () => (await label.innerText()) === 'mI’');
    assert.match(await page.locator('[data-field="cvc"] label').innerText(), /Security code/);
  });
});

test('disabled by itself or by a fieldset, it takes nothing and is not submitted', async () => {
  const around = (form) => `<fieldset id="set" disabled>${form}</fieldset>`;
  await inShop({ around }, async ({ page, from }) => {
    assert.equal(await field(page, 'number').isDisabled(), true);
    assert.equal(await page.evaluate(() => document.getElementById('card').willValidate), false);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.equal(orders(from)[0].card_token, undefined);
  });
  await inShop({ attributes: 'platform="greenpay" required disabled' }, async ({ page }) => {
    assert.equal(await field(page, 'number').isDisabled(), true);
    await page.evaluate(() => {
      document.getElementById('card').disabled = false;
    });
    await until('the fields', async () => !(await field(page, 'number').isDisabled()));
  });
});

test('a reset of the page’s form empties it, and so does clear()', async () => {
  await inShop({}, async ({ page }) => {
    for (const empty of ["document.getElementById('shop').reset()", "document.getElementById('card').clear()"]) {
      await typeCard(page);
      await inState(page, 'valid');
      await page.evaluate(empty);
      await inState(page, 'empty');
      assert.equal(await field(page, 'cvc').inputValue(), '');
    }
  });
});

test('a form that is not required is submitted without a card', async () => {
  await inShop({ attributes: 'platform="greenpay" name="token"' }, async ({ page, from }) => {
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.deepEqual(Object.keys(orders(from)[0]).sort(), ['note', 'way']);
  });
  await inShop({ attributes: 'platform="greenpay" name="token"' }, async ({ page, from }) => {
    await typeCard(page);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.match(orders(from)[0].token, /^tok_/);
  });
});

test('CCBill: the form asks for what the page does not know of the customer', async () => {
  const { email, ...known } = PERSON;
  const script = `card.customerDetails = ${JSON.stringify(known)};`;
  await inShop({ attributes: 'platform="ccbill" required', script }, async ({ page, from }) => {
    await field(page, 'email').waitFor({ state: 'visible' });
    assert.equal(await field(page, 'firstName').isVisible(), false);
    await typeCard(page, CC_VISA);
    await page.click('#pay');
    await page.waitForSelector('.cardseal-summary:not([hidden])');
    assert.deepEqual(await page.locator('.cardseal-summary li').allInnerTexts(), ['Email – Fill in this field.']);
    await field(page, 'email').fill(email);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
  });
  await inShop({ attributes: 'platform="ccbill" required' }, async ({ page, from }) => {
    await typeCard(page, CC_VISA);
    for (const [name, value] of Object.entries(PERSON)) {
      if (name === 'country') await field(page, name).selectOption(value);
      else await field(page, name).fill(value);
    }
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
  });
});

test('a co-badged card: the shopper chooses the brand, and the platform gets it', async () => {
  const platform = all.sandbox.of('online_payments');
  await platform.settings({ co_branded_bins: ['401200'], products: [1, 2, 3, 130] });
  try {
    await inShop({ attributes: 'platform="online_payments" required' }, async ({ page, from }) => {
      await typeCard(page, CARDS.online_payments);
      const radios = page.locator('.cardseal-choice input');
      await radios.first().waitFor();
      assert.deepEqual(await radios.evaluateAll((all) => all.map(({ value, checked }) => [value, checked])), [
        ['visa', true],
        ['cartes_bancaires', false],
      ]);
      await page.getByLabel('Cartes Bancaires').check();
      assert.equal(await page.evaluate(() => document.getElementById('card').brand), 'cartes_bancaires');
      await page.click('#pay');
      await until('the order', () => orders(from).length > 0);
      const [{ body }] = posts('/v1/tokens', from);
      assert.equal(JSON.parse(body).payment_product_id, 130);
      assert.equal((await stored(orders(from)[0].card_token)).brand, 'cartes_bancaires');
    });
  } finally {
    await platform.settings({ co_branded_bins: [], products: [] });
  }
});

test('a brand that the shop does not accept is refused with a message', async () => {
  await inShop({ attributes: 'platform="greenpay" required accepted-brands="mastercard amex"' }, async ({ page }) => {
    await typeCard(page);
    assert.match(await page.locator('[data-field="number"] .cardseal-note').innerText(), /Visa is not accepted/);
    assert.equal(await stateOf(page), 'invalid');
    await field(page, 'number').fill('5555555555554444');
    await inState(page, 'valid');
  });
});

test('the name on the card and a name for it are asked as the page wants it', async () => {
  await inShop({ attributes: 'platform="gp_api"' }, async ({ page }) => {
    assert.match(await page.locator('[data-field="holder"] label').innerText(), /optional/);
    await page.evaluate(() => {
      document.getElementById('card').holder = 'hidden';
    });
    await field(page, 'holder').waitFor({ state: 'hidden' });
    await page.evaluate(() => {
      document.getElementById('card').holder = 'required';
    });
    await field(page, 'holder').waitFor();
    await typeCard(page, { ...GP_VISA, holder: '' });
    await page.click('#pay');
    await page.waitForSelector('.cardseal-summary:not([hidden])');
    assert.match(await page.locator('.cardseal-summary').innerText(), /name on the card/);
  });
  await inShop({ attributes: 'platform="greenpay" nickname required' }, async ({ page, from }) => {
    await typeCard(page);
    await field(page, 'nickname').fill('My holiday card');
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.equal((await stored(orders(from)[0].card_token)).nickname, 'My holiday card');
  });
});

test('a declined card is said, and another one goes through', async () => {
  await inShop(
    { attributes: 'platform="gp_api" required' },
    async ({ page, from }) => {
      await typeCard(page, { ...GP_VISA, number: '4000120000001154' });
      await page.click('#pay');
      await inState(page, 'failed');
      assert.match(await page.locator('.cardseal-notice').innerText(), /bank declined the card/);
      await field(page, 'number').fill(GP_VISA.number);
      await inState(page, 'valid');
      assert.equal(await page.locator('.cardseal-notice').innerText(), '');
      await page.click('#pay');
      await until('the order', () => orders(from).length > 0);
    },
    { ignore: /405|422/ },
  );
});

test('an update replaces the card of a token', async () => {
  let id;
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    id = orders(from)[0].card_token;
  });
  const update = await session({ platform: 'greenpay', kind: 'update', token: id });
  await inShop(
    { attributes: 'required', script: `card.session = ${JSON.stringify(update)};` },
    async ({ page, from }) => {
      await typeCard(page, { ...VISA, number: '5555555555554444' });
      await page.click('#pay');
      await until('the order', () => orders(from).length > 0);
      assert.equal(orders(from)[0].card_token, id);
      assert.equal((await stored(id)).last4, '4444');
    },
  );
});

test('a payment: approved, declined, and one whose answer was lost is asked for again, not made again', async () => {
  const opened = () => session({ platform: 'greenpay', kind: 'payment', amount: '10.00', currency: 'USD' });
  const pay = (page) =>
    page.evaluate(() =>
      document
        .getElementById('card')
        .pay()
        .catch(({ code, retryable }) => ({ code, retryable })),
    );
  const charged = async () => {
    const response = await fetch(`${all.server.url}/v1/payments?limit=100`, {
      headers: { authorization: `Bearer ${all.server.apiKey}` },
    });
    return (await response.json()).data.filter(({ status }) => status === 'approved').length;
  };
  const script = (one) => `card.session = ${JSON.stringify(one)};`;
  await inShop({ attributes: '', script: script(await opened()) }, async ({ page }) => {
    await typeCard(page);
    assert.equal((await pay(page)).status, 'approved');
    assert.equal(await stateOf(page), 'done');
    assert.equal((await heard(page, 'payment'))[0].outcome.status, 'approved');
  });
  await inShop({ attributes: '', script: script(await opened()) }, async ({ page }) => {
    await typeCard(page, DECLINED);
    assert.equal((await pay(page)).status, 'declined');
    assert.equal(await stateOf(page), 'failed');
    assert.match(await page.locator('.cardseal-notice').innerText(), /not enough money/);
  });
  await inShop(
    { attributes: '', script: script(await opened()) },
    async ({ page, from }) => {
      await typeCard(page);
      const already = await charged();
      all.front.cut = ({ url }) => url === '/v1/payments' && 'before';
      try {
        const lost = await pay(page);
        assert.deepEqual(lost, { code: 'network_failed', retryable: false });
        const notice = await page.locator('.cardseal-notice').innerText();
        assert.match(notice, /^Your payment may have gone through\. Do not pay again\./);
        assert.deepEqual(await failures(page), [{ message: notice, outcomeUnknown: true, retryable: false }]);
        // A server that does not look at the request says nothing about the payment either.
        await page.route('**/v1/payments', (route) =>
          route.fulfill({ status: 429, json: { code: 'rate_limited', detail: 'too many requests' } }),
        );
        await pay(page);
        assert.equal(await page.locator('.cardseal-notice').innerText(), notice);
        await page.unroute('**/v1/payments');
        // That the session is over says nothing about the payment, and asks for no other session.
        await page.evaluate(() => {
          const card = document.getElementById('card');
          globalThis.given = card.session;
          card.session = { ...card.session, expires_at: '2020-01-01T00:00:00Z' };
        });
        await pay(page);
        assert.equal(await page.locator('.cardseal-notice').innerText(), notice);
        assert.equal(await stateOf(page), 'failed');
        assert.deepEqual(await heard(page, 'sessionexpired'), []);
        await page.evaluate(() => {
          document.getElementById('card').session = globalThis.given;
        });
      } finally {
        all.front.cut = () => false;
      }
      assert.equal((await pay(page)).status, 'approved');
      const sent = posts('/v1/payments', from);
      assert.equal(new Set(sent.map(({ body }) => body)).size, 1, 'the very same request');
      assert.equal(await charged(), already + 1);
    },
    { ignore: /ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_CONNECTION|429/ },
  );
});

test('in a session for a payment, the page’s form charges the card and is submitted when that was approved', async () => {
  const opened = () => session({ platform: 'greenpay', kind: 'payment', amount: '10.00', currency: 'USD' });
  for (const [card, approved] of [
    [VISA, true],
    [DECLINED, false],
  ]) {
    const script = `card.session = ${JSON.stringify(await opened())};`;
    await inShop({ attributes: 'required', script }, async ({ page, from }) => {
      await typeCard(page, card);
      await page.click('#pay');
      if (approved) await until('the order', () => orders(from).length > 0);
      else await inState(page, 'failed');
      assert.equal(orders(from).length, approved ? 1 : 0);
      assert.equal(posts('/v1/payments', from).length, 1);
    });
  }
});

test('a button that asks for nothing submits an empty form, and one in a shadow tree works as well', async () => {
  await inShop({}, async ({ page, from }) => {
    await page.evaluate(() => {
      document.getElementById('pay').formNoValidate = true;
    });
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
  });
  const script = `
    const host = document.createElement('div');
    const root = host.attachShadow({ mode: 'open' });
    root.append(document.getElementById('shop'));
    document.body.append(host);`;
  await inShop({ script }, async ({ page, from }) => {
    await inState(page, 'empty');
    assert.notEqual(await page.locator('.cardseal-form').evaluate((form) => getComputedStyle(form).display), 'block');
    await typeCard(page);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.match(orders(from)[0].card_token, /^tok_/);
  });
});

test('an input method composes in a field undisturbed', async () => {
  await inShop({}, async ({ page, context }) => {
    const cdp = await context.newCDPSession(page);
    await field(page, 'number').focus();
    for (const text of ['４', '４２', '４２４２４']) {
      await cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
      assert.equal(await field(page, 'number').inputValue(), text);
    }
    await cdp.send('Input.insertText', { text: '４２４２４' });
    await until('formatted', async () => (await field(page, 'number').inputValue()) === '4242 4');
    assert.equal(await page.evaluate(() => document.getElementById('card').brand), 'visa');
  });
});

test('what the page sets before the class is known counts, and a session says its platform', async () => {
  const given = JSON.stringify(await session({ platform: 'greenpay', kind: 'tokenize' }));
  await inShop({ attributes: '', before: `card.session = ${given}; card.required = true;` }, async ({ page, from }) => {
    assert.equal(await page.evaluate(() => document.getElementById('card').required), true);
    await typeCard(page);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    assert.equal(posts('/v1/sessions', from).length, 0);
  });
});

test('a platform that does not exist and a session that is none fail aloud', async () => {
  const codeOf = (page) =>
    page.evaluate(() =>
      document
        .getElementById('card')
        .tokenize()
        .catch(({ code, field }) => [code, field].join()),
    );
  await inShop({ attributes: 'platform="greenpai"' }, async ({ page, from }) => {
    assert.equal(await stateOf(page), 'failed');
    assert.equal((await heard(page, 'failure')).length, 1);
    await typeCard(page);
    assert.equal(await codeOf(page), 'option_invalid,platform');
    assert.equal(posts('/v1/sessions', from).length, 0);
  });
  await inShop({ attributes: `platform="greenpay" session="{ 'id': 1 }"` }, async ({ page, from }) => {
    await typeCard(page);
    assert.equal(await codeOf(page), 'session_malformed,session');
    assert.equal(posts('/v1/sessions', from).length, 0);
  });
  const other = (await session({ platform: 'gp_api', kind: 'tokenize' })).id;
  const attributes = `platform="greenpay" session='{"platform":"gp_api","kind":"tokenize","id":"${other}"}'`;
  await inShop({ attributes }, async ({ page }) => {
    await typeCard(page);
    assert.equal(await codeOf(page), 'session_wrong_platform,session');
  });
});

test('moved in the page it keeps what was typed; taken out, it forgets', async () => {
  await inShop({}, async ({ page }) => {
    await typeCard(page);
    await page.evaluate(() => document.getElementById('shop').prepend(document.getElementById('card')));
    await inState(page, 'valid');
    assert.equal(await field(page, 'cvc').inputValue(), VISA.cvc);
    await page.evaluate(() => {
      const card = document.getElementById('card');
      card.remove();
      return new Promise((done) => setTimeout(done)).then(() => document.getElementById('shop').prepend(card));
    });
    await inState(page, 'empty');
    assert.equal(await field(page, 'cvc').inputValue(), '');
  });
});

test('two forms of two platforms in one page keep apart', async () => {
  const around = (form) => `${form}<cardseal-card-form id="other" platform="gp_api" name="other"></cardseal-card-form>`;
  await inShop({ around }, async ({ page, from }) => {
    await page.waitForSelector('#other[data-state="empty"]');
    const type = async (where, card) => {
      for (const name of ['number', 'expiry', 'cvc', 'holder']) {
        await page.locator(`${where} [data-field="${name}"] input`).pressSequentially(card[name]);
      }
    };
    await type('#card', VISA);
    await type('#other', GP_VISA);
    await page.click('#pay');
    await until('the order', () => orders(from).length > 0);
    const [order] = orders(from);
    assert.equal((await stored(order.card_token)).platform, 'greenpay');
    assert.equal((await stored(order.other)).platform, 'gp_api');
  });
});

test('an option, an attribute or a property that is misspelt is told', async () => {
  const { page, problems, close } = await openShop(all, {
    attributes:
      'platform="greenpay" required acceptedbrands="visa" plattform="x" data-plattform="x" tabindex="0" title="Card"',
    before: "card.customerDetail = {}; card.somethingOfAFramework = {}; card.customer = 'c-1';",
  });
  try {
    const told = () => problems.filter((text) => /cardseal-card-form/.test(text)).sort();
    const expected = [
      '<cardseal-card-form> has no acceptedbrands; did you mean accepted-brands?',
      '<cardseal-card-form> has no customerDetail; did you mean customerDetails?',
      '<cardseal-card-form> has no plattform; did you mean platform?',
    ];
    assert.deepEqual(told(), expected);
    const call = (method, options) =>
      page.evaluate(
        ([name, how]) =>
          document
            .getElementById('card')
            [name](how)
            .catch(({ code, field: at, message }) => [code, at, message]),
        [method, options],
      );
    const refused = await call('tokenize', { timeoutMS: 5 });
    assert.deepEqual(refused.slice(0, 2), ['option_invalid', 'timeoutMS']);
    assert.match(refused[2], /nearest: timeoutMs; known: signal, timeoutMs, keep$/);
    // Of a payment, not of a token.
    assert.deepEqual((await call('tokenize', { store: true })).slice(0, 2), ['option_invalid', 'store']);
    assert.deepEqual((await call('pay', { keep: true })).slice(0, 2), ['option_invalid', 'keep']);
    assert.equal(await stateOf(page), 'empty');
    assert.deepEqual(told(), expected, 'each is told once');
    // What is set later is seen at the next call.
    await page.evaluate(() => {
      document.getElementById('card').openSesion = () => {};
    });
    await call('tokenize', {});
    assert.equal(told().length, 4);
  } finally {
    await close();
  }
});
