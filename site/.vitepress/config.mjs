// The documentation as a site: the Markdown files of this repository, in four kinds of page, and pages made from the
// server's OpenAPI description and its example configuration. `npm run docs` builds it, offline.

import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { slug } from 'github-slugger';
import { ask, root, targetFolder } from '../../scripts/project.mjs';
import { diagrams, draw } from './diagrams.mjs';
import { isPage, PAGES, SIDEBAR } from './pages.mjs';

const target = targetFolder();
/** What pages link to that is not a page, and is published beside them. */
const files = new Set(['docs/demo.png']);

/** In characters. */
const SHORT_NAME = 20;

const markdown = ask('git', ['ls-files', '-co', '--exclude-standard', '*.md']).split('\n').filter(Boolean);
await draw(
  markdown.filter((file) => isPage(file)),
  path.join(target, 'site-diagrams'),
);

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect y="2" width="16" height="12" rx="2" fill="#0f766e"/><path fill="#fff" d="M0 5h16v2H0zm2 5h4v1H2z"/></svg>';

export default {
  title: 'Cardseal',
  description: 'Turn a card into a token in the checkout page, and charge it, on five payment platforms.',
  lang: 'en-GB',
  // The pages keep the places that they have in the repository, so one relative link works in both.
  srcDir: root,
  srcExclude: ['target/**', 'pkg/**', ...markdown.filter((file) => !isPage(file))],
  rewrites: { 'site/index.md': 'index.md', 'site/reference/:page': 'reference/:page' },
  outDir: path.join(target, 'site'),
  cacheDir: path.join(target, 'site-cache'),
  lastUpdated: false,
  // The build of `cargo doc`, which `npm run docs` puts there.
  ignoreDeadLinks: [/^\/rust\//],
  metaChunk: true,
  head: [
    ['meta', { name: 'theme-color', content: '#0f766e' }],
    ['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }],
  ],
  markdown: {
    // As hosts of repositories make them, so that one link to a heading works there and here.
    anchor: { slugify: (text) => slug(text) },
    headers: { slugify: (text) => slug(text) },
    config: (md) => {
      diagrams(md);
      keepNames(md);
      md.core.ruler.push('files', (state) => linkFiles(state.tokens, state.env.path));
    },
  },
  themeConfig: {
    nav: SIDEBAR.map(({ text, items }) => ({ text, link: firstLink(items) })),
    sidebar: SIDEBAR,
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    docFooter: { prev: 'Previous', next: 'Next' },
  },
  vite: {
    publicDir: false,
    server: { watch: { ignored: [`${target}/**`] } },
    build: { chunkSizeWarningLimit: 2000 },
  },
  buildEnd({ outDir }) {
    for (const file of files) {
      const copy = path.join(outDir, file);
      mkdirSync(path.dirname(copy), { recursive: true });
      copyFileSync(path.join(root, file), copy);
    }
  },
};

function firstLink(items) {
  const [first] = items;
  return first.link ?? firstLink(first.items);
}

/** Short names in tables are not broken; long ones may be, where a column would grow too wide otherwise. */
function keepNames(md) {
  const code = md.renderer.rules.code_inline;
  md.renderer.rules.code_inline = (tokens, index, ...rest) => {
    const token = tokens[index];
    if (token.content.length <= SHORT_NAME) token.attrJoin('class', 'name');
    return code(tokens, index, ...rest);
  };
}

/** Notes the files that a page links to, and points a link to a folder at the page that describes it. */
function linkFiles(tokens, page) {
  for (const token of tokens.flatMap((token) => token.children ?? [])) {
    if (token.type !== 'link_open') continue;
    const href = token.attrGet('href');
    if (/^([a-z]+:|#)/i.test(href)) continue;
    const [name, anchor = ''] = href.split(/(?=#)/);
    const file = name.startsWith('/') ? path.join(root, name) : path.resolve(path.dirname(page), name);
    if (!existsSync(file)) continue;
    const relative = path.relative(root, file);
    if (statSync(file).isDirectory()) {
      const readme = path.join(relative, 'README.md');
      if (PAGES.has(readme)) token.attrSet('href', `${name.replace(/\/$/, '')}/README.md${anchor}`);
    } else if (!file.endsWith('.md')) {
      files.add(relative);
      token.attrSet('target', '_self');
    }
  }
}
