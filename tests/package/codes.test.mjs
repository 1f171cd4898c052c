// The codes are written once in Rust. What is written again for people and for the compiler must be the same.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');
const types = read('src/js/index.d.ts');

/** Rows `Name = "code", …` of a table that a macro makes an enum of. */
function table(file, macro) {
  const text = read(file);
  const start = text.search(new RegExp(`^\\s*${macro}! \\{`, 'm'));
  assert.notEqual(start, -1, `${file} has no table ${macro}!`);
  const end = /^\s*\}$/m.exec(text.slice(start)).index;
  const rows = [...text.slice(start, start + end).matchAll(/^\s*\w+ = "([a-z0-9_]+)",/gm)].map(([, code]) => code);
  assert.ok(rows.length > 5, `the table ${macro}! of ${file} could not be read`);
  return rows;
}

/** The texts of `export type Name = "a" | "b";`. */
function union(name) {
  const body = new RegExp(`export type ${name} =([^;]+);`).exec(types)?.[1];
  assert.ok(body, `index.d.ts has no type ${name}`);
  return [...body.matchAll(/"([^"]+)"/g)].map(([, text]) => text);
}

const sorted = (list) => [...list].sort();

test('the error codes of the declarations are those of the crate', () => {
  assert.deepEqual(sorted(union('ErrorCode')), sorted(table('src/error.rs', 'codes')));
});

test('the problem codes of the declarations are those of the crate', () => {
  assert.deepEqual(sorted(union('ProblemCode')), sorted(table('src/card.rs', 'problems')));
});

test('what the package says of the codes is what the crate says, in its order: the module names them by their places', async () => {
  const { CODES, PROBLEMS } = await import(path.join(root, 'src/js/words.js'));
  const said = (file, macro) => {
    const text = read(file);
    const start = text.search(new RegExp(`^\\s*${macro}! \\{`, 'm'));
    return [...text.slice(start).matchAll(/^\s*\w+ = "([a-z0-9_]+)",(?: \w+,)? "([^"]*)";/gm)].map(
      ([, code, words]) => [code, words],
    );
  };
  assert.deepEqual(Object.entries(CODES), said('src/error.rs', 'codes'));
  assert.deepEqual(Object.entries(PROBLEMS), said('src/card.rs', 'problems'));
  const fields = [...read('src/card.rs').matchAll(/^\s*\w+ = "([a-z0-9_]+)", (\w+),/gm)];
  for (const [, code, field] of fields) assert.equal(code.split('_')[0], field.toLowerCase());
});

test('no code is written twice', () => {
  for (const list of [union('ErrorCode'), union('ProblemCode')]) assert.equal(new Set(list).size, list.length);
});

test('every code that the loaders make is declared', () => {
  const declared = new Set(union('ErrorCode'));
  for (const name of readdirSync(path.join(root, 'src/js')).filter((file) => file.endsWith('.js'))) {
    for (const [, code] of read(`src/js/${name}`).matchAll(/(?:\bcode: |failure\()"([a-z0-9_]+)"/g)) {
      assert.ok(declared.has(code) || code === 'key_below_2048_bits', `${name}: ${code}`);
    }
  }
});

test('every entry exports what the declarations declare', async () => {
  const declared = new Set([...types.matchAll(/^export (?:function|class|const) (\w+)/gm)].map(([, name]) => name));
  for (const entry of ['index.js', 'node.js', 'inline.js']) {
    const exported = Object.keys(await import(path.join(root, 'pkg', entry)));
    assert.deepEqual(sorted(exported), sorted([...declared]), entry);
  }
});

test('a documented table of error codes names all of them', () => {
  const documents = [
    'README.md',
    ...(existsSync(path.join(root, 'docs'))
      ? readdirSync(path.join(root, 'docs'))
          .filter((name) => name.endsWith('.md'))
          .map((name) => `docs/${name}`)
      : []),
  ].filter((file) => existsSync(path.join(root, file)));
  const codes = table('src/error.rs', 'codes');
  for (const file of documents) {
    const rows = [...read(file).matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(([, code]) => code);
    // A table of something else shares no more than a few names with ours.
    if (rows.filter((code) => codes.includes(code)).length < codes.length / 2) continue;
    assert.deepEqual(
      codes.filter((code) => !rows.includes(code)),
      [],
      `${file} lacks codes`,
    );
  }
});
