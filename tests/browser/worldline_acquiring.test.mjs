// Worldline Acquiring, from the seal in the page over the server, which opens it, to the simulated platform and back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { load, openSession, WorldlineAcquiring } from 'cardseal';
import {
  accessibility,
  axe,
  becomes,
  deskOf,
  failure,
  field,
  followUp,
  found,
  leaks,
  newestPayment,
  payWith,
  resultHeading,
  startAll,
  sticksOut,
  typeCard,
  until,
} from './harness.mjs';

const ID = 'worldline_acquiring';
const CARD = { number: '4176 6699 9900 0104', expiry: '12/2031', cvc: '012', holder: 'Zoë "Z" Müller' };

let all;
before(async () => {
  await load();
  all = await startAll({ platforms: [ID] });
});
after(() => all?.stop());

const platform = () => all.sandbox.of(ID);
/** As a page of the allowed origin calls, and as the merchant does. */
const fromPage = (url, options) => fetch(url, { ...options, headers: { ...options.headers, origin: all.front.url } });
const asMerchant = (url, options) =>
  fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${all.server.apiKey}` } });
const client = () => new WorldlineAcquiring({ server: all.url, fetch: fromPage });
const toStore = () => openSession({ server: all.url, platform: ID, fetch: fromPage });
const toPay = (more) =>
  openSession({
    server: all.url,
    platform: ID,
    kind: 'payment',
    amount: '10.00',
    currency: 'EUR',
    fetch: asMerchant,
    ...more,
  });
const posted = async (request) => {
  const response = await fromPage(request.url, request);
  return { status: response.status, body: await response.json() };
};

// ------------------------------------------------------------------------------------------- the server opens it

test('a sealed card is opened, verified and stored, once', async () => {
  const session = await toStore();
  const request = await client().tokenizeRequest(session, CARD);
  const { status, body } = await posted(request);
  assert.equal(status, 201, JSON.stringify(body));
  assert.deepEqual(
    [body.platform, body.brand, body.last4, body.status, body.expiry, body.holder],
    [ID, 'visa', '0104', 'active', { month: 12, year: 2031 }, CARD.holder],
  );
  const verified = (await platform().state()).verifications.length;
  // The very same again, after a lost answer, is told the same; anything else for this session is refused.
  assert.equal((await posted(request)).body.id, body.id);
  await assert.rejects(client().tokenize(session, CARD), { code: 'server_rejected', platformCode: 'session_used' });
  assert.equal((await platform().state()).verifications.length, verified);
});

test('the class stores and pays, at once or held, and a network token goes out as one', async () => {
  const token = await client().tokenize(await toStore(), { ...CARD, holder: '' });
  assert.deepEqual([token.platform, token.last4, token.status, token.holder], [ID, '0104', 'active', null]);
  const paid = await client().pay(await toPay(), CARD, { idempotencyKey: 'k-1' });
  assert.deepEqual([paid.platform, paid.status, paid.last4], [ID, 'approved', '0104']);
  const held = await client().pay(await toPay({ capture: 'later' }), CARD);
  assert.equal(held.status, 'authorized');
  const networkToken = { cryptogram: 'AgAAAAAAAIR8CQrXcIhbQAAAAAA=', eci: '05', requestorId: '40010030273' };
  const bought = await client().pay(
    await toPay({ token: token.id }),
    { number: '4895370012003478', expiry: '06/29', cvc: '', holder: '' },
    { networkToken },
  );
  assert.equal(bought.status, 'approved');
  const [, , last] = (await platform().state()).payments.slice(-3);
  assert.deepEqual([last.last4, last.network_token, last.security_code_result], ['3478', true, 'OMITTED']);
  assert.ok(last.card_on_file, 'it refers to the stored card');
});

test('what is bent on its way is refused in words of its own, and leaves the session open', async () => {
  const session = await toStore();
  const request = await client().tokenizeRequest(session, CARD);
  const { sealed } = JSON.parse(request.body);
  const [header, , iv, text, tag] = sealed.split('.');
  const flip = (part) => (part[0] === 'A' ? 'B' : 'A') + part.slice(1);
  const bent = (change) =>
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(header, 'base64url')), ...change })).toString('base64url');
  const other = await toStore();
  for (const [given, to, code] of [
    [sealed, other.id, 'sealed_wrong_session'],
    [[header, '', flip(iv), text, tag].join('.'), session.id, 'sealed_changed'],
    [[header, '', iv, flip(text), tag].join('.'), session.id, 'sealed_changed'],
    [[header, '', iv, text, flip(tag)].join('.'), session.id, 'sealed_changed'],
    [[bent({ exp: 4_000_000_000 }), '', iv, text, tag].join('.'), session.id, 'sealed_changed'],
    [[bent({ exp: 1 }), '', iv, text, tag].join('.'), session.id, 'sealed_expired'],
    [[bent({ kid: 'none' }), '', iv, text, tag].join('.'), session.id, 'sealed_key_unknown'],
    [[bent({ enc: 'A128GCM' }), '', iv, text, tag].join('.'), session.id, 'sealed_algorithm'],
    [sealed.repeat(20), session.id, 'sealed_oversized'],
  ]) {
    const { body } = await posted({ ...request, body: JSON.stringify({ session: to, sealed: given }) });
    assert.equal(body.code, code);
    assert.doesNotMatch(JSON.stringify(body), /4176|0104|012[^\d]/);
  }
  assert.equal((await posted(request)).status, 201);
});

test('a cryptogram that needs an escape is refused by the server, in words of its own', async () => {
  const networkToken = { cryptogram: 'a"b' };
  await assert.rejects(client().pay(await toPay(), { ...CARD, cvc: '' }, { networkToken }), {
    code: 'server_rejected',
    platformCode: 'sealed_not_a_card',
  });
});

// ------------------------------------------------------------------------------------------------- on the demo page

const VISA = { number: '4176669999000104', expiry: '1231', cvc: '739', holder: 'Zoë Müller' };
const DECLINED = { ...VISA, number: '4176669999000203' };

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
  'the page says that the shop is in full PCI DSS scope, before anything is typed',
  withPage(async ({ page }) => {
    assert.match(
      await page.locator('#platform-warning').innerText(),
      /server opens the card[\s\S]*full PCI DSS scope \(SAQ D\)/,
    );
    assert.match(await page.locator('#way-relay-hint').innerText(), /opens the sealed card/);
    assert.match(await page.locator('#save-hint').innerText(), /bank checks the card[\s\S]*a reference for later/);
    assert.doesNotMatch(await page.locator('main').innerText(), /never reaches the shop|never sees what is inside/);
  }),
);

test(
  'a typed card is verified, stored, charged as one on file, and refunded in parts',
  withPage(async ({ page, sent, grown }) => {
    assert.equal(await payWith(page, VISA), 'Paid $24.50');
    assert.match(
      await page.locator('#result-lines').innerText(),
      /Visa •••• 0104[\s\S]*Saved for next time\s*For reference; you type it again/,
    );
    for (const path of ['/v1/tokens', '/v1/payments']) {
      const [handed, ...more] = posts(sent, path);
      assert.deepEqual([Object.keys(JSON.parse(handed.body)).sort(), more.length], [['sealed', 'session'], 0], path);
    }
    const [payment, ...others] = await grown();
    assert.deepEqual([others.length, payment.last4, payment.captured], [0, '0104', 2450]);
    assert.ok(payment.card_on_file, 'it refers to the verification');
    const desk = await becomes(page, 'approved', 60_000);
    assert.equal(
      await newestPayment(desk).getByRole('button', { name: /^Void/ }).count(),
      0,
      'what is captured is not voided here',
    );
    await followUp(desk, 'Refund', '10.10');
    await becomes(page, 'partially_refunded');
    assert.match(await newestPayment(desk).innerText(), /captured \$24\.50 of \$24\.50, refunded \$10\.10/);
  }),
);

test(
  'a saved card stands in the list, and says that it cannot be charged alone',
  withPage(async ({ page }) => {
    await payWith(page, VISA);
    await until('the card', async () => (await firstCard(page).count()) === 1);
    assert.match(await firstCard(page).innerText(), /Visa •••• 0104, expires 12 \/ 31[\s\S]*Cannot be charged alone/);
    const charge = firstCard(page).getByRole('button', { name: /^Needs the card again/ });
    assert.equal(await charge.isDisabled(), true);
    const before = await page.locator('#saved > li').count();
    await firstCard(page)
      .getByRole('button', { name: /^Delete/ })
      .click();
    assert.match(await page.locator('#ask-text').innerText(), /Only the shop has stored/);
    await page.click('#ask-yes');
    await until('the card to be gone', async () => (await page.locator('#saved > li').count()) === before - 1);
  }),
);

test(
  'a payment that is held is voided, another captured in part, stored or not',
  withPage(async ({ page }) => {
    await page.check('#capture-later');
    assert.equal(await payWith(page, VISA), 'Authorized $24.50');
    const desk = await becomes(page, 'authorized');
    await followUp(desk, 'Void');
    await becomes(page, 'voided');
    await page.click('#result-next');
    await page.uncheck('#save-card');
    assert.equal(await page.isChecked('#capture-later'), true);
    assert.equal(await payWith(page, VISA), 'Authorized $24.50');
    await becomes(page, 'authorized');
    await followUp(desk, 'Capture', '20');
    await becomes(page, 'approved');
    assert.match(await newestPayment(desk).innerText(), /captured \$20\.00 of \$24\.50/);
  }),
);

test(
  'a declined card says so, stored or not, and the next one is taken',
  withPage(async ({ page, grown }) => {
    await typeCard(page, DECLINED);
    await page.click('#pay');
    assert.match(await failure(page), /Your bank declined this card[\s\S]*Nothing was charged/);
    await page.uncheck('#save-card');
    await page.click('#pay');
    await until('the decline of the payment', async () =>
      /declined this payment[\s\S]*Nothing was charged/.test(await page.locator('#notice').innerText()),
    );
    await page.fill(field('number'), VISA.number);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.deepEqual(
      (await grown()).map(({ captured }) => captured),
      [0, 2450],
    );
  }),
);

test(
  'a shopper whose clock is hours off pays all the same',
  withPage(async ({ page }) => {
    for (const hours of [-9, 9]) {
      await page.evaluate((ms) => {
        globalThis.__skew = ms;
      }, hours * 3_600_000);
      assert.equal(await payWith(page, VISA), 'Paid $24.50', `${hours} hours`);
      await page.click('#result-next');
    }
  }),
);

test(
  'an answer that is lost is asked for again with the very same sealed card, and charged once',
  withPage(async ({ page, sent, grown }) => {
    await page.uncheck('#save-card');
    let lost = 0;
    all.front.cut = ({ method, url }) =>
      method === 'POST' && url === '/v1/payments' && lost++ === 0 ? 'half-way' : false;
    await typeCard(page, VISA);
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'We do not know yet');
    await page.click('#result-check');
    await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
    const bodies = new Set(posts(sent, '/v1/payments').map(({ body }) => body));
    assert.equal(bodies.size, 1);
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'a payment whose answer the platform never gives is undone, and the page says that it was not completed',
  withPage(async ({ page, grown }) => {
    await page.uncheck('#save-card');
    await platform().fault({ route: 'payments', kind: 'bad_gateway_after_commit', times: 0 });
    await typeCard(page, VISA);
    await page.click('#pay');
    await page.waitForSelector('#result:not([hidden])', { timeout: 60_000 });
    await until(
      'the end of it',
      async () => (await page.locator('#result-heading').textContent()) === 'The payment was not completed',
      60_000,
    );
    await becomes(page, 'voided', 60_000);
    assert.deepEqual(
      (await grown()).map(({ captured, authorized }) => [captured, authorized]),
      [[0, 0]],
    );
  }),
);

test(
  'nothing of the card leaves the page in clear, and the panel shows what is sealed, and who opens it',
  withPage(async ({ page, sent }) => {
    const from = all.front.requests.length;
    await payWith(page, VISA);
    for (const { url, headers, body } of sent)
      assert.deepEqual(found([url, headers, body].join('\n'), VISA.number), [], url);
    assert.deepEqual(leaks(all.front.requests.slice(from), VISA), []);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    const shown = await page.locator('#wire').innerText();
    assert.match(
      shown,
      /The sealed card goes to the shop’s server, which opens it[\s\S]*AES-256-GCM encrypted[\s\S]*proves that neither it nor the header was changed/,
    );
    assert.equal(await page.locator('.proof-bad').count(), 0);
    for (const element of ['#pay-form', '#saved', '#wire', '#result'])
      assert.doesNotMatch(await page.locator(element).innerText(), new RegExp(VISA.number), element);
    const desk = await deskOf(page);
    assert.doesNotMatch(await desk.locator('main').innerText(), new RegExp(VISA.number));
    assert.equal(await page.inputValue(field('number')), '');
  }),
);

test(
  'through the worker, on the page whose policy it is, a card is sealed and charged',
  withPage(async ({ page, sent, grown }) => {
    const [token, paid] = await page.evaluate(
      async ({ card, platform }) => {
        const { WorldlineAcquiring, load, openSession, terminate } = await import('/pkg/worker.js');
        await load();
        const acquiring = new WorldlineAcquiring();
        const stored = await acquiring.tokenize(await openSession({ platform, kind: 'tokenize' }), card);
        const session = await openSession({
          platform,
          kind: 'payment',
          amount: '10.00',
          currency: 'EUR',
          token: stored.id,
        });
        const outcome = await acquiring.pay(session, card, { idempotencyKey: 'worker-1' });
        terminate();
        return [stored, outcome];
      },
      { card: CARD, platform: ID },
    );
    assert.deepEqual([token.last4, token.status, paid.status, paid.last4], ['0104', 'active', 'approved', '0104']);
    assert.equal((await grown()).length, 1);
    for (const { url, headers, body } of sent)
      assert.deepEqual(found([url, headers, body].join('\n'), VISA.number), [], url);
  }),
);

// ------------------------------------------------------------------------------------------------- for everybody

const held = async (page) => {
  await page.check('#capture-later');
  await payWith(page, VISA);
  await becomes(page, 'authorized', 60_000);
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
};

for (const colorScheme of ['light', 'dark']) {
  test(
    `axe finds nothing, ${colorScheme}`,
    { skip: axe === null && 'axe-core is not installed' },
    withPage(
      async ({ page, context }) => {
        const check = await accessibility(page, context);
        await check('chosen');
        await held(page);
        await check('held, everything open');
        const desk = await deskOf(page);
        await (await accessibility(desk, context))('held, at the desk');
      },
      { colorScheme },
    ),
  );
}

for (const width of [320, 390, 1280]) {
  test(
    `nothing sticks out at ${width} px`,
    withPage(
      async ({ page }) => {
        assert.equal(await sticksOut(page), false);
        await held(page);
        for (const each of [page, await deskOf(page)]) assert.equal(await sticksOut(each), false, each.url());
      },
      { viewport: { width, height: 800 } },
    ),
  );
}
