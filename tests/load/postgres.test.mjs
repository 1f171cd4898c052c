// A PostgreSQL that is stopped and started again under a server: requests are refused meanwhile, nothing that was told is
// lost, and the server goes on by itself.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { startPostgres } from '../../scripts/postgres.mjs';
import { targetFolder } from '../../scripts/project.mjs';
import { toml } from '../../scripts/toml.mjs';

const ORIGIN = 'https://shop.example';
const KEY = '5f3a9c1e7b2d4068af91c3e5d7b80246';
const PASSWORD = 'hunter2-of-the-database';

const program = (name) => path.join(targetFolder(), 'debug', process.platform === 'win32' ? `${name}.exe` : name);

async function ready(child) {
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, 'line');
  return JSON.parse(line);
}

test('a database that goes away comes back without a restart of the server', { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-postgres-test-'));
  const database = await startPostgres();
  const children = [];
  let log = '';
  try {
    const sandbox = spawn(program('cardseal-sandbox'), ['--listen', '127.0.0.1:0', '--exit-with-stdin'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    children.push(sandbox);
    const { server_settings: platforms } = await ready(sandbox);
    const config = path.join(folder, 'cardseal.toml');
    const password = path.join(folder, 'password');
    writeFileSync(password, `${PASSWORD}\n`, { mode: 0o600 });
    writeFileSync(
      config,
      toml({
        server: { listen: '127.0.0.1:0', allowed_origins: [ORIGIN], api_key: KEY },
        database: { url: database.url, password_file: password },
        limits: { browser_requests_per_minute: 100_000, browser_burst: 10_000, sessions_per_minute: 100_000 },
        platforms: { greenpay: platforms.greenpay },
      }),
      { mode: 0o600 },
    );
    const server = spawn(program('cardseal-server'), ['--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: folder,
    });
    children.push(server);
    server.stderr.on('data', (text) => {
      log += text;
    });
    const { listen } = await ready(server);
    const url = `http://${listen}`;
    const open = () =>
      fetch(`${url}/v1/sessions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: ORIGIN },
        body: '{}',
      });
    const told = [];
    const shop = async () => {
      const answer = await open();
      const body = await answer.json();
      if (answer.status === 201) told.push(body.id);
      else assert.deepEqual([answer.status, body.code], [503, 'storage_unavailable']);
      return answer.status;
    };
    // What the probe found is believed for a second.
    const saysReady = async (status) => {
      const patience = Date.now() + 60_000;
      while ((await fetch(`${url}/readyz`)).status !== status) {
        assert.ok(Date.now() < patience, log);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    for (let round = 0; round < 2; round += 1) {
      assert.equal(await shop(), 201);
      const busy = Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let n = 0; n < 20; n += 1) await shop();
        }),
      );
      // Whatever else fails first is the error to show.
      busy.catch(() => {});
      // As a crash would, and then politely.
      await database.pause(round === 0 ? 'SIGQUIT' : 'SIGINT');
      assert.equal(await shop(), 503);
      await saysReady(503);
      await busy;
      await database.resume();
      const patience = Date.now() + 60_000;
      while ((await shop()) !== 201) {
        assert.ok(Date.now() < patience, log);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const headers = { authorization: `Bearer ${KEY}` };
      for (const id of told) assert.equal((await fetch(`${url}/v1/sessions/${id}`, { headers })).status, 200, id);
      await saysReady(200);
    }
    assert.ok(told.length >= 4);
    assert.ok(!log.includes(PASSWORD) && !log.includes('postgres://'), log);
  } finally {
    for (const child of children) {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await database.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
