// What every browser engine has to do: the shopper's whole way, on the demo page against server and sandbox. The finer
// points are tested in Chromium; here the question is whether the module, the form's handling of keys, the policy of the
// page and the requests to other origins work in an engine at all.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { field, GP_VISA, leaks, note, startAll, until, VISA } from './harness.mjs';
import { PATIENCE } from './webdriver.mjs';

const LIMIT = { timeout: 5 * PATIENCE };

async function fill(page, card) {
  await page.type(field('number'), card.number);
  await page.type(field('expiry'), card.expiry);
  await page.type(field('cvc'), card.cvc);
  await page.type(field('holder'), card.holder);
}

/** Registers the tests; `launch` starts the browser. */
export function checkoutIn(engine, launch) {
  let all;
  let page;
  before(async () => {
    all = await startAll({ platforms: ['greenpay', 'gp_api', 'worldline_acquiring'], browser: launch });
    page = all.browser;
  }, LIMIT);
  after(() => all?.stop(), LIMIT);

  /** The page anew, with a platform chosen, and what the platform and the wire get from now on. */
  const begin = async (platform) => {
    const before = await all.sandbox.of(platform).state();
    all.front.requests.length = 0;
    await page.open(all.url);
    await until(
      'the form',
      () => page.run(`() => document.getElementById('pay-form').dataset.ready === 'true'`),
      PATIENCE,
    );
    await page.run(`() => {
      window.broken = [];
      addEventListener('securitypolicyviolation', (event) => window.broken.push(event.violatedDirective + ' ' + event.blockedURI));
      addEventListener('error', (event) => window.broken.push(event.message));
      addEventListener('unhandledrejection', (event) => window.broken.push(String(event.reason)));
    }`);
    await page.click(`#platform-${platform}`);
    // The shopper saves the card.
    await page.click('#save-card');
    return async () => {
      const now = await all.sandbox.of(platform).state();
      const since = (list) => now[list]?.slice(before[list].length);
      return { transactions: since('transactions'), payments: since('payments'), cards: since('card_tokens') };
    };
  };
  const quiet = async () => assert.deepEqual(await page.run('() => window.broken'), [], 'nothing breaks in the page');

  test(`${engine}: a typed card is packed, becomes a stored token and a charge`, LIMIT, async () => {
    const grown = await begin('greenpay');
    await fill(page, VISA);
    assert.equal(await page.value(field('number')), '4242 4242 4242 4242');
    assert.match(await page.value(field('expiry')), /^12 ?\/ ?30$/);
    await page.click('#pay');
    await page.shows('#result-heading', /^Paid \$24\.50$/);
    await page.shows('#result-lines', /Visa •••• 4242/);
    const { transactions, cards } = await grown();
    assert.deepEqual(
      transactions.map(({ amount, currency, last4, state }) => [Number(amount), currency, last4, state]),
      [[24.5, 'USD', '4242', 'approved']],
    );
    // That the platform could open the card says that random numbers and arithmetic are right in this engine.
    assert.deepEqual(
      cards.map(({ bin, last4, expiry, holder }) => [bin, last4, expiry, holder]),
      [['424242', '4242', '3012', VISA.holder]],
    );
    await page.shows('#saved > li', /•••• 4242/);
    for (const name of ['number', 'expiry', 'cvc', 'holder'])
      assert.equal(await page.value(field(name)), '', `${name} is cleared`);
    await quiet();
    await page.open(`${all.url}/desk.html`);
    await page.shows('#payments > li', /24\.50/);
    assert.equal(await page.run(`() => document.querySelector('#payments > li').dataset.status`), 'approved');
    assert.deepEqual(leaks(all.front.requests, VISA), [], 'the shop sees nothing of the card');
  });

  test(`${engine}: straight to the platform, which is another origin`, LIMIT, async () => {
    const grown = await begin('greenpay');
    await page.click('#way-direct');
    await fill(page, { ...VISA, holder: 'Žofie Ångström' });
    await page.click('#pay');
    await page.shows('#result-heading', /^Paid \$24\.50$/);
    const { transactions, cards } = await grown();
    assert.equal(transactions.filter(({ approved }) => approved).length, 1);
    assert.deepEqual(
      cards.map(({ holder }) => holder),
      ['Žofie Ångström'],
    );
    await quiet();
    assert.deepEqual(leaks(all.front.requests, VISA), []);
  });

  test(`${engine}: an expired card is refused before it is sent`, LIMIT, async () => {
    const grown = await begin('greenpay');
    await fill(page, { ...VISA, expiry: '0120' });
    await page.click('#pay');
    await page.shows(note('expiry'), /\S/);
    // The session is opened while the shopper types.
    assert.deepEqual(
      all.front.requests.filter(({ method, url }) => method === 'POST' && url !== '/v1/sessions').map(({ url }) => url),
      [],
    );
    assert.deepEqual((await grown()).transactions, []);
    await quiet();
  });

  test(`${engine}: the second platform, by the same form`, LIMIT, async () => {
    const grown = await begin('gp_api');
    await fill(page, GP_VISA);
    await page.click('#pay');
    await page.shows('#result-heading', /^Paid \$24\.50$/);
    assert.equal((await grown()).transactions.length, 1);
    await quiet();
    await page.open(`${all.url}/desk.html`);
    await page.shows('#payments > li', /24\.50/);
    assert.deepEqual(leaks(all.front.requests, GP_VISA), []);
  });

  test(`${engine}: the third, whose cards the engine's own cryptography seals`, LIMIT, async () => {
    const grown = await begin('worldline_acquiring');
    await fill(page, VISA);
    await page.click('#pay');
    // That the server could open it says that this engine's keys, derivation and encryption are those of the others.
    await page.shows('#result-heading', /^Paid \$24\.50$/);
    assert.deepEqual(
      (await grown()).payments.map(({ last4, captured }) => [last4, captured]),
      [['4242', 2450]],
    );
    await quiet();
    assert.deepEqual(leaks(all.front.requests, VISA), []);
    // And it knows what is no point of the curve.
    await page.run(
      `(card) => {
      (async () => {
        const { WorldlineAcquiring, load, openSession } = await import('/pkg/index.js');
        await load();
        const session = await openSession({ platform: 'worldline_acquiring' });
        const { key } = session.seal;
        session.seal.key = { ...key, x: key.y, y: key.x };
        return new WorldlineAcquiring().seal(session, card);
      })().then(() => 'sealed', ({ code, field }) => code + ' ' + field).then((said) => { window.said = said; });
    }`,
      { ...VISA, expiry: '12/30' },
    );
    assert.equal(
      await until('the refusal', () => page.run('() => window.said ?? null'), PATIENCE),
      'session_malformed seal',
    );
  });
}
