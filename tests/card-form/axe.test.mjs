// The rules of axe-core for WCAG 2.2 AA, in every engine, every state and every look of the form. One browser of an
// engine, on a system that is dark, does it all: a state takes longer than what axe has to look at there.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { axe, GP_VISA, until } from '../browser/harness.mjs';
import { shopPage, startIsolation } from './isolation.mjs';
import { ENGINES, startIn } from './keys.mjs';

const LIMIT = { timeout: 300_000 };
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'];
const CO_BADGED = { number: '4012000033330026', expiry: '1230', cvc: '123', holder: 'Zoë Müller' };
const TAKEN = { ...GP_VISA, holder: 'Ana Mora' };
const DECLINED = { ...TAKEN, number: '4000120000001154' };

/** How the page around the form is. axe takes what nothing paints for white. */
const LOOKS = {
  // The page has no dark colours: the form must not have them either, although the system is dark.
  light: {},
  dark: { style: { colorScheme: 'light dark', background: '#121212' } },
  'dark by attribute': { style: { background: '#101216', color: '#fff' }, theme: 'dark' },
  'from right to left': { lang: 'ar', dir: 'rtl' },
};

/** What axe finds wrong in the page or the frame, as sentences. */
async function violations({ browser, run }, rules = RULES) {
  if (!(await run("() => typeof window.axe === 'object'"))) {
    // As part of the script, because the page's policy forbids to evaluate text.
    await browser.run(`() => { ${axe} }`);
  }
  const { wrong, passes } = await run(
    // Without the page's own button: WebKit paints it in colours that no style tells.
    `(rules) => window.axe.run({ include: ['html'], exclude: ['#pay'] }, { runOnly: rules }).then(({ violations, passes }) => ({
      passes: passes.length,
      wrong: violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 120)).join(' | ')),
    }))`,
    rules,
  );
  assert.ok(passes > 10, `${passes} rules had something to look at`);
  return wrong;
}

/** Leads the form through its states; `say(state)` is called in each. */
async function throughStates(keys, say) {
  const onCard = (work) => keys.run(`() => { const card = document.getElementById('card'); ${work} }`);
  await say('empty');
  await keys.focus('number');
  await keys.write('4242');
  await keys.is('typing');
  await say('typing');
  await keys.press('Tab');
  await keys.is('invalid');
  await say('invalid');
  await onCard('card.reportValidity();');
  await keys.shows('.cardseal-summary');
  await say('with the summary');
  await onCard('card.clear();');
  await keys.is('empty');
  await keys.fill(DECLINED);
  await say('valid');
  const open = keys.all.front.hold();
  try {
    await onCard('card.tokenize().catch(() => {});');
    await keys.is('busy');
    await say('busy');
  } finally {
    open();
  }
  await keys.is('failed');
  await say('failed');
  await onCard('card.clear();');
  await keys.fill(TAKEN);
  await onCard('card.tokenize();');
  await keys.is('done');
  await say('done');
  await onCard('card.clear(); card.disabled = true;');
  await keys.shows('[data-field="number"] input:disabled');
  await say('disabled');
}

for (const engine of Object.keys(ENGINES)) {
  describe(`${engine}: axe finds nothing`, () => {
    let keys;
    before(async () => {
      keys = await startIn(engine, { dark: true });
    }, LIMIT);
    after(() => keys?.all.stop(), LIMIT);

    /** The page takes a look on. */
    const wear = async ({ style = {}, theme = 'auto', lang = 'en', dir = 'ltr' }) => {
      await keys.run(
        `(style, theme, lang, dir) => {
          const { documentElement: root } = document;
          root.removeAttribute('style');
          Object.assign(root.style, style);
          Object.assign(root, { lang, dir });
          document.getElementById('card').theme = theme;
        }`,
        style,
        theme,
        lang,
        dir,
      );
      // Not every language is there at once; and colours pass over into others.
      await until(lang, () =>
        keys.run(
          `(lang, theme) => document.querySelector('.cardseal[lang="' + lang + '"][data-theme="' + theme + '"]') !== null
            && document.getAnimations().length === 0`,
          lang,
          theme,
        ),
      );
    };

    /** What is wrong in each of these looks. */
    const inLooks = async (state, ...names) => {
      const found = {};
      for (const look of names) {
        await wear(LOOKS[look]);
        const wrong = await violations(keys);
        if (wrong.length > 0) found[`${state}, ${look}`] = wrong;
      }
      await wear({});
      return found;
    };

    test('in any state', LIMIT, async () => {
      await keys.open('platform="gp_api" holder="required"');
      assert.equal(await keys.run("() => matchMedia('(prefers-color-scheme: dark)').matches"), true);
      const found = {};
      await throughStates(keys, async (state) => {
        Object.assign(found, await inLooks(state, ...Object.keys(LOOKS)));
      });
      assert.deepEqual(found, {});
    });

    test('with a choice of brands, nor with the fields for a customer', LIMIT, async () => {
      const found = {};
      await keys.open('platform="online_payments" nickname');
      await keys.fill(CO_BADGED);
      await keys.shows('.cardseal-choice');
      Object.assign(found, await inLooks('brands', 'light', 'dark'));
      await keys.open('platform="ccbill" required');
      await keys.shows('[data-field="email"]');
      Object.assign(found, await inLooks('customer', 'light', 'dark'));
      await keys.run("() => { document.getElementById('card').reportValidity(); }");
      await keys.shows('.cardseal-summary');
      Object.assign(found, await inLooks('customer with mistakes', 'light', 'dark'));
      assert.deepEqual(found, {});
    });

    test('when the form cannot be loaded', LIMIT, async () => {
      const { front } = keys.all;
      front.cut = ({ url }) => url.endsWith('/pkg/worldline-acquiring-inline.js') && 'before';
      try {
        await keys.open('platform="worldline_acquiring"', '', 'failed');
        await keys.shows('.cardseal-notice button');
        assert.deepEqual(await inLooks('failed', 'light', 'dark'), {});
      } finally {
        front.cut = () => false;
      }
    });

    test('in the frame of isolated fields, nor in the page around it', LIMIT, async () => {
      const isolation = await startIsolation({ engine: null });
      // What makes a good page around a form is not the frame's business.
      const rules = RULES.filter((rule) => rule !== 'best-practice');
      const { browser } = keys;
      try {
        for (const theme of ['light', 'dark']) {
          const at = `/axe-${theme}.html`;
          const [paper, ink] = theme === 'dark' ? ['#121212', '#fff'] : ['#fff', '#000'];
          isolation.shop.files[at] = shopPage(
            `platform="greenpay" theme="${theme}" fields-url="${isolation.fields.url}"`,
            `<style>html { background: ${paper}; color: ${ink}; color-scheme: ${theme}; }</style>`,
          );
          await browser.open(isolation.shop.origin + at);
          await keys.is('empty');
          for (const state of ['empty', 'with mistakes']) {
            assert.deepEqual(await violations(keys, rules), [], `the page, ${state}, ${theme}`);
            await browser.enter('iframe.cardseal-frame');
            if (state === 'with mistakes') await keys.shows('.cardseal-summary');
            // The page's paper shows through.
            await keys.run('(paper) => { document.documentElement.style.background = paper; }', paper);
            assert.deepEqual(await violations(keys, rules), [], `the frame, ${state}, ${theme}`);
            await browser.enter(null);
            await keys.run("() => document.getElementById('card').check()");
          }
        }
      } finally {
        await isolation.stop();
      }
    });
  });
}
