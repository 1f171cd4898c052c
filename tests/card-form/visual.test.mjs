// How the form looks: committed pictures, wide and narrow, light, dark and from right to left; and the layout in every
// language, measured.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TAGS } from '../../pkg/languages/index.js';
import { launch, startAll, VISA } from '../browser/harness.mjs';
import { field, openShop, typeCard } from './shop.mjs';
import { assertPicture, assertText, decoded, differences, FONT, picture, STEADY } from './snapshots.mjs';

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
/* What each browser paints in its own way. */
select, input[type='radio'] { appearance: none; }
input[type='radio'] { border: 2px solid; border-radius: 50%; }
</style>
${Object.entries(FORMS)
  .map(([id, attributes]) => `<cardseal-card-form id="${id}" ${attributes}></cardseal-card-form>`)
  .join('\n')}
<script type="module" src="/pkg/card-form.js"></script>
</html>`;

let stages = 0;

/** The forms, each in its state, in this test's browser or in another one. */
async function staged({ lang, dir, colorScheme, width }, browser = all.browser) {
  const address = `/stage-${++stages}`;
  all.front.pages[address] = stage({ lang, dir });
  const platform = all.sandbox.of('online_payments');
  await platform.settings({ co_branded_bins: ['401200'], products: [1, 2, 3, 130] });
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 800 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(all.url + address);
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
  await platform.settings({ co_branded_bins: [], products: [] });
  const shot = () => page.screenshot({ fullPage: true, animations: 'disabled' });
  return { page, problems, shot, close: () => context.close() };
}

/** The colours and letters of every part, once for all parts alike: a browser may smooth letters, but not choose these. */
const styles = (page) =>
  page.evaluate(() => {
    const found = new Map();
    for (const part of document.querySelectorAll('.cardseal, .cardseal *')) {
      if (part.getClientRects().length === 0 || part.closest('svg') || part.closest('[data-field="country"] select *'))
        continue;
      const style = getComputedStyle(part);
      const edge = Number.parseFloat(style.borderTopWidth) > 0 ? ` edge ${style.borderTopColor}` : '';
      const paper = style.backgroundColor === 'rgba(0, 0, 0, 0)' ? '' : ` on ${style.backgroundColor}`;
      const ring = style.outlineStyle === 'solid' ? ` ring ${style.outlineColor}` : '';
      const [name = ''] = part.classList;
      const wrong = part.hasAttribute('aria-invalid') ? ' wrong' : '';
      const said = `${style.color}${paper}${edge}${ring} ${style.fontSize} ${style.fontWeight}`;
      const key = `${part.localName}${name && `.${name}`}${wrong}`;
      found.set(`${key}: ${said}`, true);
    }
    return [...found.keys()].sort();
  });

const LOOKS = {
  light: { lang: 'en', dir: 'ltr', colorScheme: 'light' },
  dark: { lang: 'en', dir: 'ltr', colorScheme: 'dark' },
  rtl: { lang: 'he', dir: 'rtl', colorScheme: 'light' },
};

const colours = {};

for (const [look, settings] of Object.entries(LOOKS)) {
  for (const [size, width] of Object.entries({ wide: 600, narrow: 320 })) {
    test(`pictures: ${look}, ${size}`, async () => {
      const { page, problems, shot, close } = await staged({ ...settings, width });
      try {
        colours[look] = await styles(page);
        assertPicture(`${look}-${size}`, await shot());
        assert.deepEqual(
          problems.filter((text) => !/favicon|404/.test(text)),
          [],
        );
      } finally {
        await close();
      }
    });
  }
}

test('colours and letters are those that are committed', () => {
  const { light, dark } = colours;
  assertText('colours', `# light\n\n${light.join('\n')}\n\n# dark\n\n${dark.join('\n')}\n`);
});

test('a picture is the same where letters are smoothed in another way, and another one after any change', async () => {
  const then = picture('light-wide');
  const seen = async (staging) => {
    const found = differences(decoded(await staging.shot()), then);
    return found.join('; ');
  };
  const other = await launch(['--force-device-scale-factor=1']);
  try {
    const elsewhere = await staged({ ...LOOKS.light, width: 600 }, other);
    const bytes = await elsewhere.shot();
    assert.equal(differences(decoded(bytes), then).join(), '');
    const { data } = decoded(bytes);
    assert.notDeepEqual(data, then.data, 'letters are smoothed in another way');
  } finally {
    await other.close();
  }
  const staging = await staged({ ...LOOKS.light, width: 600 });
  try {
    const before = (await styles(staging.page)).join('\n');
    /** One thing is changed, and then it is as it was. */
    const changed = async (selector, property, value) => {
      const set = (one) =>
        staging.page.evaluate(
          ([where, name, what]) => {
            for (const part of document.querySelectorAll(where)) part.style.setProperty(name, what, 'important');
          },
          [selector, property, one],
        );
      await set(value);
      const result = { picture: await seen(staging), styles: (await styles(staging.page)).join('\n') !== before };
      await set('');
      return result;
    };
    for (const [selector, property, value] of [
      ['cardseal-card-form', '--cardseal-gap', '20px'],
      ['.cardseal-pair', 'column-gap', '20px'],
      ['.cardseal-hint', 'margin-block-start', '8px'],
      ['#wrong .cardseal-mark', 'visibility', 'hidden'],
      ['#done .cardseal-mark', 'display', 'none'],
      ['#brands .cardseal-brand:last-of-type .cardseal-mark rect', 'fill', '#fff'],
      ['cardseal-card-form', '--cardseal-border', '#8f969f'],
      ['cardseal-card-form', '--cardseal-danger', '#c4372f'],
      ['cardseal-card-form', '--cardseal-danger-background', '#fdf2f0'],
      ['.cardseal-summary', 'border-width', '0'],
    ]) {
      const { picture: found } = await changed(selector, property, value);
      assert.notEqual(found, '', `${selector} { ${property}: ${value} }`);
    }
    // Of what is letters alone, the styles say it.
    for (const [selector, property, value] of [
      ['cardseal-card-form', '--cardseal-text', '#33363a'],
      ['cardseal-card-form', '--cardseal-muted', '#6a7078'],
      ['cardseal-card-form', '--cardseal-accent', '#2f6fe0'],
      ['.cardseal-note', 'font-size', '15px'],
      ['.cardseal-summary p', 'font-weight', '400'],
    ]) {
      const { styles: differ } = await changed(selector, property, value);
      assert.ok(differ, `${selector} { ${property}: ${value} }`);
    }
    assert.equal(await seen(staging), '', 'and it is as it was');
  } finally {
    await staging.close();
  }
});

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
