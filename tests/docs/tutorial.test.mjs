// Follows docs/tutorial.md as its reader does: every file, every command, and what each of them shows.
//
//   UPDATE_PICTURES=1 node --test tests/docs/tutorial.test.mjs      takes the pictures anew; look at each

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { freePort, root } from '../../scripts/project.mjs';
import { until } from '../browser/harness.mjs';
import { blocks, shown } from './blocks.mjs';

const PAGE = 'docs/tutorial.md';
const WAIT = 20_000;

test('the tutorial works as it stands', { timeout: 180_000 }, async () => {
  const ports = { 4600: await freePort(), 8080: await freePort(), 3000: await freePort() };
  // Others on this machine may have the tutorial's ports.
  const ported = (text) => text.replace(/\b(4600|8080|3000)\b/g, (port) => ports[port]);
  const home = mkdtempSync(path.join(os.tmpdir(), 'cardseal-tutorial-'));
  const target = process.env.CARDSEAL_TARGET ?? path.join(root, 'target');
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CARDSEAL_'))),
    CARDSEAL: root,
    PATH: `${path.join(target, 'debug')}${path.delimiter}${process.env.PATH}`,
  };
  const running = [];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  let shop = home;
  let last = { text: () => '' };
  let page;

  const shell = (text) => {
    const child = spawn('bash', ['-e', '-c', text], {
      cwd: shop,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk;
      });
    return { child, text: () => output };
  };
  /** Long-running programs have no sign of their own that all of them share. */
  const ready = async ({ child, text }, line) => {
    const port = /cardseal-sandbox/.test(line) ? 4600 : /cardseal-server/.test(line) ? 8080 : 3000;
    await until(`port ${port}`, async () => {
      if (child.exitCode !== null) throw new Error(`${line}\nended:\n${text()}`);
      return fetch(`http://127.0.0.1:${ports[port]}${port === 8080 ? '/livez' : '/'}`).then(
        () => true,
        () => false,
      );
    });
  };

  /** The shell and what it started, whose ports are free then. */
  const stop = async ({ child }) => {
    const gone = child.exitCode === null && child.signalCode === null ? once(child, 'close') : undefined;
    if (gone) process.kill(-child.pid, 'SIGTERM');
    await gone;
  };
  /** One would frighten a newcomer, who has done nothing wrong. One of the cards was declined, which is none. */
  const noWarning = (programs) => {
    const server = programs.find(({ command }) => /^cardseal-server/m.test(command));
    assert.equal(server.text().trim(), `{"ready":true,"listen":"127.0.0.1:${ports[8080]}"}`);
  };

  try {
    for (const block of blocks(PAGE)) {
      const at = `${PAGE}:${block.line}`;
      const [use = '', ...more] = block.words ?? [];
      assert.deepEqual(more, [], at);
      const text = ported(block.text ?? '');
      if (use.startsWith('file=')) writeFileSync(path.join(shop, use.slice('file='.length)), `${text}\n`);
      else if (use === 'run') {
        last = shell(text);
        const [code] = await once(last.child, 'close');
        assert.equal(code, 0, `${at}\n${last.text()}`);
        // Every later terminal begins in the folder that this step makes.
        if (existsSync(path.join(home, 'shop'))) shop = path.join(home, 'shop');
      } else if (use === 'start') {
        last = shell(text);
        running.push({ ...last, command: text });
        await ready(last, text);
      } else if (use === 'output')
        await until(`${at}: ${text}\ngot: ${last.text()}`, () => shown(text).test(last.text()));
      else if (use === 'page') assert.match((await page.textContent('body')).trim(), shown(text), at);
      else if (block.lang === 'comment' && block.name === 'browser') {
        const [action, number, save] = block.value.split(' ');
        const context = await browser.newContext({ viewport: { width: 480, height: 560 }, colorScheme: 'light' });
        page = await context.newPage();
        page.setDefaultTimeout(WAIT);
        const problems = [];
        page.on('pageerror', (error) => problems.push(error.message));
        page.on('console', (entry) => entry.type() === 'error' && problems.push(entry.text()));
        await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
        await page.goto(`http://127.0.0.1:${ports[3000]}/`);
        const form = page.locator('cardseal-card-form');
        await form.locator('[name=cardnumber]').waitFor();
        if (action === 'pay') {
          await form.locator('[name=cardnumber]').pressSequentially(number);
          await form.locator('[name=cc-exp]').pressSequentially(`12${String((new Date().getFullYear() + 3) % 100)}`);
          await form.locator('[name=cvc]').pressSequentially('123');
          await form.locator('[name=ccname]').pressSequentially('Ana Mora');
          if (save) await page.getByLabel('Save this card').check();
          await page.getByRole('button', { name: 'Pay' }).click();
          await page.getByRole('heading', { name: 'Your order' }).waitFor();
        } else assert.equal(await page.getByLabel('Save this card').isChecked(), false);
        assert.deepEqual(problems, [], at);
      } else if (block.lang === 'comment' && block.name === 'restart') {
        const before = running.splice(0);
        for (const program of before) await stop(program);
        for (const program of before) {
          running.push({ ...shell(program.command), command: program.command });
          await ready(running.at(-1), program.command);
        }
        noWarning(before);
      } else if (block.lang === 'picture') {
        const file = path.join(root, 'docs', block.src);
        if (process.env.UPDATE_PICTURES) {
          const height = await page.evaluate(
            () => Math.ceil(document.documentElement.getBoundingClientRect().height) + 64,
          );
          await page.screenshot({ path: file, clip: { x: 0, y: 0, width: 480, height: Math.min(height, 560) } });
        }
        assert.ok(existsSync(file), `${at}: UPDATE_PICTURES=1 takes ${block.src}`);
      } else assert.equal(use, 'built', `${at}: nothing says what this block is`);
    }
    noWarning(running);
  } finally {
    for (const program of running) await stop(program);
    await browser.close();
    rmSync(home, { recursive: true, force: true });
  }
});
