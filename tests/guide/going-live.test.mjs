// docs/going-live.md, followed from top to bottom: each `sh` block is run, in one shell, and prints what the `text` block
// after it says. A block after `<!-- by hand: … -->` is left out. In a `text` block, `…` stands for any text, and alone on
// a line for any lines. Ports and the database's address are replaced by free ones.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { postgresPrograms, startPostgres } from '../../scripts/postgres.mjs';
import { freePort, root, targetFolder } from '../../scripts/project.mjs';

const GUIDE = path.join(root, 'docs', 'going-live.md');
/** The ports that the guide uses, each at 127.0.0.1 or as an argument of its own. */
const PORTS = ['8080', '9070', '9080', '9464'];
const DATABASE = 'postgres://cardseal@127.0.0.1:5432/';
/** Longer than all of it takes on a busy machine. */
const WITHIN_MS = 400_000;
const MARK = '@@ block';

/** The blocks that are run, each with the line where it begins and what it prints. */
function blocks(text) {
  const found = [];
  const fence = /(<!-- by hand: [^>]*-->\n)?^```(sh|text)\n([\s\S]*?)^```$/gm;
  for (const { 1: byHand, 2: kind, 3: body, index } of text.matchAll(fence)) {
    const line = text.slice(0, index).split('\n').length;
    if (kind === 'sh' && !byHand) found.push({ line, body });
    if (kind === 'text') {
      assert.ok(found.length > 0 && !found.at(-1).prints, `line ${line}: output without a command`);
      found.at(-1).prints = body;
    }
  }
  return found;
}

/** What a `text` block matches. */
function pattern(text) {
  const escaped = (part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const lines = text.split('\n').map((line) => {
    if (line.trim() === '…') return '(?:.*\\n)*?';
    return `${line.split('…').map(escaped).join('.*')}\\n`;
  });
  return new RegExp(`^\\n*${lines.join('').replace(/\\n$/, '')}\\s*$`);
}

test('what stands for any text does, and nothing else', () => {
  assert.match('a\n1 b\n', pattern('a\n… b\n'));
  assert.match('a\nx\ny\nb\n', pattern('a\n…\nb\n'));
  assert.doesNotMatch('a\nx\nb\n', pattern('a\nb\n'));
  assert.doesNotMatch('a\nb.\n', pattern('a\n.\n'));
});

test('every command of the guide works as it stands, and prints what the guide says', {
  timeout: 600_000,
}, async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-guide-'));
  const database = await startPostgres();
  let shell;
  let late;
  try {
    let text = readFileSync(GUIDE, 'utf8');
    for (const port of PORTS) {
      text = text.replace(new RegExp(`(?<=[: (])${port}(?=[/ ",\`\\n]|$)`, 'gm'), await freePort());
    }
    text = text.replaceAll(DATABASE, database.url.slice(0, database.url.lastIndexOf('/') + 1));
    const all = blocks(text);
    assert.ok(all.length > 10);

    const bin = path.join(folder, 'bin');
    const shop = path.join(folder, 'shop');
    for (const made of [bin, shop]) mkdirSync(made);
    for (const name of ['cardseal-server', 'cardseal-sandbox']) {
      symlinkSync(path.join(targetFolder(), 'debug', name), path.join(bin, name));
    }
    const script = path.join(folder, 'script.sh');
    const marked = all.map(({ body, line }) => `echo '${MARK} ${line}'\n${body}`);
    // What runs in the background ends with the shell, however that ends.
    const end = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT";
    writeFileSync(script, `set -e\n${end}\n${marked.join('')}echo '${MARK} end'\n`);
    chmodSync(script, 0o700);
    let output = '';
    const code = await new Promise((resolve) => {
      // Settings that a person has for another server must not reach this one.
      const own = Object.entries(process.env).filter(([key]) => !key.startsWith('CARDSEAL_'));
      shell = spawn('bash', [script], {
        cwd: shop,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...Object.fromEntries(own),
          PATH: [bin, postgresPrograms(), process.env.PATH].join(path.delimiter),
          CARDSEAL: root,
        },
      });
      for (const stream of [shell.stdout, shell.stderr]) {
        stream.setEncoding('utf8').on('data', (chunk) => {
          output += chunk;
        });
      }
      shell.on('close', resolve);
      late = setTimeout(() => shell.kill(), WITHIN_MS);
    });
    if (process.env.GUIDE_OUTPUT) process.stderr.write(output);
    const parts = output.split(new RegExp(`^${MARK} .*\\n`, 'm')).slice(1);
    assert.equal(code, 0, `line ${all[parts.length - 1]?.line} of the guide failed:\n${parts.at(-1)}`);
    for (const [index, { line, body, prints }] of all.entries()) {
      assert.match(parts[index], pattern(prints ?? ''), `line ${line}:\n${body}\nprinted\n${parts[index]}`);
    }
  } finally {
    clearTimeout(late);
    shell?.kill();
    await database.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
