// `npm run growth` in its short form, on each database: the copies are whole, every call works on them, and a server that was killed with
// sessions under way starts again. Nothing here depends on how fast the machine is.

import assert from 'node:assert/strict';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { root } from '../../scripts/project.mjs';
import { run } from '../install.mjs';

const SIZES = [100, 10_000];
const CALLS = [
  'list of tokens',
  'list of payments',
  "list of a customer's tokens",
  'list of tokens, deep',
  'list of payments, deep',
  'show token',
  'show payment',
  'session',
  'tokenize',
  'charge',
  'change',
  'delete',
  ...['greenpay', 'gp_api', 'online_payments'].map((id) => `webhook ${id}`),
];
const START = 'start, 100 busy sessions';

const growth = (...args) => run(process.execPath, [path.join(root, 'scripts', 'growth.mjs'), ...args], { cwd: root });

/** A small database of PostgreSQL is mostly its own tables. */
const GROWS = { sqlite: 20, postgres: 2 };

for (const database of ['sqlite', 'postgres']) {
  test(`the short form fills databases of ${database} and makes every call on them`, { timeout: 600_000 }, () =>
    makesEveryCall(database),
  );
}

async function makesEveryCall(database) {
  const rows = JSON.parse(await growth('--database', database, '--short', '--json'));
  const of = (has) =>
    rows
      .filter(has)
      .map(({ name, rows: size }) => `${size} ${name}`)
      .sort();
  const each = (names) => SIZES.flatMap((size) => names.map((name) => `${size} ${name}`)).sort();
  const calls = rows.filter(({ p99_us: p99 }) => p99 !== undefined);
  assert.deepEqual(
    of((row) => calls.includes(row)),
    each(CALLS),
  );
  for (const { name, requests, p50_us: p50, p99_us: p99, max_us: max } of calls) {
    assert.ok(requests >= 12, `${name}: ${requests}`);
    assert.ok(p50 > 0 && p50 <= p99 && p99 <= max, name);
  }
  assert.deepEqual(
    of(({ ms }) => ms > 0),
    each([START]),
  );
  const files = rows.filter(({ name }) => name === 'file');
  for (const [index, size] of SIZES.entries()) {
    const { tokens, payments, idempotency_keys: keys, sessions, notifications, changes } = files[index].tables;
    assert.ok(tokens >= size && payments >= size && keys >= size);
    assert.ok(sessions >= size && notifications >= size && changes > 0);
  }
  assert.ok(files[1].bytes > GROWS[database] * files[0].bytes, JSON.stringify(files.map(({ bytes }) => bytes)));
  const { bytes_after_retention: bytes, tables_after_retention: left, tables: all } = files[0];
  // PostgreSQL keeps the space for new rows, and its own tables grow a little.
  assert.ok(bytes > 0 && bytes <= files[0].bytes * (database === 'sqlite' ? 1 : 1.1), `${bytes}`);
  assert.deepEqual([left.tokens, left.payments], [all.tokens, all.payments]);
  for (const table of ['sessions', 'idempotency_keys', 'notifications', 'changes']) {
    assert.ok(left[table] < all[table], table);
  }
  for (const { scanned } of files) assert.deepEqual(scanned, database === 'postgres' ? {} : null);
  const goals = [
    ...CALLS.map((name) => `goal: ${name}, p99 of that at 100`),
    ...(database === 'postgres' ? ['goal: rows read without an index'] : []),
    `goal: ${START}, ms`,
  ];
  assert.deepEqual(
    of(({ goal }) => goal),
    goals.map((name) => `10000 ${name}`).sort(),
  );
}

test('an option that does not exist is explained', async () => {
  await assert.rejects(growth('--rows', 'many'), /usage: npm run growth/);
  await assert.rejects(growth('--fast'), /usage: npm run growth/);
  await assert.rejects(growth('--database', 'oracle'), /usage: npm run growth/);
});
