// Draws the mermaid diagrams of the pages before the site is built. Each becomes two pictures, for a light and a dark
// page, so the site needs no script of mermaid's, no other host, and no exception in a Content-Security-Policy.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import MarkdownIt from 'markdown-it';
import { chromium, isRoot, root, Stop } from '../../scripts/project.mjs';

/**
 * Mermaid's own build in one file, without dependencies: what hosts of repositories draw the same text with. It runs in
 * the browser of the tests, because it measures text.
 */
const MERMAID = createRequire(import.meta.url).resolve('@mermaid-js/tiny');

/** The colours of the theme, with a contrast of at least 4.5 for every text. */
const THEMES = {
  light: {
    background: '#ffffff',
    primaryColor: '#e6f4f2',
    primaryBorderColor: '#0f766e',
    primaryTextColor: '#1f2328',
    secondaryColor: '#f6f6f7',
    tertiaryColor: '#f6f6f7',
    lineColor: '#5b6470',
    textColor: '#1f2328',
    noteBkgColor: '#fff8e1',
    noteBorderColor: '#b58a00',
    noteTextColor: '#1f2328',
    clusterBkg: '#f6f6f7',
    clusterBorder: '#c2c7cf',
    edgeLabelBackground: '#ffffff',
    labelBoxBkgColor: '#e6f4f2',
    labelBoxBorderColor: '#0f766e',
    activationBkgColor: '#cfe8e4',
    activationBorderColor: '#0f766e',
  },
  dark: {
    darkMode: true,
    background: '#1b1b1f',
    primaryColor: '#17332f',
    primaryBorderColor: '#2dd4bf',
    primaryTextColor: '#e6e6ea',
    secondaryColor: '#25252b',
    tertiaryColor: '#25252b',
    lineColor: '#9aa3ad',
    textColor: '#e6e6ea',
    noteBkgColor: '#3a3213',
    noteBorderColor: '#d4b13a',
    noteTextColor: '#f3ecd2',
    clusterBkg: '#25252b',
    clusterBorder: '#4b4f58',
    edgeLabelBackground: '#1b1b1f',
    labelBoxBkgColor: '#17332f',
    labelBoxBorderColor: '#2dd4bf',
    activationBkgColor: '#22504a',
    activationBorderColor: '#2dd4bf',
  },
};

const SETTINGS = {
  startOnLoad: false,
  securityLevel: 'strict',
  theme: 'base',
  look: 'classic',
  // Text of SVG itself: a label in HTML would be cut off where a reader's font is wider.
  htmlLabels: false,
  fontFamily: 'Helvetica, Arial, "Liberation Sans", sans-serif',
  fontSize: 14,
  flowchart: {
    htmlLabels: false,
    useMaxWidth: false,
    look: 'classic',
    padding: 10,
    minNodeWidth: 60,
    nodeSpacing: 24,
    rankSpacing: 45,
    wrappingWidth: 260,
    subGraphTitleMargin: { top: 6, bottom: 10 },
  },
  sequence: {
    useMaxWidth: false,
    look: 'classic',
    diagramMarginX: 4,
    diagramMarginY: 4,
    width: 110,
    height: 44,
    actorMargin: 26,
    mirrorActors: false,
    actorFontSize: 14,
    messageFontSize: 14,
    noteFontSize: 14,
  },
  state: {
    useMaxWidth: false,
    look: 'classic',
    layout: 'dagre',
    minNodeWidth: 60,
    wrappingWidth: 260,
    nodeSpacing: 24,
    rankSpacing: 45,
  },
};

/** Where words cross a line, they stay readable. */
const css = ({ background }) =>
  `.messageText, .edgeLabel text { paint-order: stroke; stroke: ${background}; stroke-width: 5px; }`;

const parser = new MarkdownIt({ html: true });

const drawn = new Map();

/**
 * Draws what the pages have, into SVG files in the folder.
 *
 * @param {string[]} pages below the root
 */
export async function draw(pages, folder) {
  const found = pages.flatMap((page) =>
    parser
      .parse(readFileSync(path.join(root, page), 'utf8'), {})
      .filter(({ type, info }) => type === 'fence' && info.trim() === 'mermaid')
      .map(({ content, map }) => ({ at: `${page}:${map[0] + 1}`, source: content })),
  );
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const pictures = await render(found);
  for (const [index, { at, source }] of found.entries()) {
    const [title, text] = ['accTitle', 'accDescr'].map(
      (name) => new RegExp(`^ *${name}: *(.+)$`, 'm').exec(source)?.[1],
    );
    if (!title || !text) throw new Stop(`${at}: a diagram needs accTitle and accDescr, for those who do not see it`);
    const files = {};
    for (const [theme, { svg, width, height, error }] of Object.entries(pictures[index])) {
      if (error) throw new Stop(`${at}: ${error}`);
      const name = `${createHash('sha256').update(svg).digest('hex').slice(0, 16)}.svg`;
      writeFileSync(path.join(folder, name), svg);
      files[theme] = { file: path.join(folder, name), width, height };
    }
    drawn.set(source, { alt: `${title}. ${text}`, title, files });
  }
}

/** Each diagram in both themes: its SVG and its size in pixels, or what is wrong with it. */
async function render(found) {
  if (found.length === 0) return [];
  const executablePath = chromium();
  if (!executablePath) throw new Stop('Chromium is missing, which draws the diagrams; `npm run setup` installs it.');
  const { chromium: playwright } = await import('playwright-core');
  const browser = await playwright.launch({
    executablePath,
    args: ['--disable-gpu', ...(isRoot ? ['--no-sandbox'] : [])],
  });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ path: MERMAID });
    const pictures = found.map(() => ({}));
    for (const [theme, themeVariables] of Object.entries(THEMES)) {
      const all = await page.evaluate(
        async ({ sources, settings }) => {
          const { mermaid } = globalThis;
          mermaid.initialize(settings);
          const pictures = [];
          for (const [index, source] of sources.entries()) {
            try {
              const { svg: text } = await mermaid.render(`d${index}`, source);
              const svg = new DOMParser().parseFromString(text, 'text/html').querySelector('svg');
              const [, , width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
              svg.setAttribute('width', Math.ceil(width));
              svg.setAttribute('height', Math.ceil(height));
              // The picture's alternative text says it.
              svg.removeAttribute('aria-roledescription');
              pictures.push({
                svg: new XMLSerializer().serializeToString(svg),
                width: Math.ceil(width),
                height: Math.ceil(height),
              });
            } catch (error) {
              pictures.push({ error: error.message });
            }
          }
          return pictures;
        },
        {
          sources: found.map(({ source }) => source),
          settings: { ...SETTINGS, themeVariables, themeCSS: css(themeVariables) },
        },
      );
      for (const [index, picture] of all.entries()) pictures[index][theme] = picture;
    }
    return pictures;
  } finally {
    await browser.close();
  }
}

/** Has markdown-it put the pictures where the diagrams' text stands. */
export function diagrams(md) {
  const fence = md.renderer.rules.fence;
  md.renderer.rules.fence = (tokens, index, options, env, self) => {
    const { info, content } = tokens[index];
    const diagram = info.trim() === 'mermaid' && drawn.get(content);
    // One that a person has just written, while they look at the site under development, is shown as text.
    if (!diagram) return fence(tokens, index, options, env, self);
    const { escapeHtml } = md.utils;
    const images = Object.entries(diagram.files).map(([theme, { file, width, height }]) => {
      const relative = path.relative(path.dirname(env.path), file).replaceAll(path.sep, '/');
      const src = relative.startsWith('.') ? relative : `./${relative}`;
      return `<img class="${theme}" src="${src}" width="${width}" height="${height}" alt="${escapeHtml(diagram.alt)}">`;
    });
    // Wider than a phone, it scrolls, for which the keyboard needs the focus.
    return `<div class="diagram" role="group" tabindex="0" aria-label="${escapeHtml(diagram.title)}">${images.join('')}</div>\n`;
  };
}
