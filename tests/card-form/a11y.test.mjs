// The card form against WCAG 2.2 AA, as far as a machine can tell: docs/accessibility.md says what is tested here and,
// by axe in every engine, in axe.test.mjs.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CC_VISA, GP_VISA, startAll, VISA } from '../browser/harness.mjs';
import { field, inState, openShop, typeCard } from './shop.mjs';
import { assertText } from './snapshots.mjs';

const CO_BADGED = { number: '4012000033330026', expiry: '1230', cvc: '123', holder: 'Zoë Müller' };
const TAKEN = { ...GP_VISA, holder: 'Ana Mora' };
const DECLINED = { ...TAKEN, number: '4000120000001154' };

let all;

before(async () => {
  all = await startAll({
    platforms: ['greenpay', 'gp_api', 'online_payments', 'ccbill'],
    settings: ({ page }) => ({ online_payments: { return_url: page } }),
  });
  await all.sandbox.of('online_payments').settings({ co_branded_bins: ['401200'], products: [1, 2, 3, 130] });
});
after(() => all?.stop());

// What is computed takes what nothing paints for white.
const PAPER = `document.documentElement.style.background = 'light-dark(#fff, #121212)';`;

/** Leads the form through its states; `say(state)` is called in each. */
async function throughStates(page, say) {
  const empty = async () => {
    await page.evaluate(() => document.getElementById('card').clear());
    await inState(page, 'empty');
  };
  await say('empty');
  await field(page, 'number').pressSequentially('4242');
  await say('typing');
  await page.keyboard.press('Tab');
  await inState(page, 'invalid');
  await say('invalid');
  await page.evaluate(() => document.getElementById('card').reportValidity());
  await page.waitForSelector('.cardseal-summary:not([hidden])');
  await say('with the summary');
  await empty();
  await typeCard(page, DECLINED);
  await inState(page, 'valid');
  await say('valid');
  const open = all.front.hold();
  await page.evaluate(() => {
    document
      .getElementById('card')
      .tokenize()
      .catch(() => {});
  });
  await inState(page, 'busy');
  await say('busy');
  open();
  await inState(page, 'failed');
  await say('failed');
  await field(page, 'number').fill(GP_VISA.number);
  await page.evaluate(() => document.getElementById('card').tokenize());
  await inState(page, 'done');
  await say('done');
  await empty();
  await page.evaluate(() => {
    document.getElementById('card').disabled = true;
  });
  await page.waitForSelector('[data-field="number"] input:disabled');
  await say('disabled');
}

// ------------------------------------------------------------------------------------------ the accessibility tree

/**
 * What nodes of Chromium's accessibility tree say, as lines. Roles in capitals are Chromium's own, and other versions have
 * others: what they hold counts, and they do not.
 */
function spoken(nodes, start) {
  const byId = new Map(nodes.map((one) => [one.nodeId, one]));
  const lines = [];
  const TOLD = ['busy', 'checked', 'disabled', 'invalid', 'live', 'readonly', 'required'];
  const ROLES = { StaticText: 'text', img: 'image', ComboBoxSelect: 'combobox', LabelText: '' };
  const walk = (one, depth, parentName) => {
    if (!one) return;
    const given = one.role?.value ?? '';
    const role = ROLES[given] ?? (/^[A-Z]|^(generic|none|presentation)$/.test(given) ? '' : given);
    const name = one.name?.value ?? '';
    // A text that only repeats the name of what it stands in, or of what it labels, says nothing new.
    const said = !one.ignored && role !== '' && !(role === 'text' && (parentName.includes(name) || labels.has(name)));
    if (said) {
      const states = (one.properties ?? [])
        .filter(({ name: key, value }) => TOLD.includes(key) && !['false', false, 'off'].includes(value.value))
        .map(({ name: key, value }) => (value.value === true ? key : `${key}=${value.value}`))
        .sort();
      const description = one.description?.value;
      const value = role === 'textbox' || role === 'combobox' ? one.value?.value : undefined;
      lines.push(
        [
          `${'  '.repeat(depth)}${role}`,
          name && JSON.stringify(name),
          value && `value ${JSON.stringify(value)}`,
          description && `description ${JSON.stringify(description)}`,
          states.length > 0 && `[${states.join(' ')}]`,
        ]
          .filter(Boolean)
          .join(' '),
      );
    }
    // What is in these belongs to them.
    if (['textbox', 'combobox', 'image'].includes(role)) return;
    for (const id of one.childIds ?? []) walk(byId.get(id), depth + (said ? 1 : 0), said ? name : parentName);
  };
  const labels = new Set(
    nodes
      .filter(({ role }) => ['textbox', 'combobox', 'ComboBoxSelect', 'radio'].includes(role?.value))
      .map(({ name }) => name?.value),
  );
  walk(start, 0, '');
  return lines.join('\n');
}

/** The part of the accessibility tree below `selector` that says something, as lines. */
async function treeOf(cdp, selector) {
  const { nodes } = await cdp.send('Accessibility.getFullAXTree');
  const { root } = await cdp.send('DOM.getDocument');
  const { nodeId } = await cdp.send('DOM.querySelector', { nodeId: root.nodeId, selector });
  const { node } = await cdp.send('DOM.describeNode', { nodeId });
  return spoken(
    nodes,
    nodes.find(({ backendDOMNodeId }) => backendDOMNodeId === node.backendNodeId),
  );
}

test('the tree that is compared has what is said, and not what a version of the browser calls it', () => {
  const node = (nodeId, role, name, more = {}) => ({
    nodeId,
    role: { value: role },
    name: { value: name },
    ...more,
  });
  const tree = ([label, text, image, list]) => {
    const nodes = [
      node('1', 'form', 'Card', { childIds: ['2', '4', '5', '6'] }),
      node('2', label, '', { childIds: ['3'] }),
      node('3', text, 'Card number', { childIds: ['9'] }),
      node('4', 'textbox', 'Card number', {
        properties: [
          { name: 'required', value: { value: true } },
          { name: 'editable', value: { value: 'plaintext' } },
          { name: 'invalid', value: { value: 'true' } },
        ],
        description: { value: 'Visa' },
      }),
      node('5', image, 'Visa', { childIds: ['7'] }),
      node('6', list, '', { childIds: ['8'] }),
      node('7', text, 'VISA'),
      node('8', 'StaticText', 'Enter your card number.'),
      node('9', 'InlineTextBox', 'Card number'),
    ];
    return spoken(nodes, nodes[0]);
  };
  const now = tree(['LabelText', 'StaticText', 'image', 'generic']);
  assert.equal(
    now,
    [
      'form "Card"',
      '  textbox "Card number" description "Visa" [invalid=true required]',
      '  image "Visa"',
      '  text "Enter your card number."',
    ].join('\n'),
  );
  assert.equal(tree(['LabelText', 'StaticText', 'img', 'Section']), now, 'in another version');
  assert.notEqual(tree(['LabelText', 'StaticText', 'generic', 'generic']), now, 'without the role of the image');
  assert.notEqual(tree(['LabelText', 'StaticText', 'image', 'list']), now, 'with a list');
});

test('what a screen reader gets: roles, names, descriptions and states', async () => {
  const parts = [];
  const opened = await openShop(all, { attributes: 'platform="gp_api" holder="required"' });
  const { page, context, close } = opened;
  try {
    const cdp = await context.newCDPSession(page);
    await cdp.send('Accessibility.enable');
    await throughStates(page, async (state) => parts.push(`# ${state}\n\n${await treeOf(cdp, '#card')}`));
  } finally {
    await close();
  }
  for (const [what, attributes, card] of [
    ['a choice of brands', 'platform="online_payments"', CO_BADGED],
    ['the fields for a customer', 'platform="ccbill" required', CC_VISA],
    ['in Arabic', 'platform="greenpay" lang="ar"', VISA],
  ]) {
    const more = await openShop(all, { attributes });
    await typeCard(more.page, card);
    if (what === 'a choice of brands') await more.page.waitForSelector('.cardseal-choice:not([hidden])');
    if (what === 'in Arabic') await more.page.waitForSelector('.cardseal[lang="ar"]');
    const cdp = await more.context.newCDPSession(more.page);
    await cdp.send('Accessibility.enable');
    parts.push(`# ${what}\n\n${await treeOf(cdp, '#card')}`);
    await more.close();
  }
  assertText('accessibility-tree', `${parts.join('\n\n')}\n`);
});

// ------------------------------------------------------------------------------------------ what is announced

/** Writes down what live regions say: a text that comes into one while it is not off. */
const LISTEN = `
  globalThis.announced = [];
  const last = new WeakMap();
  new MutationObserver((records) => {
    const touched = new Set();
    for (const { target } of records) {
      const at = target instanceof Element ? target : target.parentElement;
      const region = at?.closest('[aria-live], [role="alert"], [role="status"]');
      if (region) touched.add(region);
    }
    for (const region of touched) {
      const text = region.textContent.trim();
      if (region.getAttribute('aria-live') !== 'off' && text !== '') announced.push(text);
    }
  }).observe(document.documentElement, { subtree: true, childList: true, characterData: true });`;

const announced = (page) => page.evaluate(() => globalThis.announced.splice(0));

test('a mistake is said once, when its field is left', async () => {
  const { page, close } = await openShop(all, { script: LISTEN });
  try {
    await field(page, 'number').pressSequentially('4242');
    assert.deepEqual(await announced(page), [], 'nothing while somebody types');
    await page.keyboard.press('Tab');
    assert.deepEqual(await announced(page), ['Your card number is incomplete.']);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Tab');
    assert.deepEqual(await announced(page), [], 'not again when nothing has changed');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('End');
    await page.keyboard.type('424242424242');
    assert.deepEqual(await announced(page), [], 'nor when it is put right');
    for (let digits = 0; digits < 12; digits++) await page.keyboard.press('Backspace');
    assert.equal(await field(page, 'number').getAttribute('aria-invalid'), 'true');
    assert.deepEqual(await announced(page), [], 'nor while it is typed wrong again');
    await page.keyboard.press('Tab');
    assert.deepEqual(await announced(page), ['Your card number is incomplete.'], 'but when it is left again');
    // A tie between the message and the field is what says it to whoever comes back.
    const described = await field(page, 'number').evaluate((input) =>
      input
        .getAttribute('aria-describedby')
        .split(' ')
        .map((id) => document.getElementById(id).textContent)
        .join(' '),
    );
    assert.match(described, /Your card number is incomplete\./);
  } finally {
    await close();
  }
});

test('the summary is said once, by the focus that moves to it, and nothing else speaks', async () => {
  const script = `${LISTEN}
    globalThis.focused = [];
    document.addEventListener('focusin', ({ target }) => focused.push(target.className || target.name || target.id));`;
  const { page, close } = await openShop(all, { script });
  try {
    await page.click('#pay');
    await page.waitForSelector('.cardseal-summary:not([hidden])');
    assert.deepEqual(await page.evaluate(() => globalThis.focused), ['way', 'cardseal-summary']);
    assert.deepEqual(await announced(page), []);
    const summary = page.locator('.cardseal-summary');
    assert.equal(await summary.getAttribute('role'), 'group');
    const name = await summary.evaluate(
      (group) => document.getElementById(group.getAttribute('aria-labelledby')).innerText,
    );
    assert.equal(name, 'Correct 4 mistakes to continue:');
    // Corrections change the summary silently.
    await page.click('.cardseal-summary a >> nth=0');
    await page.keyboard.type('4242424242424242');
    assert.match(await summary.innerText(), /3 mistakes/);
    assert.deepEqual(await announced(page), []);
  } finally {
    await close();
  }
});

test('that the form is busy, that the card was taken, and that it was not, is said once each', async () => {
  const { page, close } = await openShop(all, { attributes: 'platform="gp_api" required', script: LISTEN });
  try {
    await typeCard(page, DECLINED);
    await page.focus('#pay');
    await announced(page);
    const tokenize = () =>
      page.evaluate(() =>
        document
          .getElementById('card')
          .tokenize()
          .then(
            () => {},
            () => {},
          ),
      );
    await tokenize();
    const failed = await announced(page);
    assert.equal(failed.length, 2, failed.join(' | '));
    assert.match(failed[1], /bank declined the card/);
    await field(page, 'number').fill(GP_VISA.number);
    await page.focus('#pay');
    await announced(page);
    await tokenize();
    const done = await announced(page);
    assert.equal(done.length, 2, done.join(' | '));
    assert.equal(done[0], failed[0], 'that it is busy');
    assert.equal(done[1], 'Visa ending in 5262');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'pay', 'the focus stays where it was');
    // Who was in the form is led to the card that was taken: that says it, and nothing says it twice.
    await page.evaluate(() => document.getElementById('card').clear());
    await typeCard(page, TAKEN);
    await announced(page);
    await tokenize();
    assert.equal(await page.evaluate(() => document.activeElement.className), 'cardseal-done');
    assert.equal((await announced(page)).filter((text) => /ending in/.test(text)).length, 0);
  } finally {
    await close();
  }
});

// ------------------------------------------------------------------------------------------ focus, targets, zoom, colours

/** The contrast of two colours, as WCAG computes it. Runs in the page. */
const contrast = (one, other) => {
  const light = (colour) => {
    const [r, g, b] = colour
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map((part) => Number(part) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};

test('the focus follows the order of reading and can be seen, in light and dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const { page, close } = await openShop(all, {
      attributes: 'platform="ccbill" required',
      context: { colorScheme },
      script: `document.documentElement.style.colorScheme = 'light dark'; ${PAPER}`,
    });
    try {
      // The edges of fields without a mistake, too.
      await field(page, 'lastName').fill('Mora');
      await page.evaluate(() => document.getElementById('card').reportValidity());
      const paper = colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(18, 18, 18)';
      let before = null;
      let steps = 0;
      for (;;) {
        const now = await page.evaluate(() => {
          const at = document.activeElement;
          const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(at);
          const box = at.getBoundingClientRect();
          return {
            id: at.id,
            own: at.closest('.cardseal') !== null,
            outline: outlineStyle === 'solid' ? Number.parseFloat(outlineWidth) : 0,
            colour: outlineColor,
            edge: at.matches('input, select') ? getComputedStyle(at).borderTopColor : null,
            top: Math.round(box.top + scrollY),
            left: Math.round(box.left),
            inView: box.top >= 0 && box.bottom <= innerHeight,
          };
        });
        if (!now.own) break;
        steps += 1;
        assert.ok(now.outline >= 2, `${JSON.stringify(now)} has a ring`);
        assert.ok(contrast(now.colour, paper) >= 3, `${now.colour} on ${paper}`);
        if (now.edge) assert.ok(contrast(now.edge, paper) >= 3, `the edge: ${now.edge} on ${paper}`);
        assert.ok(now.inView, `${JSON.stringify(now)} is in view`);
        if (before)
          assert.ok(now.top > before.top || (now.top >= before.top - 4 && now.left > before.left), 'in order');
        before = now;
        await page.keyboard.press('Tab');
      }
      // The summary, its eight links, nine fields.
      assert.ok(steps >= 18, `${steps} steps`);
    } finally {
      await close();
    }
  }
});

test('every target is at least 24 by 24 pixels', async () => {
  const small = async (page) =>
    page.evaluate(() =>
      [...document.querySelectorAll('.cardseal :is(input, select, button, a)')]
        .filter((one) => one.getClientRects().length > 0)
        .map((one) => [one, (one.type === 'radio' ? one.closest('label') : one).getBoundingClientRect()])
        .filter(([, { width, height }]) => width < 24 || height < 24)
        .map(([one, { width, height }]) => `${one.outerHTML.slice(0, 80)} ${width} x ${height}`),
    );
  const viewport = { width: 320, height: 640 };
  const brands = await openShop(all, { attributes: 'platform="online_payments" required', context: { viewport } });
  await brands.page.evaluate(() => document.getElementById('card').reportValidity());
  assert.equal(await brands.page.locator('.cardseal-summary a').count(), 4);
  assert.deepEqual(await small(brands.page), []);
  await typeCard(brands.page, CO_BADGED);
  await brands.page.waitForSelector('.cardseal-choice:not([hidden])');
  assert.deepEqual(await small(brands.page), []);
  await brands.page.evaluate(() => document.getElementById('card').tokenize());
  await brands.page.waitForSelector('.cardseal-done button');
  assert.deepEqual(await small(brands.page), []);
  await brands.close();
});

test('at 400 % nothing scrolls sideways, and text may be twice as large or wider spaced', async () => {
  // 1280 by 1024 at 400 %.
  const zoomed = { viewport: { width: 320, height: 256 } };
  const { page, close } = await openShop(all, { attributes: 'platform="gp_api" holder="required"', context: zoomed });
  const overflowing = () =>
    page.evaluate(() => {
      const wide = document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth;
      const cut = [...document.querySelectorAll('.cardseal, .cardseal *')]
        .filter((one) => one.getClientRects().length > 0 && !one.closest('svg'))
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1);
      return [...(wide > 0 ? [`the page by ${wide}`] : []), ...cut.map((one) => one.outerHTML.slice(0, 80))];
    });
  try {
    await throughStates(page, async (state) => assert.deepEqual(await overflowing(), [], state));
  } finally {
    await close();
  }
  const large = await openShop(all, {
    attributes: 'platform="gp_api"',
    context: { viewport: { width: 640, height: 600 } },
  });
  try {
    for (const style of [
      { fontSize: '200%' },
      { fontSize: '', letterSpacing: '0.12em', wordSpacing: '0.16em', lineHeight: '1.5' },
    ]) {
      const clipped = await large.page.evaluate((wanted) => {
        Object.assign(document.documentElement.style, wanted);
        document.getElementById('card').reportValidity();
        const texts = [...document.querySelectorAll('.cardseal :is(p, label, a, span, button)')];
        return texts
          .filter((one) => one.getClientRects().length > 0)
          .filter((one) => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflow !== 'visible')
          .map((one) => one.outerHTML.slice(0, 80));
      }, style);
      assert.deepEqual(clipped, []);
      assert.equal(
        await large.page.evaluate(() => document.scrollingElement.scrollWidth > innerWidth),
        false,
        JSON.stringify(style),
      );
    }
  } finally {
    await large.close();
  }
});

test('with forced colours, edges, focus, mistakes and the choice can still be told', async () => {
  const { page, close } = await openShop(all, { attributes: 'platform="online_payments" required' });
  try {
    await page.emulateMedia({ forcedColors: 'active' });
    await typeCard(page, CO_BADGED);
    await page.waitForSelector('.cardseal-choice:not([hidden])');
    await field(page, 'cvc').fill('1');
    await field(page, 'cvc').blur();
    await field(page, 'holder').focus();
    const styles = await page.evaluate(() => {
      const of = (selector) => {
        const { borderTopWidth, borderTopStyle, borderTopColor, outlineStyle, outlineWidth, backgroundColor } =
          getComputedStyle(document.querySelector(selector));
        return { borderTopWidth, borderTopStyle, borderTopColor, outlineStyle, outlineWidth, backgroundColor };
      };
      return {
        right: of('[data-field="number"] input'),
        wrong: of('[data-field="cvc"] input'),
        focused: of('[data-field="holder"] input'),
        chosen: of('.cardseal-brand:has(:checked)'),
        other: of('.cardseal-brand:not(:has(:checked))'),
      };
    });
    for (const [name, { borderTopStyle, borderTopColor, backgroundColor }] of Object.entries(styles)) {
      assert.equal(borderTopStyle, 'solid', name);
      assert.notEqual(borderTopColor, backgroundColor, name);
    }
    assert.ok(Number.parseFloat(styles.wrong.borderTopWidth) > Number.parseFloat(styles.right.borderTopWidth));
    assert.ok(Number.parseFloat(styles.chosen.borderTopWidth) > Number.parseFloat(styles.other.borderTopWidth));
    assert.equal(styles.focused.outlineStyle, 'solid');
    assert.ok(Number.parseFloat(styles.focused.outlineWidth) >= 2);
  } finally {
    await close();
  }
});

test('who wants less motion gets none', async () => {
  const { page, close } = await openShop(all);
  try {
    const moving = async (reducedMotion) => {
      await page.emulateMedia({ reducedMotion });
      return page.evaluate(() => {
        document.getElementById('card').reportValidity();
        const parts = [...document.querySelectorAll('.cardseal, .cardseal *')];
        return {
          running: document.getAnimations().length,
          transitions: parts.filter((one) => getComputedStyle(one).transitionDuration !== '0s').length,
          animations: parts.filter((one) => getComputedStyle(one).animationName !== 'none').length,
        };
      });
    };
    assert.ok((await moving('no-preference')).transitions > 0, 'there is motion to begin with');
    await page.evaluate(() => document.getElementById('card').clear());
    assert.deepEqual(await moving('reduce'), { running: 0, transitions: 0, animations: 0 });
  } finally {
    await close();
  }
});
