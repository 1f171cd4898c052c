// What of the card form can be tested without a browser: the entry on a server, and the tables of what a shopper is told.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');
const { failureOf, serverFailureOf, declineOf, knowsDecline } = await import('../../pkg/card-form/failures.js');
const { default: english } = await import('../../pkg/languages/en.js');
const codes = Object.values(await import('../../pkg/codes.js')).map(({ code }) => code);

test('on a server, the import registers nothing, loads nothing and does not fail', () => {
  const body = `
    const before = Object.keys(globalThis).length;
    const form = await import(${JSON.stringify(path.join(root, 'pkg/card-form.js'))});
    form.defineCardForm();
    console.log(JSON.stringify([Object.keys(form).sort(), Object.keys(globalThis).length - before]));`;
  const [names, added] = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', body], { encoding: 'utf8' }),
  );
  assert.deepEqual(names, ['CardForm', 'CardsealError', 'authenticate', 'defineCardForm']);
  assert.equal(added, 0);
});

test('every error code has words', () => {
  assert.ok(codes.length > 30);
  for (const code of codes) {
    const name = failureOf({ code });
    assert.ok(english.failures[name], code);
    assert.equal(failureOf({ code, outcomeUnknown: true }), 'outcome_unknown');
    // What nobody thought of would be "unknown"; these are meant to be.
    if (name === 'unknown') {
      assert.ok(
        ['type_invalid', 'option_invalid', 'server_rejected', 'not_loaded', 'module_failed'].includes(code),
        code,
      );
    }
  }
  assert.equal(failureOf(new Error('other')), 'unknown');
  assert.equal(failureOf(undefined), 'unknown');
  assert.equal(failureOf({ code: 'constructor' }), 'unknown');
});

test('every code of the server has words', () => {
  const api = JSON.parse(read('docs/openapi.json'));
  const found = new Set();
  for (const methods of Object.values(api.paths)) {
    for (const { responses } of Object.values(methods)) {
      for (const { content } of Object.values(responses ?? {})) {
        const parts = content?.['application/problem+json']?.schema?.allOf ?? [];
        for (const { properties } of parts) for (const code of properties?.code?.enum ?? []) found.add(code);
      }
    }
  }
  assert.ok(found.size > 40, `${found.size} codes`);
  // The documentation also has those that no route of its own answers.
  const documented = [...read('docs/server.md').matchAll(/^\| `([a-z_]+)` \| [45]\d{2} \|/gm)].map(([, code]) => code);
  assert.ok(documented.length > 40);
  for (const code of new Set([...found, ...documented])) {
    assert.ok(english.failures[serverFailureOf(code)], `${code} has no words in src/ts/card-form/failures.ts`);
    assert.ok(english.failures[failureOf({ code: 'server_rejected', platformCode: code, status: 422 })], code);
  }
  assert.equal(failureOf({ code: 'server_rejected', platformCode: 'platform_setup', status: 502 }), 'shop');
  assert.equal(failureOf({ code: 'server_rejected', status: 500 }), 'platform', 'whatever stands before the server');
});

test('every reason of a decline has words', () => {
  const reasons = new Set();
  for (const file of sources('gateways/src')) {
    const text = read(file);
    for (const pattern of [
      /Declined\("([a-z_]+)"/g,
      /reason: "([a-z_]+)"/g,
      /^\s+(?:Some\([^)]*\)|_|"[\w" |]+") => "([a-z_]+)",$/gm,
    ])
      if (/Decline/.test(text)) for (const [, reason] of text.matchAll(pattern)) reasons.add(reason);
    for (const [, reason] of text.matchAll(/decline\([^;]*Some\("([a-z_]+)"\)/g)) reasons.add(reason);
  }
  const table = /fn decline_reason[\s\S]*?\n\}/.exec(read('src/platform/greenpay/answer.rs'))[0];
  for (const [, reason] of table.matchAll(/=> "([a-z_]+)"/g)) reasons.add(reason);
  for (const known of [
    'declined',
    'insufficient_funds',
    'merchant_inactive',
    'cancelled_by_customer',
    'do_not_try_again',
  ])
    assert.ok(reasons.has(known), `${known} was not found: the sources look otherwise now`);
  const missing = [...reasons].filter((reason) => !knowsDecline(reason));
  assert.deepEqual(missing, [], 'src/ts/card-form/failures.ts');
  for (const reason of reasons) assert.ok(english.declines[declineOf(reason)], reason);
  assert.equal(declineOf('something new'), 'declined');
  assert.equal(declineOf(undefined), 'declined');
});

const sources = (folder) =>
  readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rs') && entry.name !== 'tests.rs')
    .map(({ parentPath, name }) => path.relative(root, path.join(parentPath, name)));

test('every brand has a name and a badge', async () => {
  const { brandName, isBrand } = await import('../../pkg/card-form/brands.js');
  const brands = /^type Brand =([^;]+);/m.exec(read('pkg/index.d.ts'))[1].match(/[a-z_]+/g);
  assert.ok(brands.length > 10);
  for (const brand of brands) assert.ok(isBrand(brand) && brandName(brand), brand);
  assert.equal(isBrand('toString'), false);
});
