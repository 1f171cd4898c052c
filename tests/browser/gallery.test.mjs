// The gallery of the card form: each form is in the state that is written above it, and no server is asked.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { axe, startAll, until } from './harness.mjs';

let all;
before(async () => {
  all = await startAll();
});
after(() => all?.stop());

const withGallery = (query, body, options) => async () => {
  const { page, context, sent, problems, close } = await all.open({
    url: `${all.url}/gallery.html?${query}`,
    ready: false,
    ...options,
  });
  try {
    await page.locator('.piece').first().waitFor();
    await body(page, context);
    assert.deepEqual(problems, []);
    assert.deepEqual(await page.evaluate(() => globalThis.__violations), []);
    assert.deepEqual(
      [...new Set(sent.map(({ method, url }) => `${method} ${new URL(url).origin}`))],
      [`GET ${all.url}`],
    );
  } finally {
    await close();
  }
};

/** The state of each form by the name above it. */
const states = (page) =>
  page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll('.piece')].map((piece) => [
        piece.dataset.piece,
        piece.querySelector('cardseal-card-form').state,
      ]),
    ),
  );

/** Axe finds nothing, but that there are many forms of one name. */
async function clean(page, context, what) {
  if (!axe) return;
  const cdp = await context.newCDPSession(page);
  await cdp.send('Runtime.evaluate', { expression: axe });
  const found = await page.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const rules = { 'landmark-unique': { enabled: false } };
    const { violations } = await globalThis.axe.run(document, { runOnly: tags, rules });
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 120)}`);
  });
  assert.deepEqual(found, [], what);
}

const STATES = ['loading', 'empty', 'typing', 'valid', 'invalid', 'busy', 'done', 'failed', 'expired'];

test(
  'every state is shown',
  withGallery('only=states', async (page, context) => {
    for (const state of STATES) await until(state, async () => (await states(page))[state] === state);
    await clean(page, context, 'every state');
  }),
);

test(
  'in the dark, from right to left, in a narrow column',
  withGallery(
    'only=states&lang=ar&theme=dark&width=320px&look=shop',
    async (page, context) => {
      await until('the mistakes', async () => (await states(page)).invalid === 'invalid');
      assert.equal(await page.locator('.cardseal').first().getAttribute('dir'), 'rtl');
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
      await clean(page, context, 'Arabic, dark');
    },
    { viewport: { width: 360, height: 900 } },
  ),
);

test(
  'the brands of a card of two can be chosen, and every language speaks',
  withGallery('only=choice', async (page) => {
    await page.locator('.cardseal-brand').nth(1).waitFor();
    await page.goto(`${all.url}/gallery.html?only=languages`);
    await until(
      'the last one',
      async () => Object.values(await states(page)).filter((state) => state === 'invalid').length > 30,
    );
    const first = await page.locator('.cardseal-summary p').allInnerTexts();
    // Some neighbours say the same.
    assert.ok(new Set(first).size > 30, String(first));
  }),
);
