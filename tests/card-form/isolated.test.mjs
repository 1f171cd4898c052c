// Isolated fields as a shopper and a shop meet them: the same form as in the page, with a frame around it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AMEX } from '../browser/harness.mjs';
import { pause, shopPage, startIsolation, typeCard, until, VISA } from './isolation.mjs';
import { ENGINES } from './keys.mjs';

let all;
before(async () => {
  all = await startIsolation();
});
after(() => all?.stop());

const state = (page) => page.evaluate(() => document.querySelector('#card').state);
const inState = (page, wanted) =>
  page.waitForFunction((name) => document.querySelector('#card').state === name, wanted);

test('a card that is typed in the frame becomes a token, and nothing of it is in the page', async () => {
  const it = await all.open(true);
  await typeCard(it);
  await inState(it.page, 'valid');
  const known = await it.page.evaluate(() => {
    const { brand, brands, last4 } = document.querySelector('#card');
    return { brand, brands, last4 };
  });
  assert.deepEqual(known, { brand: 'visa', brands: ['visa'], last4: '4242' });
  const token = await it.page.evaluate(() => document.querySelector('#card').tokenize());
  assert.match(token.id, /^tok_/);
  assert.deepEqual(
    { ...token, id: '' },
    {
      id: '',
      platform: 'greenpay',
      brand: 'visa',
      bin: null,
      last4: '4242',
      expiry: { month: 12, year: 2030 },
      holder: null,
      nickname: null,
      status: 'active',
      signature: null,
      raw: null,
    },
  );
  assert.equal(await state(it.page), 'done');
  assert.ok(!(await it.page.content()).includes('4242 4242'));
  // The frame opened its session itself, and sent the card to its own server.
  const asked = all.fields.requests.filter(({ url }) => url.startsWith('/v1/')).map(({ url }) => url);
  assert.deepEqual(asked, ['/v1/sessions', '/v1/tokens']);
  assert.deepEqual(it.problems, []);
  await it.close();
});

test('the fields ask about an authentication at their own server, and the page shows the bank', async () => {
  const it = await all.open(true, { platform: 'gp_api' });
  await typeCard(it, { number: '4222000001227408', expiry: '1230', cvc: '123', holder: '' });
  await inState(it.page, 'valid');
  const { id: token } = await it.page.evaluate(() => document.querySelector('#card').tokenize());
  const begun = await all.merchant('POST', '/v1/authentications', { token, amount: '10.00', currency: 'USD' });
  const before = [all.fields, all.shop].map(({ requests }) => requests.length);
  const done = it.page.evaluate(
    ({ id, status, step }) => document.querySelector('#card').authenticate({ id, status, step }),
    begun,
  );
  const bank = it.page.frameLocator('dialog iframe');
  await bank.getByRole('button', { name: 'It is me', exact: true }).click();
  assert.deepEqual(await done, { id: begun.id, status: 'authenticated' });
  const asked = [all.fields, all.shop].map(({ requests }, at) =>
    requests
      .slice(before[at])
      .map(({ url }) => url)
      .filter((url) => url.startsWith('/v1/')),
  );
  const called = ['initiate', 'result'].map((what) => `/v1/authentications/${begun.id}/${what}`);
  assert.deepEqual(asked, [called, []]);
  // Said of every frame that starts as an empty document of the page and is then led to another origin.
  assert.deepEqual(
    it.problems.filter((text) => !/can escape its sandboxing/.test(text)),
    [],
  );
  await it.close();
});

/** The fields in a frame, in a browser that is driven by WebDriver. */
async function inEngine(engine, work) {
  const browser = await ENGINES[engine]();
  const call = (route, body) => browser.send('POST', `${browser.session}/${route}`, body);
  const is = (wanted) =>
    until(wanted, async () => (await browser.run("() => document.querySelector('#card').state")) === wanted);
  try {
    all.shop.files['/engine.html'] = shopPage(`platform="greenpay" fields-url="${all.fields.url}"`);
    await browser.open(`${all.shop.origin}/engine.html`);
    await is('empty');
    await call('frame', { id: await call('element', { using: 'css selector', value: 'iframe' }) });
    await work(browser, is, () => call('frame', { id: null }));
  } finally {
    await browser.close();
  }
}

test('Firefox: a card that is typed in the frame becomes a token', async () => {
  await inEngine('Firefox', async (browser, is, leave) => {
    for (const name of ['number', 'expiry', 'cvc', 'holder']) {
      await browser.run(
        `(name) => document.querySelector('[data-field="' + name + '"] .cardseal-input').focus()`,
        name,
      );
      await browser.write(VISA[name]);
    }
    await leave();
    await is('valid');
    await browser.run(`() => {
      const card = document.querySelector('#card');
      card.addEventListener('token', ({ detail }) => { card.dataset.token = JSON.stringify(detail.token); });
      card.tokenize().catch(() => {});
    }`);
    await is('done');
    const token = await browser.run("() => document.querySelector('#card').dataset.token");
    const { id, brand, last4, bin } = JSON.parse(token);
    assert.match(id, /^tok_/);
    assert.deepEqual([brand, last4, bin], ['visa', '4242', null]);
  });
});

// Its driver does not type into a frame of another origin.
test('WebKit: the fields are in the frame, and the page hears of them', async () => {
  await inEngine('WebKit', async (browser, is, leave) => {
    const names = "() => [...document.querySelectorAll('.cardseal-input')].map(({ name }) => name)";
    assert.deepEqual((await browser.run(names)).slice(0, 4), ['cardnumber', 'cc-exp', 'cvc', 'ccname']);
    await browser.run(
      `(card) => {
      for (const [name, text] of Object.entries(card)) {
        const input = document.querySelector('[data-field="' + name + '"] .cardseal-input');
        input.value = text;
        input.dispatchEvent(new Event('input', { bubbles: true }));
      }
    }`,
      VISA,
    );
    await leave();
    await is('valid');
  });
});

test('mistakes are shown in the frame, and the page learns which field and not what', async () => {
  const it = await all.open(true);
  await it.field('number').click();
  await it.page.keyboard.type('4242 4242');
  await it.page.keyboard.press('Tab');
  await it.where
    .locator('[data-field="number"] .cardseal-note')
    .filter({ hasText: 'Your card number is incomplete.' })
    .waitFor();
  await inState(it.page, 'invalid');
  assert.equal(await it.page.evaluate(() => document.querySelector('#card').last4), null);
  const thrown = await it.page.evaluate(() =>
    document
      .querySelector('#card')
      .tokenize()
      .catch((error) => ({ ...error })),
  );
  assert.equal(thrown.code, 'card_invalid');
  assert.equal(thrown.problems, undefined);
  assert.equal(
    await it.page.evaluate(() => document.querySelector('#card').validationMessage),
    'Enter your card number.',
  );
  // The summary of mistakes has the focus, and so has the frame.
  await it.where.locator('.cardseal-summary:focus').waitFor();
  assert.equal(await it.page.evaluate(() => document.activeElement.tagName), 'IFRAME');
  await it.close();
});

test('Tab goes through the frame as if its fields stood in the page', async () => {
  const it = await all.open(true);
  const at = async () => {
    const outside = await it.page.evaluate(() => document.activeElement.id || document.activeElement.tagName);
    if (outside !== 'IFRAME') return outside;
    return it.where.locator(':focus').getAttribute('name');
  };
  await it.page.locator('#email').focus();
  const order = ['cardnumber', 'cc-exp', 'cvc', 'ccname', 'pay'];
  for (const name of order) {
    await it.page.keyboard.press('Tab');
    // The focus goes from one process to another.
    await until(name, async () => (await at()) === name);
  }
  for (const name of ['ccname', 'cvc', 'cc-exp', 'cardnumber', 'email']) {
    await it.page.keyboard.press('Shift+Tab');
    await until(name, async () => (await at()) === name);
  }
  await it.page.evaluate(() => document.querySelector('#card').focus());
  await until('the number to have the focus', async () => (await at()) === 'cardnumber');
  await it.close();
});

test("Enter in the frame submits the page's form, which carries a token", async () => {
  const it = await all.open(true);
  all.shop.files['/paid'] = '<p>paid</p>';
  await typeCard(it);
  await it.page.keyboard.press('Enter');
  await it.page.waitForURL('**/paid');
  const paid = all.shop.requests.findLast(({ url }) => url === '/paid');
  assert.match(paid.body, /^email=ana%40shop.example&card_token=tok_\w+$/);
  await it.close();
});

test('a screen reader finds the fields in the frame, by the name of the form', async () => {
  const it = await all.open(true);
  assert.equal(await it.page.locator('iframe.cardseal-frame').getAttribute('title'), 'Card details');
  const form = it.where.getByRole('form', { name: 'Card details' });
  for (const name of ['Card number', 'Expiry date', 'Security code', 'Name on card']) {
    await form.getByRole('textbox', { name, exact: true }).waitFor();
  }
  await it.page.evaluate(() => document.documentElement.setAttribute('lang', 'de'));
  await it.where.getByRole('textbox', { name: 'Kartennummer' }).waitFor();
  await until('the title in German', async () =>
    (await it.page.locator('iframe.cardseal-frame').getAttribute('title'))?.includes('Karte'),
  );
  await it.close();
});

test('a frame that is loaded anew starts with a new channel, and empty', async () => {
  const it = await all.open(true);
  await typeCard(it);
  await inState(it.page, 'valid');
  await it.page.evaluate(() => {
    const frame = document.querySelector('iframe');
    frame.src = `${frame.src}?again`;
  });
  await inState(it.page, 'empty');
  assert.equal(await it.field('number').inputValue(), '');
  await typeCard(it);
  await inState(it.page, 'valid');
  assert.match((await it.page.evaluate(() => document.querySelector('#card').tokenize())).id, /^tok_/);
  await it.close();
});

test('it is restyled by what is allowed, and by what the page sets for its own fields', async () => {
  const style = `<style>#card { --cardseal-accent: rgb(1, 2, 3); --cardseal-radius: 12px; font-family: Georgia, "Own Font", serif }
    #card { --cardseal-background: url(/leak) }</style>`;
  const it = await all.open(true, { more: style });
  const input = it.field('number');
  const css = (name) => input.evaluate((node, property) => getComputedStyle(node)[property], name);
  assert.equal(await css('borderTopLeftRadius'), '12px');
  assert.equal(await css('fontFamily'), 'Georgia, serif');
  await it.page.evaluate(() => {
    document.querySelector('#card').fieldsStyle = {
      '--cardseal-radius': '3px',
      '--cardseal-height': '400px',
      '--cardseal-border': 'url(http://127.0.0.1/leak)',
      '--cardseal-text': 'red;background:url(/leak)',
      '--cardseal-danger': 'var(--x)',
    };
  });
  await until('the new radius', async () => (await css('borderTopLeftRadius')) === '3px');
  assert.equal(await css('minBlockSize'), '44px');
  assert.match(await css('borderTopColor'), /^rgb\(1\d\d, 1\d\d, 1\d\d\)$/);
  assert.ok(!all.fields.requests.some(({ url }) => url.includes('leak')));
  await it.close();
});

test('it looks as it does in the page', async () => {
  const looks = [];
  for (const isolated of [false, true]) {
    const it = await all.open(isolated, { more: '<style>body { font: 18px Georgia, serif; color: #123 }</style>' });
    await typeCard(it);
    const rows = await it.where.locator('[data-field]:visible').evaluateAll((nodes) =>
      nodes.map((node) => {
        const { fontFamily, fontSize, lineHeight } = getComputedStyle(node.querySelector('label'));
        const { width, height } = node.getBoundingClientRect();
        return [node.dataset.field, width, height, fontFamily, fontSize, lineHeight];
      }),
    );
    looks.push(rows);
    await it.close();
  }
  assert.equal(looks[0].length, 4);
  assert.deepEqual(looks[1], looks[0]);
});

test('an address that cannot isolate is refused, and a frame that does not answer is told', async () => {
  for (const [url, message] of [
    ['/pkg/card-fields.html', /another origin/],
    ['http://fields.shop.example/card-fields.html', /https/],
  ]) {
    const it = await all.open(false, { attributes: `fields-url="${url}"`, ready: false });
    await inState(it.page, 'failed');
    const thrown = await it.page.evaluate(() =>
      document
        .querySelector('#card')
        .tokenize()
        .catch((error) => ({ ...error, message: error.message })),
    );
    assert.equal(thrown.code, 'option_invalid');
    assert.match(thrown.message, message);
    await it.close();
  }
});

test('a page that is not among the parents gets no fields', async () => {
  all.fields.files['/card-fields.json'] = JSON.stringify({ parents: ['https://other.example', '*', all.evil.origin] });
  try {
    const it = await all.open(true, { ready: false });
    // The frame has loaded and was asked.
    await it.where.locator('#card-fields').waitFor({ state: 'attached' });
    await pause(1500);
    assert.equal(await it.where.locator('input').count(), 0);
    assert.equal(await state(it.page), 'loading');
    await it.close();
  } finally {
    all.fields.files['/card-fields.json'] = JSON.stringify({ parents: [all.shop.origin] });
  }
});

test('for an update and for a payment the page passes an id, and the frame reads the session', async () => {
  const it = await all.open(true);
  await typeCard(it);
  const { id } = await it.page.evaluate(() => document.querySelector('#card').tokenize());
  const update = await all.merchant('POST', '/v1/sessions', { kind: 'update', token: id });
  await it.page.evaluate(
    (session) => {
      const card = document.querySelector('#card');
      card.clear();
      card.session = session;
    },
    { id: update.id },
  );
  await typeCard(it, AMEX);
  const updated = await it.page.evaluate(() => document.querySelector('#card').tokenize());
  assert.deepEqual([updated.id, updated.last4], [id, AMEX.number.slice(-4)]);

  const terms = { kind: 'payment', amount: '12.34', currency: 'USD' };
  const payment = await all.merchant('POST', '/v1/sessions', terms);
  await it.page.evaluate(
    (session) => {
      const card = document.querySelector('#card');
      card.clear();
      card.session = JSON.stringify(session);
    },
    { id: payment.id },
  );
  await typeCard(it);
  const outcome = await it.page.evaluate(() => document.querySelector('#card').pay());
  assert.deepEqual([outcome.status, outcome.last4, outcome.raw], ['approved', '4242', null]);
  assert.equal((await all.merchant('GET', `/v1/payments/${outcome.id}`)).status, 'approved');
  // Of the sessions the page had nothing but the ids.
  const read = all.fields.requests.filter(({ url }) => url.endsWith('/page')).map(({ url }) => url);
  assert.ok(
    read.includes(`/v1/sessions/${update.id}/page`) && read.includes(`/v1/sessions/${payment.id}/page`),
    `${read}`,
  );
  await it.close();
});

test('a payment in the frame that may have been made is told as that, to the shopper and to the page', async () => {
  const it = await all.open(true);
  const payment = await all.merchant('POST', '/v1/sessions', { kind: 'payment', amount: '12.34', currency: 'USD' });
  await it.page.evaluate((id) => {
    const card = document.querySelector('#card');
    card.session = { id };
    card.addEventListener('failure', ({ detail }) => {
      globalThis.told = { message: detail.message, outcomeUnknown: detail.error.outcomeUnknown };
    });
  }, payment.id);
  await typeCard(it);
  // An answer that is none: the payment was sent.
  all.fields.files['/v1/payments'] = () => 'nonsense';
  try {
    const thrown = await it.page.evaluate(() =>
      document
        .querySelector('#card')
        .pay()
        .catch(({ outcomeUnknown, retryable }) => ({ outcomeUnknown, retryable })),
    );
    assert.deepEqual(thrown, { outcomeUnknown: true, retryable: false });
    const message = await it.where.locator('.cardseal .cardseal-notice').innerText();
    assert.match(message, /may have gone through/);
    assert.deepEqual(await it.page.evaluate(() => globalThis.told), { message, outcomeUnknown: true });
    // Away with the frame in the middle of a payment: nobody knows either.
    await it.page.evaluate(() => {
      const card = document.querySelector('#card');
      globalThis.thrown = card.pay().catch(({ outcomeUnknown }) => outcomeUnknown);
      const frame = card.querySelector('iframe');
      frame.src = new URL(frame.src).href;
    });
    assert.equal(await it.page.evaluate(() => globalThis.thrown), true);
    assert.match(await it.page.evaluate(() => globalThis.told.message), /may have gone through/);
  } finally {
    delete all.fields.files['/v1/payments'];
    await it.close();
  }
});

test("the page's own openSession is asked for an id, and again when the session was of no use", async () => {
  const open = () => all.merchant('POST', '/v1/sessions', { customer: 'c-1' });
  const [used, fresh] = [await open(), await open()];
  const first = await all.open(true);
  await first.page.evaluate(
    (session) => {
      document.querySelector('#card').openSession = async () => session;
    },
    { id: used.id },
  );
  await typeCard(first);
  await first.page.evaluate(() => document.querySelector('#card').tokenize());
  await first.close();
  const it = await all.open(true);
  await it.page.evaluate(
    (ids) => {
      globalThis.whys = [];
      document.querySelector('#card').openSession = async (why) => {
        globalThis.whys.push(why);
        return { id: ids.shift(), public_key: 'own' };
      };
    },
    [used.id, fresh.id],
  );
  await typeCard(it);
  const token = await it.page.evaluate(() => document.querySelector('#card').tokenize());
  assert.equal((await all.merchant('GET', `/v1/tokens/${token.id}`)).customer, 'c-1');
  assert.deepEqual(await it.page.evaluate(() => globalThis.whys), ['first', 'expired']);
  await it.close();
});

test('a browser fills the frame as one form, and nothing that the page lays out beside it', async () => {
  const bait = '<input id="bait" autocomplete="cc-number"><input id="bait-code" autocomplete="cc-csc">';
  const it = await all.open(true, { more: bait });
  await it.field('number').click();
  const frame = it.page.frames().find((one) => one.url() === all.fields.url);
  const cdp = await it.context.newCDPSession(frame);
  await cdp.send('DOM.enable');
  await cdp.send('Autofill.enable');
  const expression = 'document.querySelector("[data-field=number] input")';
  const { result } = await cdp.send('Runtime.evaluate', { expression });
  const { node } = await cdp.send('DOM.describeNode', { objectId: result.objectId });
  const { frameTree } = await cdp.send('Page.getFrameTree');
  const card = { number: VISA.number, name: VISA.holder, expiryMonth: '12', expiryYear: '2030', cvc: VISA.cvc };
  await cdp.send('Autofill.trigger', { fieldId: node.backendNodeId, frameId: frameTree.frame.id, card });
  await inState(it.page, 'valid');
  for (const [name, text] of [
    ['number', '4242 4242 4242 4242'],
    ['expiry', '12 / 30'],
    ['cvc', VISA.cvc],
    ['holder', VISA.holder],
  ]) {
    assert.equal(await it.field(name).inputValue(), text);
  }
  assert.equal((await it.page.inputValue('#bait')) + (await it.page.inputValue('#bait-code')), '');
  await it.close();
});

test('the server serves the fields itself, with a policy that lets nothing else in', async () => {
  const context = await all.browser.newContext();
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  await page.goto(`${all.server.url}/shop.html`);
  const where = page.frameLocator('iframe.cardseal-frame');
  const field = (name) => where.locator(`[data-field="${name}"] :is(input, select)`);
  await field('number').waitFor();
  await typeCard({ page, field });
  await inState(page, 'valid');
  assert.match((await page.evaluate(() => document.querySelector('#card').tokenize())).id, /^tok_/);
  assert.deepEqual(problems, []);
  const frame = page.frames().find((one) => one.url().endsWith('/fields/card-fields.html'));
  const blocked = await frame.evaluate(async () => {
    const violations = [];
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) =>
      violations.push(effectiveDirective),
    );
    await fetch('https://evil.example/').catch(() => {});
    const image = new Image();
    image.src = 'https://evil.example/';
    const script = document.createElement('script');
    try {
      script.text = '1';
    } catch {
      violations.push('trusted types');
    }
    document.body.append(Object.assign(document.createElement('iframe'), { src: 'https://evil.example/' }));
    await new Promise((done) => setTimeout(done, 300));
    return [...new Set(violations)].sort();
  });
  for (const directive of ['connect-src', 'img-src', 'frame-src', 'trusted types']) {
    assert.ok(blocked.includes(directive), `${directive} is not in ${blocked}`);
  }
  await context.close();
});
