// docs/test-cards.md against the sandbox's own tables.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');
const page = read('docs/test-cards.md');

/** The rows of the tables below a heading, cell by cell. */
function rows(heading) {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading));
  return [...section.matchAll(/^\| (.*) \|$/gm)]
    .map(([, line]) => line.split(' | '))
    .filter(([first]) => first.startsWith('`'))
    .map(([first, ...rest]) => [...first.matchAll(/`([^`]+)`/g)].map(([, each]) => each).concat(rest));
}

/** What a constant or a match of the sandbox's source holds. */
const found = (file, pattern) => [...read(`sandbox/src/${file}`).matchAll(pattern)].map(([, ...groups]) => groups);

test('GreenPay: every declined card with its code and text', () => {
  const cards = found('greenpay/bank.rs', /^ {4}\("(\d{16})", "(\d+)"\),$/gm);
  const texts = found('greenpay/bank.rs', /^ {8}("[\d" |]+) => "([^"]+)",$/gm);
  const text = (code) => texts.find(([codes]) => codes.includes(`"${code}"`))[1];
  assert.equal(cards.length, 22);
  assert.deepEqual(
    rows('GreenPay'),
    cards.map(([number, code]) => [number, code, text(code)]),
  );
});

test('GP API: every card that is not simply approved, with its result', () => {
  const results = { BY_BANK: '101', '"102"': '102', '"103"': '103', '"111"': '111' };
  const cards = found('gp_api/issuer.rs', /^ {4}\("(\d+)", Verdict::(?:Declined\(([^)]+)\)|\w+)\),$/gm);
  assert.equal(cards.length, 29);
  assert.deepEqual(
    rows('Global').map(([number, result]) => [number, result]),
    cards.map(([number, result]) => [number, result ? results[result] : 'none']),
  );
});

test('GP API: every card of 3-D Secure, with its version', () => {
  const cards = found('gp_api/threeds.rs', /^ {4}\("(\d+)", [\w:]+, V(\d)(\d), (?:true|false)\),$/gm);
  assert.equal(cards.length, 18);
  assert.deepEqual(
    rows('GP API: 3-D Secure').map(([number, version]) => [number, version]),
    cards.map(([number, major, minor]) => [number, `${major}.${minor}`]),
  );
});

test('Online Payments: the cards of its settings, and the amount of a declined refund', () => {
  const [[declined]] = found('online_payments/settings.rs', /declined_cards: vec!\[(.*)\],/g);
  const [[challenged]] = found('online_payments/settings.rs', /challenge_cards: vec!\[(.*)\],/g);
  const numbers = (list) => [...list.matchAll(/"(\d+)"/g)].map(([, number]) => number);
  assert.deepEqual(
    rows('Worldline Online').map(([number]) => number),
    [...numbers(declined), ...numbers(challenged)],
  );
  assert.deepEqual(found('online_payments/settings.rs', /declined_refund_amounts: vec!\[(.*)\],/g), [['1302']]);
  assert.match(page, /A refund of 13\.02 is declined/);
});

test('Worldline Acquiring: its declined cards, amounts and codes', () => {
  const [[cards]] = found('worldline_acquiring/issuer.rs', /DECLINED: \[&str; 2\] = \[(.*)\];/g);
  const [[codes]] = found('worldline_acquiring/issuer.rs', /WRONG_CODES: \[&str; 2\] = \[(.*)\];/g);
  const cents = found('worldline_acquiring/issuer.rs', /^ {8}(\d+) => /gm).map(([each]) => `.${each.padStart(2, '0')}`);
  const quoted = (list) => [...list.matchAll(/"(\d+)"/g)].map(([, each]) => each);
  const listed = rows('Worldline Acquiring').flatMap((row) => row.filter((cell) => /^\.?\d+$/.test(cell)));
  const inText = [...page.matchAll(/^\| amounts that end in (.*?) \|/gm)].flatMap(([, each]) => each.match(/\.\d\d/g));
  assert.deepEqual(listed, quoted(cards));
  assert.deepEqual(inText, cents);
  for (const code of quoted(codes)) assert.ok(page.includes(`\`${code}\``), code);
});

test('CCBill: the cents that decline, with code and text', () => {
  const source = read('sandbox/src/ccbill/charges.rs');
  const [, five, same] = /5 => Some\((\d+)\),\s+code @ \(([\d |]+)\)/.exec(source);
  const expected = [['05', five], ...same.split(' | ').map((code) => [code, code])];
  assert.deepEqual(
    rows('CCBill'),
    expected.map(([cents, code]) => [`.${cents}`, code, new RegExp(`^ {8}${code} => "([^"]+)"`, 'm').exec(source)[1]]),
  );
});

test('the switches: each option of the program', () => {
  const options = [...read('sandbox/src/main.rs').matchAll(/^ {2}(--[\w-]+)/gm)].map(([, name]) => name);
  const listed = rows('The sandbox').map(([name]) => name.split(' ')[0]);
  for (const name of listed) assert.ok(options.includes(name), name);
  assert.deepEqual(
    options.filter((name) => !listed.includes(name)),
    ['--key-bits', '--exit-with-stdin', '--version', '--help'],
  );
});
