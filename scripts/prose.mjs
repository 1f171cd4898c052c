// Reads the documentation's sentences for words that make a reader stop, and says which to write instead. Code, tables of
// generated references and quotations are left out.
//
//   node scripts/prose.mjs       `npm run lint` and `npm test` do this

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import MarkdownIt from 'markdown-it';
import { isMain, main, root, say } from './project.mjs';
import { ensure } from './setup.mjs';

/** What is found, and what to do about it. */
export const RULES = [
  // Promises that no reader can use.
  [/\b(?:simply|obviously|of course|just as easily|needless to say|easy to|easily)\b/gi, 'leave it out'],
  [
    /\b(?:seamless(?:ly)?|powerful|robust(?:ly)?|cutting[- ]edge|blazing(?:ly)?|world[- ]class|state[- ]of[- ]the[- ]art)\b/gi,
    'say what it does, with a figure',
  ],
  // Longer than the usual word.
  [/\butili[sz](?:e|es|ed|ing|ation)\b/gi, 'use'],
  [/\bin order to\b/gi, 'to'],
  [/\bdue to the fact that\b/gi, 'because'],
  [/\bat this point in time\b/gi, 'now'],
  [/\bprior to\b/gi, 'before'],
  [/\bin the event (?:that|of)\b/gi, 'if'],
  [/\b(?:a (?:large|vast) number|the (?:vast )?majority) of\b/gi, 'many, most, or the figure'],
  [/\bplease\b/gi, 'leave it out'],
  [/\bleverag(?:e|es|ed|ing)\b/gi, 'use'],
  [/\bhands? (?:it |them |the \w+ )?(?:in|over)\b/gi, 'submit, pass'],
  // Grammatical, and no engineer would write it.
  [/\bholds something else than\b/gi, 'contains characters other than'],
  [/\bsomething else than\b/gi, 'anything other than'],
  [/\bto the end of (?:it|them)\b/gi, 'completely'],
  [/\bWhat of (?:a|an|the)\b/g, 'say what is meant in a sentence with a subject'],
  [/\b(?:would|will) be seen never\b/gi, 'never happens'],
  [/\bare no chance\b/gi, 'cannot be accidental'],
  // The field's words.
  [/\bcard ?code\b/gi, 'security code, or CVC'],
  [/\b(?:CVV2?|CSC|CVN)\b/g, 'security code, or CVC'],
  [/\bcredit card number\b/gi, 'card number, or PAN'],
  [/\bweb ?hook end ?point\b/gi, 'webhook URL'],
  [/\bbackend\b/gi, 'back end'],
  [/\b(?:log|sign) ?in to\b/gi, 'log in at'],
  [/\bblack ?list|\bwhite ?list/gi, 'list of what is refused, or allowed'],
  // The same word twice.
  [/\b([a-z]{2,}) \1\b/gi, 'once'],
];

/** Longer sentences are read twice, unless they are lists. */
export const LONGEST = 45;
const LIST = 6;

const parser = new MarkdownIt({ html: true });

/** Each paragraph, list item and cell as `{ line, text }`, without code, quotations, pictures and links' targets. */
function paragraphs(markdown) {
  const found = [];
  let line = 0;
  for (const token of parser.parse(markdown, {})) {
    if (token.map) line = token.map[0] + 1;
    if (token.type !== 'inline') continue;
    const text = token.children
      .map(({ type, content }) =>
        type === 'text' ? content : type === 'code_inline' ? '`code`' : /break$/.test(type) ? ' ' : '',
      )
      .join('');
    // What is quoted is somebody else's.
    found.push({ line, text: text.replace(/"[^"]*"/g, '"…"') });
  }
  return found;
}

/** What is wrong in a page, a line each. */
export function read(page, markdown) {
  const wrong = [];
  for (const { line, text } of paragraphs(markdown)) {
    for (const [pattern, instead] of RULES)
      for (const [words] of text.matchAll(pattern)) {
        // "had had" and "that that" are grammatical.
        if (instead === 'once' && /^(?:had|that|code) /i.test(words)) continue;
        wrong.push(`${page}:${line}: "${words}": ${instead}`);
      }
    for (const sentence of text.split(/(?<=[.!?:;])\s+/)) {
      const { length } = sentence.split(/\s+/).filter(Boolean);
      if (length > LONGEST && sentence.split(/[,;]/).length < LIST)
        wrong.push(`${page}:${line}: a sentence of ${length} words: "${sentence.slice(0, 50)}…"`);
    }
  }
  return wrong;
}

/** The pages that people write. */
export const PROSE = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...['docs', 'examples'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true })
      .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')))
      .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
      .filter((name) => !/^docs\/(?:api|card-form)\.md$/.test(name)),
  ),
  'site/index.md',
  'worldline/README.md',
];

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(['node', 'packages']);
    const wrong = PROSE.flatMap((page) => read(page, readFileSync(path.join(root, page), 'utf8')));
    for (const line of wrong) say(line);
    say(`${PROSE.length} pages read, ${wrong.length} places to mend.`);
    return wrong.length === 0 ? 0 : 1;
  });
}
