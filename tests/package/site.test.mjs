// The check of the documentation's links finds what is wrong, and nothing else.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { check } from '../../scripts/site.mjs';
import { isPage, UNLISTED } from '../../site/.vitepress/pages.mjs';

test('a link to a page, a heading, a file or a picture that is not there is found', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-site-'));
  try {
    mkdirSync(path.join(folder, 'docs'));
    const write = (name, text) => writeFileSync(path.join(folder, name), text);
    write('docs/b.html', '<h2 id="größe">B</h2><a href="../index.html">home</a>');
    write('docs/c.png', 'picture');
    write(
      'index.html',
      `<h1 id="a">A</h1><img src="docs/c.png"><a href="https://elsewhere.example/#x">away</a><a href="mailto:a@b.example">mail</a>
       <a href="#a">A</a><a href="docs/b.html#gr%C3%B6%C3%9Fe">B</a><a href="docs/b#größe">B</a>`,
    );
    assert.deepEqual(check(folder, []), { wrong: [], pages: 1, links: 5 });

    write(
      'index.html',
      `<a href="#none">A</a><a href="docs/b.html#none">B</a><a href="docs/none.html">C</a><img src="docs/none.png">
       <div class="language-mermaid vp-adaptive-theme"><pre>flowchart LR</pre></div>`,
    );
    assert.deepEqual(check(folder, ['docs/lost.md']).wrong, [
      'docs/lost.md is on no list of site/.vitepress/pages.mjs',
      'index.html shows the text of a diagram in place of its picture',
      'index.html links to #none, but that page has no such heading',
      'index.html links to docs/b.html#none, but that page has no such heading',
      'index.html links to docs/none.html, which is not there',
      'index.html links to docs/none.png, which is not there',
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('every page of docs/ has a place in the site', () => {
  assert.deepEqual(UNLISTED, []);
  assert.equal(isPage('docs/decisions/0001-connections.md'), true);
  assert.equal(isPage('tests/vectors/README.md'), false);
});
