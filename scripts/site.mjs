// Builds the site of the documentation and checks every link in it: files, pages, headings, pictures.
//
//   node scripts/site.mjs          builds and checks; `npm test` does this as the step `docs`
//
// `npm run docs` does the same, with the pages of rustdoc beside it.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parse } from 'parse5';
import { UNLISTED } from '../site/.vitepress/pages.mjs';
import { isMain, main, must, root, say, targetFolder } from './project.mjs';
import { ensure } from './setup.mjs';

export const SITE = path.join(targetFolder(), 'site');

/** VitePress itself refuses a link to a page that is not there. It does not look at headings and files. */
export async function site() {
  await must(process.execPath, ['node_modules/vitepress/bin/vitepress.js', 'build', 'site'], {
    env: { NODE_ENV: 'production' },
  });
}

/** What is wrong, a line each, and how much was looked at. */
export function check(folder = SITE, unlisted = UNLISTED) {
  const pages = new Map(
    readdirSync(folder, { recursive: true })
      .filter((name) => name.endsWith('.html') && !name.startsWith('rust'))
      .map((name) => [name.replaceAll(path.sep, '/'), read(path.join(folder, name))]),
  );
  const wrong = unlisted.map((file) => `${file} is on no list of site/.vitepress/pages.mjs`);
  let links = 0;
  for (const [page, { targets, undrawn }] of pages) {
    if (page === '404.html') continue;
    if (undrawn) wrong.push(`${page} shows the text of a diagram in place of its picture`);
    for (const href of targets) {
      const url = new URL(href, `http://site/${page}`);
      if (url.host !== 'site' || !/^http/.test(url.protocol)) continue;
      links += 1;
      const file = decodeURIComponent(url.pathname).slice(1) || 'index.html';
      const found = [file, `${file}.html`].find((name) => isFile(path.join(folder, name)));
      // The pages of rustdoc are there after `npm run docs` alone.
      if (file.startsWith('rust/') && !existsSync(path.join(folder, 'rust'))) continue;
      if (!found) wrong.push(`${page} links to ${href}, which is not there`);
      else if (url.hash && pages.has(found) && !pages.get(found).ids.has(decodeURIComponent(url.hash.slice(1))))
        wrong.push(`${page} links to ${href}, but that page has no such heading`);
    }
  }
  return { wrong: [...new Set(wrong)], pages: pages.size - 1, links };
}

const isFile = (name) => existsSync(name) && statSync(name).isFile();

/** What a page links to, what in it can be linked to, and whether a diagram is left as text. */
function read(file) {
  const ids = new Set();
  let undrawn = false;
  const targets = [];
  const visit = ({ attrs = [], tagName, childNodes = [], content }) => {
    for (const { name, value } of attrs) {
      if (name === 'class' && /\blanguage-mermaid\b/.test(value)) undrawn = true;
      if (name === 'id' || (tagName === 'a' && name === 'name')) ids.add(value);
      // The build names its own scripts and styles.
      if ((tagName === 'a' && name === 'href') || (tagName === 'img' && name === 'src')) targets.push(value);
    }
    for (const child of content?.childNodes ?? childNodes) visit(child);
  };
  visit(parse(readFileSync(file, 'utf8')));
  return { ids, targets, undrawn };
}

/** Says what was found; an exit code. */
export function report({ wrong, pages, links }) {
  for (const line of wrong) say(line);
  say(`${path.relative(root, SITE)}: ${pages} pages, ${links} links checked, ${wrong.length} wrong.`);
  return wrong.length === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(['node', 'packages', 'browser']);
    await site();
    return report(check());
  });
}
