// The states of the card form, one after the other, in every engine.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until, VISA } from '../browser/harness.mjs';
import { ENGINES, startIn } from './keys.mjs';

const LIMIT = { timeout: 300_000 };

for (const engine of Object.keys(ENGINES)) {
  describe(`${engine}:`, () => {
    let keys;
    before(async () => {
      keys = await startIn(engine);
    }, LIMIT);
    after(() => keys?.all.stop(), LIMIT);

    const is = (state) => keys.is(state);
    const last = () =>
      keys.run(`() => {
        const { state, brand, brands, last4, valid, empty } = heard.filter(([name]) => name === 'statechange').at(-1)[1];
        return [state, brand, brands.length, last4, valid, empty];
      }`);

    test('from loading to a token, and empty again', LIMIT, async () => {
      await keys.open();
      assert.deepEqual(await last(), ['empty', null, 0, null, false, true]);
      await keys.focus('number');
      await keys.write('4242');
      await is('typing');
      assert.deepEqual(await last(), ['typing', 'visa', 1, null, false, false]);
      await keys.press('Enter');
      await is('invalid');
      await keys.fill({ ...VISA, number: VISA.number.slice(4) });
      assert.deepEqual(await last(), ['valid', 'visa', 1, VISA.number.slice(-4), true, false]);
      const open = keys.all.front.hold();
      try {
        await keys.press('Enter');
        await is('busy');
      } finally {
        open();
      }
      await is('done');
      assert.equal((await last())[0], 'done');
      await until('the order', async () => (await keys.orders()).length > 0);
      await keys.run("() => document.getElementById('card').clear()");
      await is('empty');
      const states = await keys.run(
        `() => heard.filter(([name]) => name === 'statechange').map(([, { state }]) => state)`,
      );
      const once = states.filter((state, at) => state !== states[at - 1]);
      assert.deepEqual(once, ['loading', 'empty', 'typing', 'invalid', 'valid', 'busy', 'done', 'empty']);
      // For style sheets: the same state, where the engine has such states.
      const styled = await keys.run(`() => {
        try {
          return document.getElementById('card').matches(':state(empty)');
        } catch {
          return true;
        }
      }`);
      assert.equal(styled, true);
    });

    test('failed, until something is typed, and expired', LIMIT, async () => {
      // Nobody listens there.
      await keys.open('platform="greenpay" server="http://127.0.0.1:9" required');
      await keys.fill();
      await keys.press('Enter');
      await is('failed');
      assert.deepEqual(await keys.orders(), []);
      await keys.press('Backspace');
      await until('another state', async () => (await keys.state()) !== 'failed');
      await keys.write('z');
      await is('valid');
      const answer = await fetch(`${keys.all.server.url}/v1/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${keys.all.server.apiKey}` },
        body: JSON.stringify({ platform: 'greenpay', kind: 'payment', amount: '10.00', currency: 'USD' }),
      });
      await keys.run(
        `(session) => {
          const card = document.getElementById('card');
          card.session = session;
          card.pay().catch(() => {});
        }`,
        { ...(await answer.json()), expires_at: '2020-01-01T00:00:00Z' },
      );
      await is('expired');
      assert.equal(await keys.run(`() => heard.filter(([name]) => name === 'sessionexpired').length`), 1);
      assert.equal(await keys.value('cvc'), VISA.cvc);
    });
  });
}
