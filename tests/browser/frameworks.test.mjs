// Controlled inputs of React, Vue and Svelte: a framework that sets the value again after each key keeps the digits in their
// order and the caret behind its digit, if the input is formatted before its value is taken.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { compile } from 'svelte/compiler';
import { bundle } from '../../scripts/size.mjs';
import { startAll } from './harness.mjs';

/** The forms as a shop writes them, each with the same two fields. */
const FORMS = {
  react: `
    import { createElement, useState } from 'react';
    import { createRoot } from 'react-dom/client';
    import { formatCardNumberInput, formatExpiryInput, load } from '/pkg/index.js';
    function Field({ id, format }) {
      const [value, setValue] = useState('');
      const onChange = ({ target }) => { format(target); setValue(target.value); };
      return createElement('input', { id, value, onChange, 'aria-label': id });
    }
    const fields = [['number', formatCardNumberInput], ['expiry', formatExpiryInput]];
    createRoot(document.body).render(fields.map(([id, format]) => createElement(Field, { key: id, id, format })));
    globalThis.loading = load();`,
  vue: `
    import { createApp, h, ref } from 'vue';
    import { formatCardNumberInput, formatExpiryInput, load } from '/pkg/index.js';
    const Field = {
      props: ['id', 'format'],
      setup({ id, format }) {
        const value = ref('');
        const onInput = ({ target }) => { format(target); value.value = target.value; };
        return () => h('input', { id, value: value.value, onInput, 'aria-label': id });
      },
    };
    const fields = [['number', formatCardNumberInput], ['expiry', formatExpiryInput]];
    createApp({ render: () => fields.map(([id, format]) => h(Field, { id, format })) }).mount(document.body);
    globalThis.loading = load();`,
  svelte: `
    import { mount } from 'svelte';
    import Form from 'form.svelte';
    import { load } from '/pkg/index.js';
    mount(Form, { target: document.body });
    globalThis.loading = load();`,
};

const SVELTE = `
  <script>
    import { formatCardNumberInput, formatExpiryInput } from '/pkg/index.js';
    let number = $state('');
    let expiry = $state('');
  </script>
  <input id="number" aria-label="number" value={number}
    oninput={({ target }) => { formatCardNumberInput(target); number = target.value; }}>
  <input id="expiry" aria-label="expiry" value={expiry}
    oninput={({ target }) => { formatExpiryInput(target); expiry = target.value; }}>`;

const svelte = {
  name: 'svelte',
  setup(build) {
    build.onResolve({ filter: /\.svelte$/ }, ({ path }) => ({ path, namespace: 'svelte' }));
    build.onLoad({ filter: /./, namespace: 'svelte' }, () => ({
      contents: compile(SVELTE, { generate: 'client' }).js.code,
      resolveDir: import.meta.dirname,
    }));
  },
};

let all;
before(async () => {
  all = await startAll();
  for (const [name, source] of Object.entries(FORMS)) {
    const script = await bundle(source, {
      external: ['/pkg/*'],
      plugins: [svelte],
      conditions: ['browser'],
      define: {
        'process.env.NODE_ENV': '"production"',
        __VUE_OPTIONS_API__: 'true',
        __VUE_PROD_DEVTOOLS__: 'false',
        __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
      },
    });
    all.front.pages[`/${name}`] =
      `<!doctype html><meta charset="utf-8"><title>${name}</title><link rel="icon" href="data:,"><body></body>` +
      `<script type="module">${script.toString().replaceAll('</script', '<\\/script')}</script>`;
  }
});
after(() => all?.stop());

/** What is in a field, and where its caret is. */
const state = (page, id) =>
  page.evaluate((name) => {
    const { value, selectionStart } = document.getElementById(name);
    return [value, selectionStart];
  }, id);

for (const name of Object.keys(FORMS)) {
  test(`${name}: digits stay in their order and the caret behind its digit`, async () => {
    const { page, problems, close } = await all.open({ ready: false });
    try {
      await page.goto(`${all.url}/${name}`);
      await page.locator('#number').waitFor();
      await page.evaluate(() => globalThis.loading);
      await page.locator('#number').pressSequentially('444444');
      assert.deepEqual(await state(page, 'number'), ['4444 44', 7]);
      await page.evaluate(() => document.getElementById('number').setSelectionRange(4, 4));
      await page.keyboard.type('1234');
      assert.deepEqual(await state(page, 'number'), ['4444 1234 44', 9]);
      await page.keyboard.press('Backspace');
      await page.keyboard.press('Backspace');
      assert.deepEqual(await state(page, 'number'), ['4444 1244', 7]);
      await page.keyboard.insertText('5555');
      assert.deepEqual(await state(page, 'number'), ['4444 1255 5544', 12]);
      await page.locator('#expiry').pressSequentially('1230');
      assert.deepEqual(await state(page, 'expiry'), ['12 / 30', 7]);
      await page.locator('#expiry').fill('2031-07');
      assert.deepEqual((await state(page, 'expiry'))[0], '07 / 31');
      assert.deepEqual(problems, []);
    } finally {
      await close();
    }
  });
}
