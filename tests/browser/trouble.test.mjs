// What the page says and does when something is broken, late, wrong or gone.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '../../scripts/project.mjs';
import {
  becomes,
  deskOf,
  failure,
  field,
  newestPayment,
  payWith,
  resultHeading,
  root,
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

const withPage = (body) => async () => {
  const opened = await all.open();
  const before = await all.sandbox.state();
  try {
    await body({
      ...opened,
      grown: async () => (await all.sandbox.state()).transactions.slice(before.transactions.length),
    });
    assert.deepEqual(await opened.violations(), []);
  } finally {
    all.front.cut = () => false;
    all.hooks.hold()();
    await all.sandbox.clearFaults();
    await opened.close();
  }
};

/** Nothing can be typed or pressed. */
const shut = async (page) =>
  (await page.isDisabled('#pay')) && (await page.locator('#pay-form :is(input, select):enabled').count()) === 0;

const posts = (sent, path) =>
  sent.filter((request) => request.method === 'POST' && new URL(request.url).pathname === path);

test(
  'a session that grew old in the page is refused before the card is encrypted, and renewed',
  withPage(async ({ page, sessionOpened, sent, grown }) => {
    await typeCard(page, VISA);
    await sessionOpened();
    await page.evaluate(() => {
      globalThis.__skew = 31 * 60_000;
    });
    await page.click('#pay');
    assert.equal(await resultHeading(page), 'Paid $24.50');
    assert.equal(posts(sent, '/v1/sessions').length, 2);
    assert.equal(posts(sent, '/v1/tokens').length, 1, 'nothing went out with the old session');
    assert.equal((await grown()).length, 1);
  }),
);

for (const way of ['relay', 'direct']) {
  test(
    `a session that the platform let go is renewed, ${way} way`,
    withPage(async ({ page, sessionOpened, sent, grown }) => {
      await page.check(`#way-${way}`);
      await typeCard(page, VISA);
      await sessionOpened();
      await all.sandbox.clock({ advance_seconds: 1801 });
      try {
        await page.click('#pay');
        assert.equal(await resultHeading(page), 'Paid $24.50');
        assert.equal(posts(sent, '/v1/sessions').length, 2);
        assert.equal((await grown()).length, 1);
      } finally {
        await all.sandbox.clock({ reset: true });
      }
    }),
  );
}

test(
  'an unknown outcome says so, and turns into a receipt when the notification comes',
  withPage(async ({ page, grown }) => {
    await all.sandbox.fault({ route: 'merchant/tokenPayment', kind: 'gateway_timeout_after_commit', times: 1 });
    const release = all.hooks.hold();
    assert.equal(await payWith(page, VISA), 'We do not know yet');
    assert.match(await page.locator('#result-text').innerText(), /do not pay again/);
    assert.equal(await page.isVisible('#pay'), false);
    const desk = await becomes(page, 'unknown');
    const open = desk.locator('#open > li').first();
    assert.match(await open.innerText(), /The answer to the charge was lost[\s\S]*What to do: look for the order/);
    assert.equal(await newestPayment(desk).getByRole('button').count(), 0, 'nothing is charged or given back blindly');
    release();
    await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
    await becomes(page, 'approved');
    await open.waitFor({ state: 'detached' });
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'an unknown outcome without saving resolves too',
  withPage(async ({ page, grown }) => {
    await all.sandbox.fault({ route: 'checkout/', kind: 'gateway_timeout_after_commit', times: 1 });
    const release = all.hooks.hold();
    await page.uncheck('#save-card');
    assert.equal(await payWith(page, VISA), 'We do not know yet');
    release();
    await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'an unknown outcome of the direct way says so, and the list learns of it',
  withPage(async ({ page, grown }) => {
    await all.sandbox.fault({ route: 'checkout/', kind: 'gateway_timeout_after_commit', times: 1 });
    const release = all.hooks.hold();
    await page.check('#way-direct');
    await page.uncheck('#save-card');
    assert.equal(await payWith(page, { ...VISA, number: '4111111111111111' }), 'We do not know yet');
    assert.match(await page.locator('#result-text').innerText(), /do not pay again/);
    release();
    const desk = await deskOf(page);
    await until('the notification', async () => {
      const first = newestPayment(desk);
      return (
        (await first.getAttribute('data-status')) === 'approved' && (await first.innerText()).includes('•••• 1111')
      );
    });
    assert.equal((await grown()).length, 1);
  }),
);

test(
  'a browser that repeats a payment by itself straight at the platform pays once',
  withPage(async ({ page, grown }) => {
    await page.check('#way-direct');
    await page.uncheck('#save-card');
    let lost = 0;
    // The preflight has just used the connection, so the browser sends the payment again when it breaks.
    all.checkout.cut = (request) => request.method === 'POST' && lost++ === 0 && 'before';
    try {
      assert.equal(await payWith(page, VISA), 'We do not know yet');
      await becomes(page, 'approved');
      assert.equal((await grown()).length, 1);
    } finally {
      all.checkout.cut = () => false;
    }
  }),
);

for (const save of [true, false]) {
  const how = save ? 'saving' : 'without saving';

  test(
    `an answer that is lost on its way is asked for again and charges once, ${how}`,
    withPage(async ({ page, grown }) => {
      if (!save) await page.uncheck('#save-card');
      let lost = 0;
      all.front.cut = (request) =>
        request.method === 'POST' && request.url === '/v1/payments' && lost++ === 0 && 'half-way';
      assert.equal(await payWith(page, VISA), 'We do not know yet');
      assert.equal((await grown()).length, 1, 'the charge happened');
      assert.equal(await page.inputValue(field('number')), '', 'and nobody can press Pay again by mistake');
      await page.click('#result-check');
      await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
      assert.equal((await grown()).length, 1);
    }),
  );

  // A browser repeats a request by itself when a kept connection is closed before the answer begins.
  test(
    `a request that the browser repeats by itself charges once, ${how}`,
    withPage(async ({ page, grown }) => {
      if (!save) await page.uncheck('#save-card');
      const from = all.front.requests.length;
      let lost = 0;
      all.front.cut = (request) =>
        request.method === 'POST' && request.url === '/v1/payments' && lost++ === 0 && 'before';
      await payWith(page, VISA);
      if (await page.isVisible('#result-check')) await page.click('#result-check');
      await until('the receipt', async () => (await page.locator('#result-heading').textContent()) === 'Paid $24.50');
      assert.equal(
        all.front.requests.slice(from).filter((request) => request.method === 'POST' && request.url === '/v1/payments')
          .length,
        2,
      );
      assert.equal((await grown()).length, 1);
    }),
  );
}

test('a bank that says no to the key is told in words', async () => {
  const wrong = generateKeyPairSync('rsa', { modulusLength: 1024 })
    .publicKey.export({ type: 'spki', format: 'der' })
    .toString('base64');
  const other = await startAll({ settings: { greenpay: { public_key: wrong } } });
  try {
    for (const way of ['relay', 'direct']) {
      const { page, close } = await other.open();
      await page.check(`#way-${way}`);
      await typeCard(page, VISA);
      await page.click('#pay');
      assert.match(await failure(page), /cannot accept cards right now|did not have/, way);
      assert.match(await failure(page), /Nothing was charged/);
      assert.equal((await other.sandbox.state()).transactions.length, 0);
      await close();
    }
  } finally {
    await other.stop();
  }
});

for (const [kind, words] of [
  ['html', /Nothing was charged/],
  ['truncated_json', /Nothing was charged/],
  ['not_json', /Nothing was charged/],
  ['huge', /Nothing was charged/],
  ['server_error', /Nothing was charged/],
  ['bad_signature', /signature[\s\S]*Nothing was charged/],
  ['missing_signature', /signature[\s\S]*Nothing was charged/],
]) {
  test(
    `a platform that answers a card with ${kind.replaceAll('_', ' ')} leaves a plain message and the typed card`,
    withPage(async ({ page, grown }) => {
      await all.sandbox.fault({ route: 'checkout/tokenize', kind, times: 0 });
      await typeCard(page, VISA);
      await page.click('#pay');
      assert.match(await failure(page), words);
      assert.doesNotMatch(await failure(page), /undefined|null|\bcode:/);
      assert.equal(await page.inputValue(field('holder')), VISA.holder);
      assert.equal((await grown()).length, 0);
      await all.sandbox.clearFaults();
      await page.click('#pay');
      assert.equal(await resultHeading(page), 'Paid $24.50', 'and the next press works');
    }),
  );
}

test('a platform that is down, and a shop that is down, each get words; nothing is charged', async () => {
  const own = await startAll();
  try {
    const { page, sent, close } = await own.open();
    await own.sandbox.stop();
    await typeCard(page, VISA);
    await page.click('#pay');
    assert.match(await failure(page), /payment platform cannot be reached[\s\S]*Nothing was charged/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'pay');
    assert.equal(posts(sent, '/v1/sessions').length, 2, 'once while typing and once for the press, not once a key');
    await own.server.stop();
    await page.click('#pay');
    await until('the other words', async () =>
      /cannot reach the shop[\s\S]*Nothing was charged/.test(await failure(page)),
    );
    assert.match(await page.locator('#saved-notice').innerText(), /could not be read/);
    assert.equal(await page.inputValue(field('holder')), VISA.holder);
    await close();
  } finally {
    await own.stop();
  }
});

test('a policy without wasm-unsafe-eval is named, and the form stays shut', async () => {
  const proxy = await altered((headers) => {
    if (headers['content-security-policy'])
      headers['content-security-policy'] = headers['content-security-policy'].replace(" 'wasm-unsafe-eval'", '');
    return headers;
  });
  const context = await all.browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(proxy.url);
    const words = await page.locator('#load-failure').innerText();
    assert.match(words, /security policy blocks WebAssembly/);
    assert.match(words, /'wasm-unsafe-eval' in script-src/);
    assert.equal(await shut(page), true);
  } finally {
    await context.close();
    await proxy.stop();
  }
});

/** The real server with its headers changed. */
async function altered(change) {
  const port = await freePort();
  const server = http.createServer((request, response) => {
    const to = new URL(all.front.url);
    const onward = http.request(
      { host: to.hostname, port: to.port, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode, change({ ...answer.headers }));
        answer.pipe(response);
      },
    );
    request.pipe(onward);
  });
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(done);
      }),
  };
}

test('a call whose answer the module reads is not shown as cancelled', async () => {
  // Without the demo's own script, which reads a copy of every answer.
  all.front.pages['/bare'] = '<!doctype html><title>Shop</title>';
  const { page, close } = await all.open({ ready: false });
  const ends = [];
  for (const end of ['requestfinished', 'requestfailed'])
    page.on(end, (request) => {
      if (request.method() === 'POST') ends.push(end);
    });
  await page.goto(`${all.url}/bare`);
  const calls = 20;
  await page.evaluate(
    async ({ server, calls }) => {
      const { load, openSession } = await import('/pkg/index.js');
      await load();
      for (let call = 0; call < calls; call++) await openSession({ server, platform: 'greenpay' });
    },
    { server: all.url, calls },
  );
  await until('the end of every call', () => ends.length === calls);
  assert.deepEqual([...new Set(ends)], ['requestfinished']);
  await close();
});

for (const [what, broken] of [
  ['a package without its wasm file', (folder) => rmSync(path.join(folder, 'cardseal_greenpay_bg.wasm.js'))],
  ['no package at all', (folder) => rmSync(path.join(folder, 'card-form.js'))],
]) {
  test(`${what} gives plain words, and the form stays shut`, async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-pkg-'));
    cpSync(path.join(root, 'pkg'), folder, { recursive: true });
    broken(folder);
    const other = await startAll({ pkg: folder });
    try {
      const { page, close } = await other.open({ ready: false });
      assert.match(await page.locator('#load-failure').innerText(), /did not load[\s\S]*Nothing was sent/);
      assert.equal(await shut(page), true);
      await close();
    } finally {
      await other.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
