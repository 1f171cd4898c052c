// The card form by keyboard alone, in every engine.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../browser/harness.mjs';
import { ENGINES, startIn } from './keys.mjs';

const LIMIT = { timeout: 300_000 };
const CO_BADGED = '4012000033330026';

for (const engine of Object.keys(ENGINES)) {
  describe(`${engine}:`, () => {
    let keys;
    before(async () => {
      keys = await startIn(engine);
    }, LIMIT);
    after(() => keys?.all.stop(), LIMIT);

    test('Tab goes through the fields in their order, and back; passing by is no mistake', LIMIT, async () => {
      await keys.open();
      const order = ['note', 'cardnumber', 'cc-exp', 'cvc', 'ccname', 'way'];
      const forth = [await keys.where()];
      for (let at = 1; at < order.length; at++) {
        await keys.press('Tab');
        forth.push(await keys.where());
      }
      assert.deepEqual(forth, order);
      const back = [await keys.where()];
      for (let at = 1; at < order.length; at++) {
        await keys.press('Shift+Tab');
        back.push(await keys.where());
      }
      assert.deepEqual(back, order.reverse());
      assert.equal(await keys.run(`() => document.querySelectorAll('[aria-invalid]').length`), 0);
      assert.equal(await keys.state(), 'empty');
    });

    test('Enter in each field shows the mistakes, and each leads to its field', LIMIT, async () => {
      await keys.open();
      const names = { number: 'cardnumber', expiry: 'cc-exp', cvc: 'cvc', holder: 'ccname' };
      for (const [at, [field, name]] of Object.entries(names).entries()) {
        await keys.focus(field);
        await keys.press('Enter');
        await until('the summary', async () => (await keys.where()) === 'cardseal-summary');
        for (let tabs = 0; tabs <= at; tabs++) await keys.press('Tab');
        assert.match(await keys.run('() => document.activeElement.textContent'), /^Enter/);
        await keys.press('Enter');
        assert.equal(await keys.where(), name);
      }
      assert.deepEqual(await keys.orders(), []);
    });

    test('Enter in each field submits a complete form, with the default button', LIMIT, async () => {
      await keys.open();
      for (const field of ['number', 'expiry', 'cvc', 'holder']) {
        await keys.fill();
        await keys.focus(field);
        await keys.press('Enter');
        const order = await until('the order', async () => (await keys.orders())[0]);
        assert.deepEqual(
          order.map(([name, value]) => [name, value.replace(/^tok_.+/, 'a token')]),
          [
            ['note', 'by the door'],
            ['card_token', 'a token'],
            ['way', 'card'],
          ],
        );
        await keys.run(`() => { orders.length = 0; document.getElementById('card').clear(); }`);
        await until('the fields', async () => (await keys.state()) === 'empty');
      }
    });

    test('the caret stays behind the digit that was typed or deleted, also in the middle', LIMIT, async () => {
      await keys.open();
      await keys.press('Tab');
      await keys.write('424242');
      assert.deepEqual(await keys.caret(), ['4242 42', 7]);
      await keys.press('Home', 'ArrowRight', 'ArrowRight');
      const steps = [];
      const step = async (work) => {
        await work();
        steps.push(await keys.caret());
      };
      for (const digit of '156') await step(() => keys.write(digit));
      await step(() => keys.press('Backspace'));
      await step(() => keys.press('Backspace'));
      await step(() => keys.press('Delete'));
      assert.deepEqual(steps.slice(0, 1), [['4214 242', 3]]);
      assert.deepEqual(
        steps.map(([text]) => text),
        ['4214 242', '4215 4242', '4215 6424 2', '4215 4242', '4214 242', '4212 42'],
      );
      // Before or behind the space is the same place.
      const digitsBefore = steps.map(([text, caret]) => text.slice(0, caret).replace(/\D/g, '').length);
      assert.deepEqual(digitsBefore, [3, 4, 5, 4, 3, 3]);
    });

    test('nothing that the form writes itself is in the way of deleting', LIMIT, async () => {
      await keys.open();
      await keys.focus('number');
      await keys.write('424242');
      await keys.press('Home', ...new Array(5).fill('ArrowRight'));
      await keys.press('Backspace', 'Backspace', 'Backspace');
      assert.ok((await keys.value('number')).replace(/\D/g, '').length <= 4, 'the space is no wall');
      await keys.focus('expiry');
      await keys.write('1230');
      assert.equal(await keys.value('expiry'), '12 / 30');
      await keys.press(...new Array(7).fill('Backspace'));
      assert.equal(await keys.value('expiry'), '');
      await keys.write('5');
      assert.match(await keys.value('expiry'), /^05/);
    });

    test('what is pasted is understood, with spaces, hyphens and the digits of other scripts', LIMIT, async () => {
      await keys.open();
      const pasted = {
        spaces: '  4242 4242 4242 4242 ',
        hyphens: '4242-4242-4242-4242',
        'Arabic digits': '٤٢٤٢ ٤٢٤٢ ٤٢٤٢ ٤٢٤٢',
        'full-width digits': '４２４２４２４２４２４２４２４２',
        'an invisible mark': '\u202a4242\u00a04242\u00a04242\u00a04242\u202c',
      };
      for (const [what, text] of Object.entries(pasted)) {
        await keys.run(
          `(text) => { const note = document.querySelector('[name="note"]'); note.value = text; note.focus(); note.select(); }`,
          text,
        );
        await keys.press('Control+c', 'Tab', 'Control+a', 'Control+v');
        assert.equal(await keys.value('number'), '4242 4242 4242 4242', what);
      }
      assert.equal(await keys.run('() => document.getElementById("card").brand'), 'visa');
      await keys.press('Control+a', 'Control+x');
      assert.equal(await keys.value('number'), '');
      assert.equal(await keys.run('() => document.getElementById("card").brand'), null);
      await keys.press('Control+v');
      assert.equal(await keys.value('number'), '4242 4242 4242 4242', 'what was cut can be pasted');
    });

    test('undo takes back what was typed', LIMIT, async (t) => {
      await keys.open();
      await keys.press('Control+a');
      await keys.write('by');
      await keys.press('Control+z');
      // Not every driver's keys undo.
      if ((await keys.run(`() => document.querySelector('[name="note"]').value`)) === 'by') {
        t.skip('the driver cannot');
        return;
      }
      await keys.focus('number');
      await keys.write('4242');
      await keys.press('Control+z');
      // How much of it is one step is the engine's business.
      assert.match(await keys.value('number'), /^4{0,1}2{0,1}4?$/);
      await keys.press('Control+z', 'Control+z', 'Control+z');
      assert.equal(await keys.value('number'), '');
      assert.equal(await keys.state(), 'empty', 'and the form knows');
    });

    test('Escape changes nothing, and nothing holds the focus', LIMIT, async () => {
      await keys.open();
      await keys.press('Tab');
      await keys.write('4242');
      await keys.press('Escape');
      assert.deepEqual(await keys.caret(), ['4242', 4]);
      await keys.press('Tab');
      assert.equal(await keys.where(), 'cc-exp', 'also out of a field with a mistake');
      assert.equal(await keys.run(`() => document.querySelectorAll('[aria-invalid]').length`), 1);
    });

    test('arrow keys choose the brand, and Tab passes the choice as one', LIMIT, async () => {
      await keys.open('platform="online_payments" required');
      await keys.press('Tab');
      await keys.write(CO_BADGED);
      await until('the choice', () => keys.run(`() => !document.querySelector('.cardseal-choice').hidden`));
      const chosen = () => keys.run(`() => document.querySelector('.cardseal-choice :checked').value`);
      assert.equal(await chosen(), 'visa');
      await keys.press('Tab');
      assert.equal(await keys.run('() => document.activeElement.value'), 'visa', 'the chosen one has the focus');
      await keys.press('ArrowDown');
      assert.equal(await chosen(), 'cartes_bancaires');
      assert.equal(await keys.run('() => document.getElementById("card").brand'), 'cartes_bancaires');
      assert.equal(await keys.run('() => document.activeElement.value'), 'cartes_bancaires', 'the focus stays in it');
      await keys.press('Tab');
      assert.equal(await keys.where(), 'cc-exp');
      await keys.press('Shift+Tab');
      assert.equal(await keys.run('() => document.activeElement.value'), 'cartes_bancaires');
      await keys.press('Shift+Tab');
      assert.equal(await keys.where(), 'cardnumber');
    });

    test('the card that was taken gets the focus, and another one can be typed', LIMIT, async () => {
      await keys.open('platform="greenpay"');
      await keys.fill();
      await keys.run(`() => { void document.getElementById('card').tokenize(); }`);
      await until('the token', async () => (await keys.state()) === 'done');
      assert.equal(await keys.where(), 'cardseal-done');
      await keys.press('Tab', 'Enter');
      await until('the fields', async () => (await keys.state()) === 'empty');
      assert.equal(await keys.where(), 'cardnumber');
    });
  });
}

describe('Chromium alone:', () => {
  let keys;
  before(async () => {
    keys = await startIn('Chromium');
  }, LIMIT);
  after(() => keys?.all.stop(), LIMIT);

  test('text that an input method composes is formatted when it is ready', LIMIT, async () => {
    await keys.open();
    await keys.press('Tab');
    const cdp = await keys.browser.context.newCDPSession(keys.browser.page);
    const compose = (text) =>
      cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
    for (const text of ['４', '４２', '４２４２', '４２４２４２']) {
      await compose(text);
      assert.deepEqual(await keys.caret(), [text, text.length], 'not touched while it is composed');
    }
    await keys.run(`() => {
      // Enter ends a composition and is no press of the form's button.
      const enter = new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true });
      document.activeElement.dispatchEvent(enter);
    }`);
    assert.equal(await keys.where(), 'cardnumber');
    await cdp.send('Input.insertText', { text: '４２４２４２' });
    await until('the format', async () => (await keys.value('number')) === '4242 42');
    await keys.write('42');
    assert.equal(await keys.value('number'), '4242 4242');
    // A name in another script.
    await keys.focus('holder');
    for (const text of ['や', 'やま', '山']) await compose(text);
    await cdp.send('Input.insertText', { text: '山田' });
    assert.equal(await keys.value('holder'), '山田');
  });

  test("CCBill's fields stand in the order of Tab, and the country is chosen by key", LIMIT, async () => {
    await keys.open('platform="ccbill" required');
    const order = [];
    for (let tabs = 0; tabs < 11; tabs++) {
      await keys.press('Tab');
      order.push(await keys.where());
    }
    assert.deepEqual(
      order,
      ['cardnumber', 'cc-exp', 'cvc', 'ccname', 'fname', 'lname', 'email', 'postal', 'country', 'way'].concat(
        order.slice(10),
      ),
    );
    await keys.focus('country');
    await keys.write('Switz');
    assert.equal(await keys.value('country'), 'CH');
  });

  test('while a call is under way, keys change nothing and press nothing, but Tab moves on', LIMIT, async () => {
    await keys.open('platform="ccbill" required');
    await keys.focus('country');
    await keys.write('Switz');
    await keys.run(
      `(texts) => {
        for (const [field, text] of Object.entries(texts)) {
          document.querySelector('[data-field="' + field + '"] .cardseal-input').value = text;
        }
      }`,
      { firstName: 'Ana', lastName: 'Mora', email: 'ana@shop.example', postalCode: '8000' },
    );
    await keys.fill({ number: '4473707989493598', expiry: '1230', cvc: '739', holder: 'Ana Mora' });
    const from = keys.all.front.requests.length;
    const open = keys.all.front.hold();
    try {
      await keys.press('Enter');
      await until('the call', async () => (await keys.state()) === 'busy');
      await keys.press('Enter', '9', 'Backspace', 'Control+x');
      assert.equal(await keys.value('holder'), 'Ana Mora');
      await keys.focus('country');
      await keys.write('Aus');
      await keys.press('ArrowDown');
      assert.equal(await keys.value('country'), 'CH');
      await keys.press('Tab');
      assert.equal(await keys.where(), 'way');
      await keys.press('Enter', 'Shift+Tab', 'Shift+Tab');
      assert.equal(await keys.where(), 'postal');
    } finally {
      open();
    }
    await until('the order', async () => (await keys.orders()).length > 0);
    assert.equal((await keys.orders()).length, 1);
    const tokens = keys.all.front.requests
      .slice(from)
      .filter(({ url, method }) => method === 'POST' && url === '/v1/tokens');
    assert.equal(tokens.length, 1);
  });
});
