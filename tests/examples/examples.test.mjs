// Each example as its reader builds it, served as built, and driven against server and sandbox. Everything that the browser
// sends goes through the recorder: the pages, what they load, the calls to the server and the order.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';
import { freePort, root } from '../../scripts/project.mjs';
import { leaks, startAll, until, VISA } from '../browser/harness.mjs';
import { EXAMPLES, run, workplace } from './install.mjs';

const EMAIL = 'ana@shop.example';

/** How a built example is served, in its folder. The plain example's server takes any folder with static files. */
const STATIC = '../plain/serve.mjs';
const tool = (name) => `../node_modules/${name}`;
const VITE = (port) => [tool('vite/bin/vite.js'), 'preview', '--host', '127.0.0.1', '--port', port, '--strictPort'];
const SERVED = {
  angular: () => [STATIC, 'dist/shop/browser'],
  next: (port) => [tool('next/dist/bin/next'), 'start', '--hostname', '127.0.0.1', '--port', port],
  plain: () => [STATIC],
  react: VITE,
  svelte: VITE,
  vue: VITE,
};

let all;
let work;
before(async () => {
  work = await workplace();
  all = await startAll();
});
after(() => all?.stop());

/** Builds the example and lets the recorder pass everything on to it. It calls the server by itself, at `/v1`. */
async function built(name, build = ['npm', 'run', 'build'], served = SERVED[name]) {
  const cwd = path.join(work, name);
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const env = { CARDSEAL_SERVER: all.server.url, PORT: port, NEXT_TELEMETRY_DISABLED: '1' };
  await run(build[0], build.slice(1), { cwd, env });
  const child = spawn(process.execPath, served(port), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      log += chunk;
    });
  await until(`${name} to answer`, async () => {
    if (child.exitCode !== null) throw new Error(`it ended:\n${log}`);
    return (await fetch(url).catch(() => null))?.ok;
  });
  all.front.target = url;
  return {
    log: () => log,
    stop: async () => {
      const exit = once(child, 'exit');
      child.kill();
      await exit;
    },
  };
}

/** Opens a page of the example, uses it, and looks at all that went out and at all that the browser complained of. */
async function driven(address, use) {
  const from = all.front.requests.length;
  const { page, sent, problems, close } = await all.open({ ready: false });
  const orders = [];
  try {
    await page.exposeFunction('ordered', (entries) => orders.push(entries));
    // Before the form's own listener and before the page's.
    await page.addInitScript(() =>
      addEventListener(
        'submit',
        ({ target, submitter }) => globalThis.ordered([...new FormData(target, submitter)]),
        true,
      ),
    );
    const answer = await page.goto(all.url + address);
    const policy = answer.headers()['content-security-policy'];
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /'unsafe-(inline|eval|hashes)|data:|blob:|\*/);
    await use(page, orders);
    assert.deepEqual(await page.evaluate(() => globalThis.__violations), []);
    assert.deepEqual(problems, []);
    assert.deepEqual(leaks([...all.front.requests.slice(from), ...sent], VISA), []);
  } finally {
    await close();
  }
}

async function typed(page) {
  const form = page.locator('cardseal-card-form');
  await form.locator('[name=cardnumber]').pressSequentially(VISA.number);
  await form.getByRole('img', { name: 'Visa' }).waitFor();
  await form.locator('[name=cc-exp]').pressSequentially(VISA.expiry);
  await form.locator('[name=cvc]').pressSequentially(VISA.cvc);
  await form.locator('[name=ccname]').pressSequentially(VISA.holder);
  assert.equal(await form.locator('[name=cardnumber]').inputValue(), '4242 4242 4242 4242');
}

/** The server has the token. */
async function stored(id) {
  assert.match(id, /^tok_[0-9a-f]{32}$/);
  const answer = await fetch(`${all.server.url}/v1/tokens/${id}`, {
    headers: { authorization: `Bearer ${all.server.apiKey}` },
  });
  const { brand, last4 } = await answer.json();
  assert.deepEqual({ brand, last4 }, { brand: 'visa', last4: VISA.number.slice(-4) });
}

/** The page's own form, with the card form in it like any other control. */
async function uncontrolled(page, orders, fields = { email: EMAIL }) {
  if (fields.email) await page.getByRole('textbox', { name: 'Email' }).fill(fields.email);
  await typed(page);
  await page.getByRole('button', { name: 'Pay' }).click();
  // Next.js says the name of a new page to screen readers as well.
  await page.getByText('Thank you for your order.').first().waitFor();
  const [first, order] = await until('the order', () => orders.length > 1 && orders);
  // What Next.js adds tells which of its functions is meant.
  const own = (entries) => Object.fromEntries(entries.filter(([name]) => !name.startsWith('$ACTION_')));
  // The form stopped the first press, which had no token yet.
  assert.deepEqual(own(first), fields);
  const { card_token: token, ...rest } = own(order);
  assert.deepEqual(rest, fields);
  await stored(token);
  return token;
}

/** The component hears the form's state, and asks for the token itself. */
async function controlled(page, orders) {
  const button = page.getByRole('button', { name: 'Pay $24.50' });
  await button.waitFor();
  assert.equal(await button.isDisabled(), true);
  await typed(page);
  await button.click();
  const said = await page.getByText('Thank you for your order.').textContent();
  await stored(/tok_\w+/.exec(said)[0]);
  assert.deepEqual(orders, []);
}

/** What the server was told when the form was sent as pages send forms. */
const ordered = (token) => all.front.requests.some(({ method, body }) => method === 'POST' && body.includes(token));

const MORE = {
  async plain(token) {
    assert.ok(ordered(token));
  },
  async next(token) {
    assert.ok(ordered(token));
    const text = await (await fetch(all.url)).text();
    assert.match(text, /<cardseal-card-form platform="greenpay"[^>]*><\/cardseal-card-form>/);
  },
  react: () => driven('/?controlled', controlled),
};

/** The example pays, and its server's log is told if it does not. */
async function pays(example, use) {
  try {
    await use();
  } catch (error) {
    throw new Error(`${error.message}\n${example.log().slice(-3000)}`, { cause: error });
  } finally {
    await example.stop();
  }
}

describe('examples', { concurrency: 1, timeout: 1_200_000 }, () => {
  for (const name of EXAMPLES) {
    test(name, async () => {
      await pays(await built(name), async () => {
        let token;
        await driven('/', async (page, orders) => {
          token = await uncontrolled(page, orders);
        });
        await MORE[name]?.(token);
      });
    });
  }

  test('the page of the guide, word for word', async () => {
    const guide = readFileSync(path.join(root, 'docs/forms.md'), 'utf8');
    const [, html] = /^```html\n(.*?)^```/ms.exec(guide);
    const server = 'server="http://127.0.0.1:8080"';
    assert.ok(html.includes(server), html);
    const folder = path.join(work, 'guide');
    mkdirSync(path.join(folder, 'public'), { recursive: true });
    cpSync(path.join(work, 'plain/favicon.svg'), path.join(folder, 'public/favicon.svg'));
    writeFileSync(
      path.join(folder, 'index.html'),
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title><link rel="icon" href="/favicon.svg"></head>
<body>${html.replace(server, `server="${all.url}"`)}</body></html>`,
    );
    const build = [process.execPath, tool('vite/bin/vite.js'), 'build'];
    await pays(await built('guide', build, () => [STATIC, 'dist']), () =>
      driven('/', async (page, orders) => {
        assert.ok(ordered(await uncontrolled(page, orders, {})));
      }),
    );
  });
});
