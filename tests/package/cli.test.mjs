// `npx cardseal`: what it does itself, and what it hands to the native program of the same name.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const program = path.join(root, 'scripts/verify.mjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-cli-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A native program that tells its arguments and its input. */
function fake(where) {
  mkdirSync(path.join(folder, where), { recursive: true });
  const file = path.join(folder, where, 'cardseal');
  writeFileSync(
    file,
    `#!${process.execPath}\nprocess.stdin.pipe(process.stdout); console.log(...process.argv.slice(2)); process.exitCode = 3;\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

function run(args, env) {
  const home = path.join(folder, 'home');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    input: 'from standard input',
    env: { HOME: home, USERPROFILE: home, PATH: '', ...env },
  });
  return { status, stdout, stderr };
}

test('a command of the native program goes there, with its input and its exit code', () => {
  const file = fake('bin');
  for (const args of [['key', 'a', '--json'], ['doctor'], ['verify', 'answer', 'x']]) {
    for (const env of [{ PATH: path.dirname(file) }, { CARDSEAL_CLI: file }]) {
      const { status, stdout } = run(args, env);
      assert.equal(status, 3);
      assert.match(stdout, new RegExp(`^${args.join(' ')}\n`));
      assert.match(stdout, /from standard input$/);
    }
  }
});

test('without the native program it says how to get it, and nothing in node_modules or its own link is taken for it', () => {
  mkdirSync(path.join(folder, 'link'), { recursive: true });
  symlinkSync(program, path.join(folder, 'link/cardseal'));
  const inModules = path.dirname(fake('node_modules/.bin'));
  for (const PATH of ['', path.join(folder, 'link'), inModules, 'relative']) {
    const { status, stderr } = run(['key'], { PATH });
    assert.equal(status, 2, PATH);
    assert.match(stderr, /cargo install --path cli/);
  }
});

test('what the package does itself needs no native program', () => {
  writeFileSync(path.join(folder, 'a.txt'), 'a');
  const { status, stdout } = run(['list', folder]);
  assert.equal(status, 0);
  assert.ok(JSON.parse(stdout).files['a.txt']);
});
