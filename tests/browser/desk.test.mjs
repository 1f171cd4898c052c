// The merchant's desk in a real browser: what the checkout's tests do not need of it.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { becomes, deskOf, newestPayment, payWith, startAll, until, VISA } from './harness.mjs';

let all;
/** The shop's own server: what it was told, and what it answers. */
const shop = { told: [], status: 204 };
before(async () => {
  shop.server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      shop.told.push(request.headers['webhook-id']);
      response.writeHead(shop.status).end();
    });
  });
  shop.server.listen(0, '127.0.0.1');
  await once(shop.server, 'listening');
  all = await startAll({
    platforms: ['greenpay', 'gp_api'],
    events: {
      url: `http://127.0.0.1:${shop.server.address().port}/events`,
      secret: `whsec_${randomBytes(32).toString('base64')}`,
      first_pause_ms: 10,
    },
  });
});
after(async () => {
  await all?.stop();
  shop.server?.close();
});

const withPage = (body, options) => async () => {
  const opened = await all.open(options);
  try {
    await body(opened);
    assert.deepEqual(
      opened.problems.filter((text) => !/^Failed to load resource/.test(text)),
      [],
      'the console stays quiet',
    );
    assert.deepEqual(await opened.violations(), [], 'nothing breaks the policy');
  } finally {
    all.front.cut = () => false;
    all.hooks.hold()();
    await all.sandbox.clearFaults();
    await opened.close();
  }
};

/** A payment whose answer is lost, and of which no notification comes. */
async function lose(page) {
  await all.sandbox.fault({ route: 'merchant/tokenPayment', kind: 'gateway_timeout_after_commit', times: 1 });
  all.hooks.hold();
  assert.equal(await payWith(page, VISA), 'We do not know yet');
  return becomes(page, 'unknown');
}

test(
  'each page leads to the other, and says which one it is',
  withPage(async ({ page }) => {
    assert.equal(await page.title(), 'Checkout · Cerro Alto Coffee');
    assert.equal(await page.locator('h1').innerText(), 'Checkout');
    await page.getByRole('link', { name: 'Merchant’s desk' }).click();
    await page.waitForSelector('#desk[data-ready]');
    assert.equal(await page.title(), 'Merchant’s desk · Cerro Alto Coffee');
    assert.equal(await page.locator('h1').innerText(), 'Merchant’s desk');
    assert.equal(await page.locator('[aria-current="page"]').innerText(), 'Merchant’s desk');
    await page.getByRole('link', { name: 'Checkout', exact: true }).click();
    await page.waitForSelector('#pay-form[data-ready]');
    assert.equal(await page.locator('[aria-current="page"]').innerText(), 'Checkout');
  }),
);

test(
  'what happens at the checkout shows at the desk by itself, and a card that is deleted there is gone here',
  withPage(async ({ page }) => {
    const desk = await deskOf(page);
    const before = await desk.locator('#payments > li').count();
    await payWith(page, VISA);
    await until('the payment', async () => (await desk.locator('#payments > li').count()) === before + 1);
    const card = desk.locator('#tokens > li').first();
    assert.match(await card.innerText(), /Visa •••• 4242, expires 12 \/ 30[\s\S]*Customer demo-shopper/);
    const id = await card.getAttribute('data-token');
    assert.equal(await page.locator(`[data-token="${id}"]`).count(), 1);
    await card.getByRole('button', { name: /^Delete/ }).click();
    await desk.click('#ask-yes');
    await page.locator(`[data-token="${id}"]`).waitFor({ state: 'detached' });
    await card.locator(`xpath=self::*[@data-token="${id}"]`).waitFor({ state: 'detached' });
  }),
);

for (const [words, status] of [
  ['It was charged', 'approved'],
  ['It was not charged', 'failed'],
]) {
  test(
    `a payment of which nothing is heard is settled by hand: ${words.toLowerCase()}`,
    withPage(async ({ page, sent }) => {
      const desk = await lose(page);
      const open = desk.locator('#open > li').first();
      assert.match(await open.innerText(), /GreenPay’s notification says how it ended/);
      await open.getByRole('button', { name: /^Settle by hand/ }).click();
      assert.match(await desk.locator('#ask-text').innerText(), /GreenPay’s own records first, for order CA-/);
      await desk.click('#ask-yes');
      assert.equal(await desk.locator('#ask').getAttribute('open'), '', 'nothing is settled without an answer');
      await desk.getByLabel(words, { exact: true }).check();
      const before = sent.filter(({ method }) => method === 'POST').length;
      await desk.click('#ask-yes');
      await becomes(page, status);
      assert.equal(await desk.isVisible('#open-section'), false);
      assert.deepEqual(
        sent
          .filter(({ method }) => method === 'POST')
          .slice(before)
          .map(({ url, body }) => [new URL(url).pathname.split('/').at(-1), JSON.parse(body)]),
        [['resolve', { status }]],
      );
      // The shopper's page learns of it, too.
      const heading = status === 'approved' ? 'Paid $24.50' : 'The payment did not go through';
      await until(heading, async () => (await page.locator('#result-heading').textContent()) === heading);
    }),
  );
}

test(
  'events show how far they have come, and one is sent again',
  withPage(async ({ page }) => {
    shop.status = 500;
    try {
      await payWith(page, VISA);
      const desk = await deskOf(page);
      const event = desk.locator('#events > li', { hasText: 'payment.approved' }).first();
      await until(
        'a failure',
        async () => /Waiting/.test(await event.innerText()) && /500/.test(await event.innerText()),
      );
      assert.equal(await event.getByRole('button').count(), 0, 'it is sent again by itself');
      shop.status = 204;
      await until('the delivery', async () => (await event.getAttribute('data-state')) === 'delivered');
      const id = await event.getAttribute('data-event');
      const times = () => shop.told.filter((told) => told === id).length;
      const before = times();
      await event.getByRole('button', { name: /^Send again/ }).click();
      await until('it once more', () => times() === before + 1);
    } finally {
      shop.status = 204;
    }
  }),
);

test(
  'the desk asks nobody but the shop, and has no key',
  withPage(async ({ page, sent }) => {
    await payWith(page, VISA);
    const from = sent.length;
    const desk = await becomes(page, 'approved');
    await newestPayment(desk).getByRole('button', { name: /^Void/ }).click();
    await desk.click('#ask-yes');
    await becomes(page, 'voided');
    const own = sent.slice(from);
    assert.deepEqual([...new Set(own.map(({ url }) => new URL(url).origin))], [all.url]);
    for (const { headers, url } of own) assert.doesNotMatch(headers, /authorization/i, url);
    assert.equal((await desk.content()).includes(all.server.apiKey), false);
    assert.match(await desk.locator('#wire').innerText(), /A payment is voided[\s\S]*POST \/v1\/payments\/pay_/);
  }),
);

test(
  'a change whose answer is lost on its way is said, and shows as it is when the lists are read again',
  withPage(async ({ page }) => {
    await payWith(page, VISA);
    const desk = await becomes(page, 'approved');
    const from = all.front.requests.length;
    let lost = 0;
    all.front.cut = ({ method, url }) => method === 'POST' && url.endsWith('/refund') && lost++ === 0 && 'half-way';
    const id = await newestPayment(desk).getAttribute('data-payment');
    await newestPayment(desk)
      .getByRole('button', { name: /^Refund/ })
      .click();
    await desk.click('#ask-yes');
    await desk.waitForSelector('#payments-notice.notice-bad');
    assert.match(await desk.locator('#payments-notice').innerText(), /cannot reach the shop/);
    await desk.reload();
    await until(
      'the refund',
      async () => (await desk.locator(`[data-payment="${id}"]`).getAttribute('data-status')) === 'refunded',
    );
    assert.equal(
      all.front.requests.slice(from).filter(({ url, method }) => method === 'POST' && url.endsWith('/refund')).length,
      1,
    );
  }),
);

test('a shop that is down gets words, and the lists come back', async () => {
  const { page, close } = await all.open();
  try {
    const desk = await deskOf(page);
    await desk.route('**/v1/payments?*', (route) => route.abort(), { times: 1 });
    await desk.evaluate(() => window.dispatchEvent(new Event('focus')));
    await desk.waitForSelector('#desk-notice.notice-bad');
    assert.match(await desk.locator('#desk-notice').innerText(), /lists could not be read[\s\S]*cannot reach the shop/);
    await desk.getByRole('button', { name: 'Read again' }).click();
    await until('the lists', async () => (await desk.locator('#desk-notice').innerText()) === '');
  } finally {
    await close();
  }
});
test(
  'a stored card is subscribed, paid now and cancelled',
  withPage(async ({ page }) => {
    await payWith(page, VISA);
    const desk = await deskOf(page);
    const card = desk.locator('#tokens > li').first();
    assert.equal(await desk.isVisible('#subscriptions-section'), false, 'there is none yet');
    await card.getByRole('button', { name: /^Subscribe/ }).click();
    assert.match(await desk.locator('#ask-heading').innerText(), /every month, in USD$/);
    await desk.fill('#ask-amount', 'ten');
    await desk.click('#ask-yes');
    assert.match(await desk.locator('#ask-amount-error').innerText(), /above zero/);
    await desk.fill('#ask-amount', '7.50');
    await desk.click('#ask-yes');
    const subscription = desk.locator('#subscriptions > li').first();
    await until('the subscription', async () => (await subscription.getAttribute('data-status')) === 'active');
    assert.match(
      await subscription.innerText(),
      /\$7\.50 every month[\s\S]*4242[\s\S]*next payment on \d{4}-\d\d-\d\d/,
    );

    const paid = desk.locator('#payments > li', { hasText: '$7.50' });
    assert.equal(await paid.count(), 0);
    for (const count of [1, 2]) {
      await subscription.getByRole('button', { name: /^Pay now/ }).click();
      await desk.click('#ask-yes');
      await until(`payment ${count}`, async () => (await paid.count()) === count);
      assert.equal(await paid.first().getAttribute('data-status'), 'approved');
    }
    await subscription.getByRole('button', { name: /^Cancel/ }).click();
    await desk.click('#ask-yes');
    await until('the end', async () => (await subscription.getAttribute('data-status')) === 'cancelled');
    assert.equal(await subscription.getByRole('button').count(), 0);
  }),
);
