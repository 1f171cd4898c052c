// How the form looks: committed pictures, wide and narrow, light, dark and from right to left; and the layout in every
// language, measured.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TAGS } from '../../pkg/languages/index.js';
import { launch, startAll, VISA } from '../browser/harness.mjs';
import { field, openShop, typeCard } from './shop.mjs';
import { assertPicture, FONT, STEADY } from './snapshots.mjs';

let all;

before(async () => {
  all = await startAll({
    platforms: ['greenpay', 'online_payments', 'ccbill'],
    settings: ({ page }) => ({ online_payments: { return_url: page } }),
    browser: () => launch(STEADY),
  });
});
after(() => all?.stop());

const FORMS = {
  wrong: 'platform="greenpay"',
  brands: 'platform="online_payments"',
  customer: 'platform="ccbill"',
  done: 'platform="greenpay"',
};

const stage = ({ lang, dir }) => `<!doctype html>
<html lang="${lang}" dir="${dir}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Forms</title>
<style>
${FONT}
:root { color-scheme: light dark; }
body { margin: 0; }
cardseal-card-form { padding: 16px; --cardseal-font: Rubik; }
cardseal-card-form .cardseal-mark text { font-family: Rubik; }
</style>
${Object.entries(FORMS)
  .map(([id, attributes]) => `<cardseal-card-form id="${id}" ${attributes}></cardseal-card-form>`)
  .join('\n')}
<script type="module" src="/pkg/card-form.js"></script>
</html>`;

/** The forms, each in its state. */
async function staged({ lang, dir, colorScheme, width }) {
  const address = `/stage-${lang}-${colorScheme}-${width}`;
  all.front.pages[address] = stage({ lang, dir });
  const opened = await all.open({
    ready: false,
    url: all.url + address,
    colorScheme,
    viewport: { width, height: 800 },
    reducedMotion: 'reduce',
  });
  const { page } = opened;
  for (const id of Object.keys(FORMS))
    await page.waitForSelector(`#${id}[data-state="empty"] .cardseal[lang="${lang}"]`);
  const fill = async (form, texts) => {
    for (const [name, text] of Object.entries(texts)) await page.fill(`#${form} [data-field="${name}"] input`, text);
  };
  await fill('wrong', { number: '4242424242424241', expiry: '0120', cvc: '12' });
  await page.evaluate(() => document.getElementById('wrong').reportValidity());
  await page.evaluate(() => document.getElementById('brands').focus());
  await fill('brands', { number: '4012000033330026', expiry: '1230', cvc: '123', holder: 'Zoë Müller' });
  await page.waitForSelector('#brands .cardseal-choice:not([hidden])');
  await fill('customer', { firstName: 'Ana', postalCode: '85281' });
  await page.focus('#customer [data-field="email"] input');
  await fill('done', VISA);
  await page.evaluate(() => document.getElementById('done').tokenize());
  await page.evaluate(() => document.fonts.ready);
  await page.focus('#customer [data-field="email"] input');
  return opened;
}

const LOOKS = {
  light: { lang: 'en', dir: 'ltr', colorScheme: 'light' },
  dark: { lang: 'en', dir: 'ltr', colorScheme: 'dark' },
  rtl: { lang: 'he', dir: 'rtl', colorScheme: 'light' },
};

for (const [look, settings] of Object.entries(LOOKS)) {
  for (const [size, width] of Object.entries({ wide: 600, narrow: 320 })) {
    test(`pictures: ${look}, ${size}`, async () => {
      const platform = all.sandbox.of('online_payments');
      await platform.settings({ co_branded_bins: ['401200'], products: [1, 2, 3, 130] });
      const { page, problems, close } = await staged({ ...settings, width });
      try {
        assertPicture(`${look}-${size}`, await page.screenshot({ fullPage: true, animations: 'disabled' }));
        assert.deepEqual(
          problems.filter((text) => !/favicon|404/.test(text)),
          [],
        );
      } finally {
        await close();
        await platform.settings({ co_branded_bins: [], products: [] });
      }
    });
  }
}

test('in every language, nothing is wider than 320 pixels, and the two inputs of a row stand side by side', async () => {
  const { page, close } = await openShop(all, {
    attributes: 'platform="ccbill"',
    context: { viewport: { width: 320, height: 800 } },
  });
  try {
    const cut = [];
    // As long as no label should be, so that it has two lines whatever the font is.
    await page.evaluate(() => {
      const words = 'The code on the back of the card';
      document.getElementById('card').messages = { en: { labels: { cvc: words } } };
    });
    await page.getByText('The code on the back').waitFor();
    for (const lang of TAGS) {
      await page.evaluate((wanted) => {
        document.documentElement.lang = wanted;
      }, lang);
      await page.waitForSelector(`.cardseal[lang="${lang}"]`);
      // With their messages, too.
      await page.evaluate(() => document.getElementById('card').reportValidity());
      const { wide, rows } = await page.evaluate(() => ({
        wide: document.scrollingElement.scrollWidth,
        rows: [...document.querySelectorAll('.cardseal-pair')].map((row) =>
          [...row.querySelectorAll('.cardseal-input')].map((input) => Math.round(input.getBoundingClientRect().bottom)),
        ),
      }));
      if (wide > 320) cut.push(`${lang}: ${wide} pixels`);
      for (const [one, other] of rows) if (one !== other) cut.push(`${lang}: ${one} and ${other}`);
    }
    assert.deepEqual(cut, []);
  } finally {
    await close();
  }
});

test('below 270 pixels the rows become columns', async () => {
  const { page, close } = await openShop(all, { context: { viewport: { width: 260, height: 800 } } });
  try {
    const [expiry, cvc] = [await field(page, 'expiry').boundingBox(), await field(page, 'cvc').boundingBox()];
    assert.ok(cvc.y > expiry.y + expiry.height, 'one below the other');
    assert.equal(cvc.x, expiry.x);
  } finally {
    await close();
  }
});

for (const lang of ['ar', 'he']) {
  test(`${lang}: digits run from left to right at the right edge, and the marks are beside them`, async () => {
    const { page, close } = await openShop(all, {
      lang,
      dir: 'rtl',
      context: { viewport: { width: 320, height: 800 } },
    });
    try {
      await page.waitForSelector(`.cardseal[lang="${lang}"]`);
      // More brands than one: the most room that the marks ever take.
      await typeCard(page, { number: '5018', expiry: '1230', cvc: '73', holder: '' });
      for (const name of ['number', 'expiry', 'cvc']) {
        const style = await field(page, name).evaluate((input) => {
          const { direction, textAlign, paddingLeft, paddingRight } = getComputedStyle(input);
          return { direction, textAlign, left: Number.parseFloat(paddingLeft), right: Number.parseFloat(paddingRight) };
        });
        assert.equal(style.direction, 'ltr', name);
        assert.equal(style.textAlign, 'right', name);
        assert.ok(style.right < 16, `${name} begins at the edge: ${style.right}`);
        if (name !== 'number') continue;
        const input = await field(page, name).boundingBox();
        const marks = await page.locator('.cardseal-marks').boundingBox();
        assert.ok(marks.x + marks.width <= input.x + style.left, 'the marks are beside the digits');
      }
      assert.equal(await field(page, 'expiry').inputValue(), '12 / 30');
    } finally {
      await close();
    }
  });
}
