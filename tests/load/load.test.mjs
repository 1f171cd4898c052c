// `npm run load` in its short form: every row is there, and every request got its right answer from many clients at
// once. Nothing here depends on how fast the machine is.

import assert from 'node:assert/strict';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { PLATFORMS, root } from '../../scripts/project.mjs';
import { run } from '../install.mjs';

const LINUX = process.platform === 'linux';
const CLIENTS = [1, 16];
const NAMES = [
  ...PLATFORMS.map((name) => `session ${name.replaceAll('-', '_')}`),
  'config',
  'charge',
  ...(LINUX ? ['charge, 2 ms disk'] : []),
  'tokenize',
  'show payment',
  'list of tokens',
  "list of a customer's tokens",
  'list of payments',
  ...['1 worker', '2 workers'].flatMap((workers) =>
    ['/config', '/process-payment'].map((route) => `sample, ${workers}, ${route}`),
  ),
  'hello world',
];
const GOALS = [
  'session, processor time of the sample',
  'session, requests of the sample',
  'charge, processor time of the sample',
  'charge, requests of the sample',
  'charge, 2 ms disk, requests',
  'memory at rest, MB',
  'memory, connections, MB',
];

const load = (...args) => run(process.execPath, [path.join(root, 'scripts', 'load.mjs'), ...args], { cwd: root });

test('the short form makes every request and shows every row', { timeout: 600_000 }, async () => {
  const rows = JSON.parse(await load('--short', '--json'));
  const runs = rows.filter(({ rounds }) => rounds);
  const wanted = NAMES.flatMap((name) => CLIENTS.map((clients) => `${name} ${clients}`));
  assert.deepEqual(runs.map(({ name, clients }) => `${name} ${clients}`).sort(), wanted.sort());
  for (const row of runs) {
    const { name, clients, requests } = row;
    assert.equal(requests, clients * 3, name);
    assert.ok(row.requests_per_second > 0, name);
    assert.ok(row.p50_us > 0 && row.p50_us <= row.p99_us && row.p99_us <= row.max_us, name);
    if (!LINUX) continue;
    assert.equal(typeof row.cpu_us, 'number', name);
    assert.ok(row.rss_bytes > 1_000_000, name);
  }
  if (!LINUX) return;
  // In three requests, the server has used some of the clock's hundredths of a second.
  const busy = runs.filter(({ name, clients }) => name.startsWith('session') && clients === 16);
  assert.ok(busy.some(({ cpu_us: cpu }) => cpu > 0));
  const slow = runs.find(({ name, clients }) => name === 'charge, 2 ms disk' && clients === 1);
  // A charge is stored before the platform is called, and again with its outcome.
  assert.ok(slow.p50_us >= 4000, `${slow.p50_us}`);
  const held = rows.find(({ name }) => name === 'memory, connections');
  assert.equal(held.clients, 200);
  const rest = rows.find(({ name }) => name === 'memory at rest');
  assert.ok(held.rss_bytes > rest.rss_bytes && rest.rss_bytes > 1_000_000);
  assert.deepEqual(
    rows.filter(({ goal }) => goal).map(({ name }) => name),
    GOALS.map((name) => `goal: ${name}`),
  );
});

test('the short form makes them of servers on PostgreSQL, and counts what that uses', {
  timeout: 600_000,
}, async () => {
  const rows = JSON.parse(await load('--database', 'postgres', '--instances', '1', '--short', '--json'));
  const names = ['session gp_api', 'charge', 'tokenize', 'show payment', 'list of payments'];
  assert.deepEqual(
    rows.map(({ name, instances, clients }) => `${name} ${instances} ${clients}`).sort(),
    names.flatMap((name) => CLIENTS.map((clients) => `${name} 1 ${clients}`)).sort(),
  );
  for (const { name, clients, requests, ...row } of rows) {
    assert.equal(requests, clients * 3, name);
    assert.ok(row.p50_us > 0 && row.p50_us <= row.p99_us, name);
    if (LINUX) assert.ok(row.database_cpu_us >= 0 && row.rss_bytes > 1_000_000, name);
  }
  if (LINUX) assert.ok(rows.some(({ database_cpu_us: cpu }) => cpu > 0));
});

test('an option that does not exist is explained', async () => {
  await assert.rejects(load('--clients', 'many'), /usage: npm run load/);
  await assert.rejects(load('--fast'), /usage: npm run load/);
  await assert.rejects(load('--database', 'oracle'), /usage: npm run load/);
  await assert.rejects(load('--instances', '2'), /--database postgres/);
});
