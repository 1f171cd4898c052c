// The fenced blocks of the Markdown pages, and the comments that tell a test what a person would do.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/project.mjs';

/**
 * `{ lang, words, text, line }` of each block, in order: the language, what stands behind it in the opening line, and the
 * content without the indentation of the fence. `<!-- name: value -->` comes among them as `{ lang: 'comment', name, value }`,
 * and a picture as `{ lang: 'picture', src }`.
 */
export function blocks(file) {
  const found = [];
  let open;
  for (const [index, line] of readFileSync(path.join(root, file), 'utf8').split('\n').entries()) {
    const fence = /^( *)(```+)(.*)$/.exec(line);
    if (open) {
      if (fence && fence[2].length >= open.length && fence[3].trim() === '') {
        const { indent, lines, ...block } = open;
        found.push({ ...block, text: lines.map((each) => each.replace(indent, '')).join('\n') });
        open = undefined;
      } else open.lines.push(line);
    } else if (fence) {
      const [lang = '', ...words] = fence[3].trim().split(/\s+/);
      open = {
        lang,
        words,
        line: index + 1,
        lines: [],
        length: fence[2].length,
        indent: new RegExp(`^ {0,${fence[1].length}}`),
      };
    } else {
      const [, name, value] = /^ *<!-- ([\w-]+): (.*) -->$/.exec(line) ?? [];
      if (name) found.push({ lang: 'comment', name, value, line: index + 1 });
      const [, src] = /^!\[[^\]]*\]\(([^)]+)\)$/.exec(line) ?? [];
      if (src) found.push({ lang: 'picture', src, line: index + 1 });
    }
  }
  if (open) throw new Error(`${file}:${open.line}: the block has no end`);
  return found;
}

/** What a page shows of an output, as a pattern: `…` stands for anything on one line. */
export const shown = (text) => new RegExp(text.split('…').map(escaped).join('[^\\n]*?'));

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
