// What happens to a card form in the life of a page: networks that fail, calls that take long, elements that are moved,
// copied, taken out or put in late, and pages that are left.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { bundle } from '../../scripts/size.mjs';
import { GP_VISA, root, startAll, until, VISA } from '../browser/harness.mjs';
import { field, heard, inState, openShop, stateOf, typeCard } from './shop.mjs';

let all;

before(async () => {
  all = await startAll({
    platforms: ['greenpay', 'gp_api', 'ccbill'],
    // As a browser starts for a shopper: it keeps pages to which the shopper may come back.
    browser: () =>
      chromium.launch({
        executablePath: process.env.CHROME_BIN ?? process.env.CHROMIUM ?? '/usr/bin/chromium',
        ignoreDefaultArgs: ['--disable-back-forward-cache'],
        args: [
          '--enable-features=BackForwardCache',
          '--disable-gpu',
          ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
        ],
      }),
  });
});
after(() => all?.stop());

const since = (from, url) => all.front.requests.slice(from).filter((one) => one.method === 'POST' && one.url === url);
const orders = (from) => since(from, '/order').map(({ body }) => Object.fromEntries(new URLSearchParams(body)));
const ordered = (from) => until('the order', () => orders(from)[0]);

/** Does `work` in a page of the shop. Nothing in it may break unnoticed. */
async function inShop(more, work) {
  const from = all.front.requests.length;
  const opened = await openShop(all, more);
  const broken = [];
  opened.page.on('pageerror', (error) => broken.push(String(error)));
  try {
    await work({ ...opened, from });
    assert.deepEqual(broken, []);
  } finally {
    await opened.close();
  }
}

const stored = async (id) => {
  const headers = { authorization: `Bearer ${all.server.apiKey}` };
  return (await fetch(`${all.server.url}/v1/tokens/${id}`, { headers })).json();
};

const values = (page) =>
  page.evaluate(() => [...document.querySelectorAll('.cardseal input[name]')].map(({ value }) => value).join(''));

const quietly = (page, call) =>
  page.evaluate(
    (name) =>
      document
        .getElementById('card')
        [name]()
        .then(
          ({ id }) => id,
          ({ code }) => code,
        ),
    call,
  );

// --------------------------------------------------------------------------------------------------- networks

test('a server that does not answer, or answers nonsense, is told, and the next press goes through', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    all.front.cut = ({ url }) => url === '/v1/tokens' && 'before';
    try {
      await page.click('#pay');
      await inState(page, 'failed');
    } finally {
      all.front.cut = () => false;
    }
    assert.match(await page.locator('.cardseal-notice').innerText(), /\S/);
    await page.route('**/v1/tokens', (route) =>
      route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad' }),
    );
    await page.click('#pay');
    await until('the second failure', async () => (await heard(page, 'failure')).length === 2);
    await page.unroute('**/v1/tokens');
    assert.equal(await field(page, 'number').inputValue(), '4242 4242 4242 4242', 'what was typed stays');
    await page.click('#pay');
    assert.match((await ordered(from)).card_token, /^tok_/);
  });
});

test('a server that has had enough is told as that, for sessions and for cards', async () => {
  const refusal = JSON.stringify({ code: 'rate_limited', title: 'Too many requests', status: 429 });
  for (const route of ['**/v1/sessions', '**/v1/tokens']) {
    await inShop({}, async ({ page, from }) => {
      await page.route(route, (one) => one.fulfill({ status: 429, contentType: 'application/json', body: refusal }));
      await typeCard(page);
      await page.click('#pay');
      await inState(page, 'failed');
      assert.match(await page.locator('.cardseal-notice').innerText(), /wait a minute/i, route);
      assert.equal(await page.locator('.cardseal-notice').getAttribute('role'), 'alert');
      await page.unroute(route);
      await page.click('#pay');
      await ordered(from);
    });
  }
});

test('while an answer is slow, no second press counts', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    await until('the session', () => since(from, '/v1/sessions')[0]?.status === 201);
    const open = all.front.hold();
    await page.click('#pay');
    await inState(page, 'busy');
    await page.click('#pay');
    await field(page, 'cvc').press('Enter');
    await page.evaluate(() => document.getElementById('shop').requestSubmit());
    assert.equal(await page.locator('.cardseal-form').getAttribute('aria-busy'), 'true');
    open();
    await ordered(from);
    assert.equal(orders(from).length, 1);
    assert.equal(since(from, '/v1/tokens').length, 1);
  });
});

test('a call that is stopped submits nothing: by a signal, by a reset, by taking the element out', async () => {
  const STOPS = {
    signal: 'stop.abort()',
    reset: `document.getElementById('shop').reset()`,
    clear: 'card.clear()',
    remove: 'card.remove()',
    'the whole form': `document.getElementById('shop').remove()`,
  };
  for (const [what, stop] of Object.entries(STOPS)) {
    await inShop({ script: 'globalThis.stop = new AbortController();' }, async ({ page, from }) => {
      await typeCard(page);
      await until('the session', () => since(from, '/v1/sessions')[0]?.status === 201);
      const open = all.front.hold();
      try {
        await page.evaluate(() => {
          const card = document.getElementById('card');
          globalThis.card = card;
          globalThis.outcome = card.tokenize({ signal: globalThis.stop.signal }).then(
            () => 'a token',
            ({ code }) => code,
          );
          document.getElementById('shop').requestSubmit();
        });
        await page.evaluate(stop);
        assert.equal(await page.evaluate(() => globalThis.outcome), 'request_aborted', what);
        const state = await page.evaluate(() => globalThis.card.state);
        assert.equal(state, { signal: 'failed', reset: 'empty', clear: 'empty' }[what] ?? 'loading', what);
        assert.equal(await page.evaluate(() => globalThis.card.token), null, what);
      } finally {
        open();
      }
      assert.equal(orders(from).length, 0, what);
    });
  }
});

test('a press that was waiting for a token is forgotten when the form is emptied meanwhile', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page);
    const open = all.front.hold();
    await page.click('#pay');
    await inState(page, 'busy');
    await page.evaluate(() => document.getElementById('shop').reset());
    open();
    await inState(page, 'empty');
    await typeCard(page);
    await page.click('#pay');
    await ordered(from);
    assert.equal(orders(from).length, 1);
  });
});

// --------------------------------------------------------------------------------------------------- the page's form

test('the button that was pressed is the one that counts, and the token is all of the card', async () => {
  const around = (form) =>
    `${form}<button id="later" name="way" value="later" formaction="/order?later">Pay later</button>`;
  await inShop({ around }, async ({ page, from }) => {
    await typeCard(page);
    await page.evaluate(() => document.getElementById('shop').requestSubmit(document.getElementById('later')));
    const [{ body }] = await until('the order', () => {
      const found = since(from, '/order?later');
      return found.length > 0 && found;
    });
    const posted = new URLSearchParams(body);
    assert.deepEqual([...posted.keys()], ['note', 'card_token', 'way']);
    assert.equal(posted.get('way'), 'later');
  });
  await inShop({}, async ({ page }) => {
    await typeCard(page);
    const token = await quietly(page, 'tokenize');
    assert.deepEqual(await page.evaluate(() => [...new FormData(document.getElementById('shop'))]), [
      ['note', 'by the door'],
      ['card_token', token],
    ]);
  });
});

test('outside of its form, by the attribute `form`, it is a control of it all the same', async () => {
  await inShop({ around: () => '', before: '', wait: '' }, async ({ page, from }) => {
    await page.evaluate(() => {
      const card = document.createElement('cardseal-card-form');
      card.id = 'card';
      card.setAttribute('form', 'shop');
      card.platform = 'greenpay';
      card.required = true;
      document.querySelector('main').append(card);
    });
    await inState(page, 'empty');
    await typeCard(page);
    await page.click('#pay');
    assert.match((await ordered(from)).card_token, /^tok_/);
  });
});

test('a fieldset that is disabled and enabled again leaves what was typed', async () => {
  await inShop({ around: (form) => `<fieldset id="set">${form}</fieldset>` }, async ({ page, from }) => {
    await typeCard(page);
    const disable = (disabled) =>
      page.evaluate((value) => {
        document.getElementById('set').disabled = value;
      }, disabled);
    await disable(true);
    await page.waitForSelector('[data-field="number"] input:disabled');
    assert.equal(await quietly(page, 'tokenize'), 'option_invalid');
    await disable(false);
    await page.waitForSelector('[data-field="number"] input:enabled');
    await page.click('#pay');
    await ordered(from);
  });
});

// --------------------------------------------------------------------------------------------------- settings

test('the language changes while somebody types: text, caret and focus stay', async () => {
  await inShop({}, async ({ page }) => {
    await field(page, 'number').pressSequentially('424242');
    for (let steps = 0; steps < 3; steps++) await page.keyboard.press('ArrowLeft');
    for (const lang of ['de', 'he', 'ja', 'en']) {
      await page.evaluate((wanted) => {
        document.documentElement.lang = wanted;
      }, lang);
      await page.waitForSelector(`.cardseal[lang="${lang}"]`);
      assert.deepEqual(
        await page.evaluate(() => {
          const { name, value, selectionStart } = document.activeElement;
          return [name, value, selectionStart];
        }),
        ['cardnumber', '4242 42', 4],
        lang,
      );
    }
    assert.equal(await stateOf(page), 'typing', 'and no message came');
  });
});

test('the platform changes while somebody types: what was typed stays, and goes to the new one', async () => {
  await inShop({}, async ({ page, from }) => {
    await typeCard(page, GP_VISA);
    await field(page, 'cvc').focus();
    await page.evaluate(() => {
      document.getElementById('card').platform = 'gp_api';
    });
    await inState(page, 'valid');
    assert.equal(await page.evaluate(() => document.activeElement.name), 'cvc');
    assert.equal(await field(page, 'number').inputValue(), '4263 9700 0000 5262');
    await page.click('#pay');
    await ordered(from);
    assert.equal((await stored(orders(from)[0].card_token)).platform, 'gp_api');
  });
});

test('the customer changes after a session was opened: the card is stored for the new one', async () => {
  await inShop({ attributes: 'platform="greenpay" customer="ana" required' }, async ({ page, from }) => {
    await typeCard(page);
    await until('the session', () => since(from, '/v1/sessions')[0]?.status === 201);
    await page.evaluate(() => {
      document.getElementById('card').customer = 'bea';
    });
    await page.click('#pay');
    await ordered(from);
    assert.equal((await stored(orders(from)[0].card_token)).customer, 'bea');
  });
});

// --------------------------------------------------------------------------------------------------- elements

test('made by calls, by a constructor, by markup, or from a copy, it is one form with nothing in it', async () => {
  const WAYS = {
    createElement: `const made = document.createElement('cardseal-card-form');`,
    constructor: 'const made = new CardForm();',
    markup: `const box = document.createElement('div');
      box.innerHTML = '<cardseal-card-form></cardseal-card-form>';
      const made = box.firstChild;`,
    'a copy': `const made = document.getElementById('card').cloneNode(true);`,
    'an import': `const made = document.importNode(document.getElementById('card'), true);`,
    'its own markup': `const box = document.createElement('div');
      box.innerHTML = document.getElementById('card').outerHTML;
      const made = box.firstChild;`,
  };
  for (const [way, make] of Object.entries(WAYS)) {
    await inShop({}, async ({ page }) => {
      await typeCard(page);
      const made = await page.evaluate(
        (text) =>
          new Promise((resolve) => {
            const script = document.createElement('script');
            script.nonce = 'shop';
            script.textContent = `{ ${text}
              made.id = 'made';
              made.platform = 'greenpay';
              document.querySelector('main').append(made); }`;
            document.body.append(script);
            const one = document.getElementById('made');
            const wait = () => (one.state === 'empty' ? resolve(one) : setTimeout(wait, 20));
            wait();
          }).then((one) => ({
            forms: one.querySelectorAll('.cardseal').length,
            typed: [...one.querySelectorAll('input')].map(({ value }) => value).join(''),
            ids: new Set([...document.querySelectorAll('.cardseal input[id]')].map(({ id }) => id)).size,
            inputs: document.querySelectorAll('.cardseal input[id]').length,
          })),
        make,
      );
      assert.equal(made.forms, 1, way);
      assert.equal(made.typed, '', way);
      assert.equal(made.ids, made.inputs, `${way}: no id twice`);
      assert.equal(await field(page.locator('#card'), 'number').inputValue(), '4242 4242 4242 4242', way);
    });
  }
});

test('markup and properties from before the script count, and what stood in the element makes way', async () => {
  const before = `card.innerHTML = '<p>Loading…</p>'; card.platform = 'gp_api'; card.acceptedBrands = ['visa']; card.holder = 'hidden';`;
  await inShop({ attributes: 'required', before }, async ({ page }) => {
    await inState(page, 'empty');
    assert.doesNotMatch(await page.locator('#card').innerText(), /Loading/);
    assert.equal(await field(page, 'holder').isVisible(), false);
    assert.deepEqual(
      await page.evaluate(() => {
        const { platform, acceptedBrands, holder } = document.getElementById('card');
        return [platform, acceptedBrands, holder, Object.keys(document.getElementById('card'))];
      }),
      ['gp_api', ['visa'], 'hidden', []],
    );
  });
});

test('imported twice, also from two addresses, it is defined once', async () => {
  await inShop({ attributes: 'platform="greenpay"' }, async ({ page, from }) => {
    const same = await page.evaluate(async () => {
      const { CardForm } = globalThis;
      const again = await import('/pkg/card-form.js');
      const other = await import('/pkg/card-form.js?other');
      other.defineCardForm();
      other.defineCardForm('own-card-form');
      return [
        again.CardForm === CardForm,
        customElements.get('cardseal-card-form') === CardForm,
        document.getElementById('card') instanceof CardForm,
        new (customElements.get('own-card-form'))() instanceof other.CardForm,
      ];
    });
    assert.deepEqual(same, [true, true, true, true]);
    await typeCard(page);
    await page.click('#pay');
    await ordered(from);
  });
});

test('on a server the import does nothing and fetches nothing', () => {
  const program = `
    globalThis.fetch = () => { throw new Error('fetched'); };
    globalThis.WebAssembly = undefined;
    const { CardForm, defineCardForm } = await import('./pkg/card-form.js');
    defineCardForm();
    console.log(typeof CardForm, typeof defineCardForm);`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: path.resolve(root) });
  assert.equal(String(said).trim(), 'function function');
});

test('rendered by React on a server, it is there before React comes, and React takes it as it is', async () => {
  const [{ createElement }, { renderToString }] = await Promise.all([import('react'), import('react-dom/server')]);
  // As the guide says.
  const props = {
    id: 'card',
    platform: 'greenpay',
    required: true,
    suppressHydrationWarning: true,
    dangerouslySetInnerHTML: { __html: '' },
  };
  const html = renderToString(createElement('form', {}, createElement('cardseal-card-form', props)));
  assert.equal(
    html,
    '<form><cardseal-card-form id="card" platform="greenpay" required=""></cardseal-card-form></form>',
  );
  // With the warnings of development. The element is defined before anything of React runs.
  const script = await bundle(
    `import '/pkg/card-form.js';
    import { createElement } from 'react';
    import { hydrateRoot } from 'react-dom/client';
    const card = document.getElementById('card');
    globalThis.before = [card, card.querySelector('input') !== null];
    globalThis.recovered = [];
    const form = (more) => createElement('form', {}, createElement('cardseal-card-form', { ...${JSON.stringify(props)}, ...more }));
    const root = hydrateRoot(document.getElementById('root'), form(), {
      onRecoverableError: (error) => globalThis.recovered.push(String(error)),
    });
    globalThis.again = (more) => root.render(form(more));`,
    { external: ['/pkg/*'], define: { 'process.env.NODE_ENV': '"development"' } },
  );
  all.front.pages['/hydrated'] =
    `<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="/icons/shop.svg">
<div id="root">${html}</div><script type="module">${script}</script></html>`;
  const { page, problems, close } = await all.open({ ready: false, url: `${all.url}/hydrated` });
  try {
    await inState(page, 'empty');
    await page.evaluate(() => new Promise((done) => requestIdleCallback(done)));
    await typeCard(page, VISA);
    // What React renders later reaches the element, and takes nothing of it away.
    await page.evaluate(() => globalThis.again({ theme: 'dark', customerDetails: { email: 'ana@shop.example' } }));
    await page.waitForSelector('.cardseal[data-theme="dark"]');
    await inState(page, 'valid');
    const found = await page.evaluate(() => {
      const card = document.getElementById('card');
      const [element, drawn] = globalThis.before;
      return [element === card, drawn, card.querySelectorAll('.cardseal').length, card.customerDetails.email];
    });
    assert.deepEqual(found, [true, true, 1, 'ana@shop.example']);
    assert.deepEqual(await page.evaluate(() => globalThis.recovered), []);
    assert.deepEqual(problems, []);
  } finally {
    await close();
  }
});

test('adopted into another document it works there: its looks, its submit', async () => {
  await inShop({ attributes: 'platform="greenpay" required' }, async ({ page }) => {
    await page.evaluate(() => {
      const frame = document.createElement('iframe');
      frame.id = 'other';
      document.querySelector('main').append(frame);
      const form = frame.contentDocument.createElement('form');
      form.id = 'there';
      form.append(document.getElementById('card'), frame.contentDocument.createElement('button'));
      frame.contentDocument.documentElement.lang = 'de';
      frame.contentDocument.body.append(form);
      globalThis.submitted = [];
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        globalThis.submitted.push([...new FormData(form).keys()]);
      });
    });
    const there = page.frameLocator('#other');
    await there.locator('#card[data-state="empty"] .cardseal[lang="de"]').waitFor();
    assert.equal(await there.locator('.cardseal-form').evaluate((form) => getComputedStyle(form).display), 'grid');
    for (const name of ['number', 'expiry', 'cvc', 'holder']) {
      await there.locator(`[data-field="${name}"] input`).pressSequentially(VISA[name]);
    }
    await there.locator('#card[data-state="valid"]').waitFor();
    await there.locator('button').last().click();
    await until('the submit', () => page.evaluate(() => globalThis.submitted.length > 0));
    assert.deepEqual(await page.evaluate(() => globalThis.submitted), [['card_token']]);
  });
});

// --------------------------------------------------------------------------------------------------- pages

test('a page that the browser kept has nothing of the card when the shopper comes back', async () => {
  const script = `globalThis.kept = [];
    addEventListener('pageshow', ({ persisted }) => kept.push(persisted));`;
  for (const taken of [false, true]) {
    await inShop({ script }, async ({ page, from }) => {
      await typeCard(page);
      if (taken) assert.match(await quietly(page, 'tokenize'), /^tok_/);
      await page.goto(`${all.url}/icons/shop.svg`);
      await page.goBack({ waitUntil: 'commit' });
      await until('the page', () => page.evaluate(() => globalThis.kept?.at(-1) ?? false));
      await inState(page, 'empty');
      assert.equal(await values(page), '');
      assert.equal(await page.evaluate(() => document.getElementById('card').token), null);
      assert.equal(await page.evaluate(() => document.body.textContent.includes('4242')), false);
      // The form is as good as new, with a session of its own.
      const before = since(from, '/v1/sessions').length;
      await typeCard(page);
      await page.click('#pay');
      assert.match((await ordered(from)).card_token, /^tok_/);
      assert.equal(since(from, '/v1/sessions').length, before + 1);
    });
  }
});
