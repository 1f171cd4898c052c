// The codes are written once, in Rust; the build makes the types and the table of TypeScript from them. What people read
// of them must be the same.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { PLATFORMS, root } from '../../scripts/project.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');
const declarations = read('pkg/index.d.ts');
const codes = Object.values(await import('../../pkg/codes.js'));
const sorted = (list) => [...list].sort();

/** The texts of `type Name = "a" | "b";`. */
function union(name) {
  const body = new RegExp(`^type ${name} =([^;]+);`, 'm').exec(declarations)?.[1];
  assert.ok(body, `index.d.ts has no type ${name}`);
  return [...body.matchAll(/"([^"]+)"/g)].map(([, text]) => text);
}

test('the declared error codes are those that can be thrown, each once, with a sentence', () => {
  assert.deepEqual(sorted(union('ErrorCode')), sorted(codes.map(({ code }) => code)));
  for (const list of [union('ErrorCode'), union('ProblemCode'), union('Brand'), union('Platform')]) {
    assert.ok(list.length > 4);
    assert.equal(new Set(list).size, list.length);
  }
  for (const { code, message } of codes) assert.match(message, /^[a-z].*\w$/, code);
});

test('the declared problems are those that a card can have', async () => {
  const { load, validateCard } = await import('../../pkg/node.js');
  await load();
  const known = union('ProblemCode');
  const { problems } = validateCard({}, { platform: 'greenpay' });
  assert.equal(problems.length, 4);
  for (const { code, field, message } of problems) {
    assert.ok(known.includes(code), code);
    assert.equal(code, `${field}_missing`);
    assert.match(message, /^[A-Z].*\.$/);
  }
});

test('every entry exports what the declarations declare', async () => {
  const entries = {
    index: ['index.js', 'node.js', 'inline.js'],
    worker: ['worker.js'],
    ...Object.fromEntries(PLATFORMS.map((name) => [name, [`${name}.js`, `${name}-inline.js`]])),
  };
  for (const [name, files] of Object.entries(entries)) {
    const text = read(`pkg/${name}.d.ts`);
    const exported = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list]) =>
      list.split(',').map((item) => item.trim()),
    );
    const values = [...text.matchAll(/^declare (?:function|class|const) (\w+)/gm)].map(([, value]) => value);
    const declared = exported.filter((item) => values.includes(item));
    assert.ok(declared.length > 10, name);
    for (const file of files) {
      assert.deepEqual(sorted(Object.keys(await import(path.join(root, 'pkg', file)))), sorted(declared), file);
    }
  }
});

test('a documented table of error codes names all of them', () => {
  const documents = [
    'README.md',
    ...readdirSync(path.join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ];
  const all = codes.map(({ code }) => code);
  let tables = 0;
  for (const file of documents) {
    const rows = [...read(file).matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(([, code]) => code);
    // A table of something else shares no more than a few names with ours.
    if (rows.filter((code) => all.includes(code)).length < all.length / 2) continue;
    tables += 1;
    assert.deepEqual(
      all.filter((code) => !rows.includes(code)),
      [],
      `${file} lacks codes`,
    );
  }
  assert.ok(tables > 0);
});
