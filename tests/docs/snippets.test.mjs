// Every fenced block of the documentation: run, compiled, type-checked or parsed, or with a comment that says why not:
//
//   <!-- not-checked: the reason -->      before a block
//
// A name that a snippet does not declare has the type that an earlier one of its page gives it. What no snippet declares,
// such as the page's own `show()`, is of any type. All else has to fit the types.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { transform } from 'esbuild';
import { parseFragment } from 'parse5';
import { parse as parseToml } from 'smol-toml';
import { root } from '../../scripts/project.mjs';
import { blocks } from './blocks.mjs';
import { scriptGlobals, typeErrors } from './types.mjs';

/** Made from the declarations, which `reference` compares: what stands in them are signatures. */
const GENERATED = ['docs/api.md', 'docs/card-form.md'];
/** Pages that another test follows from top to bottom. */
const FOLLOWED = ['docs/tutorial.md', 'docs/going-live.md'];

const below = (folder, pattern) =>
  readdirSync(path.join(root, folder), { recursive: true })
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')))
    .filter((name) => pattern.test(name) && !name.includes('node_modules'));
const PAGES = [
  'README.md',
  ...below('docs', /\.md$/),
  ...below('examples', /README\.md$/),
  'worldline/README.md',
].filter((page) => !GENERATED.includes(page));

/** All blocks of all pages, each with where it is and, perhaps, why it is not checked. */
const ALL = PAGES.flatMap((page) => {
  const found = blocks(page);
  return found.flatMap((block, index) => {
    if (['comment', 'picture'].includes(block.lang)) return [];
    const before = found[index - 1];
    const reason = before?.lang === 'comment' && before.name === 'not-checked' ? before.value : undefined;
    return [{ ...block, page, at: `${page}:${block.line}`, reason }];
  });
});

const of = (...langs) => ALL.filter(({ lang, reason }) => langs.includes(lang) && !reason);
const counts = {};
const count = (what, number) => {
  counts[what] = number;
};

/** The scripts in a piece of HTML. */
function scripts(node) {
  if (node.tagName === 'script') {
    const type = node.attrs.find(({ name }) => name === 'type')?.value;
    return type && type !== 'module' ? [] : [(node.childNodes ?? []).map(({ value }) => value).join('')];
  }
  return (node.content?.childNodes ?? node.childNodes ?? []).flatMap(scripts);
}

test('JavaScript and TypeScript fit the types of the package', async () => {
  const sources = [
    // What is a file of its own is run by the test of its page.
    ...of('js', 'ts', 'jsx', 'tsx')
      .filter(({ words }) => !words[0])
      .map(({ at, lang, text }) => ({ at, lang, text })),
    ...of('html').flatMap(({ at, text }) =>
      scripts(parseFragment(text))
        .filter((script) => script.trim())
        .map((script) => ({ at, lang: 'js', text: script })),
    ),
  ];
  assert.deepEqual(typeErrors(sources, await scriptGlobals()), []);
  assert.ok(sources.length > 20);
  count('type-checked', sources.length);
});

test('what does not fit the types is found, in a later snippet of its page too', () => {
  const first = { at: 'a.md:1', lang: 'js', text: 'const greenpay = new GreenPay({ publicKey });' };
  const later = (text) =>
    typeErrors([first, { at: 'a.md:9', lang: 'js', text }]).map((line) => line.split(':').slice(0, 2).join(':'));
  assert.deepEqual(later('show(await greenpay.tokenize(session, card));'), []);
  for (const wrong of [
    'await greenpay.tokenise(session, card);',
    'new GreenPay({ publicKey, conter: "byte" });',
    'import { openSesion } from "cardseal";',
    'import { load } from "cardseal/nowhere";',
    'const a = ;',
  ])
    assert.equal(later(wrong)[0], 'a.md:9 +1', wrong);
});

test('what does not fit the types of what a page moves from is found', async () => {
  const globals = await scriptGlobals();
  const wrong = (text) => typeErrors([{ at: 'a.md:1', lang: 'js', text }], globals).length > 0;
  for (const [right, other] of [
    ['GlobalPayments.configure({ env: "sandbox" });', 'GlobalPayments.configure({ env: 1 });'],
    [
      'GlobalPayments.creditCard.form("#card").ready(() => {});',
      'GlobalPayments.creditCard.form("#card").redy(() => {});',
    ],
    [
      'import { Session } from "onlinepayments-sdk-client-js"; new Session(data).getEncryptor();',
      'import { Session } from "onlinepayments-sdk-client-js"; new Session(data).getEncrypter();',
    ],
  ])
    assert.deepEqual([wrong(right), wrong(other)], [false, true], other);
});

test('HTML is well-formed', () => {
  const pages = of('html');
  const wrong = [];
  for (const { at, text } of pages)
    parseFragment(text, {
      sourceCodeLocationInfo: true,
      onParseError: ({ code, startLine }) =>
        code !== 'unexpected-doctype' && wrong.push(`${at} +${startLine}: ${code}`),
    });
  assert.deepEqual(wrong, []);
  count('HTML parsed', pages.length);
});

test('CSS is valid', async () => {
  const sheets = of('css');
  for (const { at, text } of sheets) {
    const { warnings } = await transform(text, { loader: 'css' });
    assert.deepEqual(
      warnings.map((warning) => warning.text),
      [],
      at,
    );
  }
  count('CSS parsed', sheets.length);
});

test('JSON is JSON, but for what `…` leaves out', () => {
  const values = of('json');
  for (const { at, text } of values) {
    // A `?` marks what is optional, and `…` between members stands for more of them.
    const whole = text
      .replace(/"\?:/g, '":')
      .replace(/(?<=[,{]\s*)…\s*,?|…(?=")(?<=,…)/g, '')
      .replace(/,\s*(?=[}\]])/g, '');
    for (const line of whole.trim().split(/\n(?=\{)/)) assert.doesNotThrow(() => JSON.parse(line), `${at}\n${line}`);
  }
  count('JSON parsed', values.length);
});

test('TOML is TOML, and every key is one of the server', () => {
  const known = new Set(
    [...readFileSync(path.join(root, 'server/config.example.toml'), 'utf8').matchAll(/^(?:# )?([\w-]+) = /gm)].map(
      ([, key]) => key,
    ),
  );
  const tables = of('toml');
  const keys = (value) =>
    Object.entries(value).flatMap(([key, inner]) => {
      const each = [inner].flat().filter((one) => one && typeof one === 'object' && !(one instanceof Date));
      return each.length > 0 ? each.flatMap(keys) : [key];
    });
  for (const { at, text } of tables)
    for (const key of keys(parseToml(text))) {
      // A secret may come from a file of its own.
      assert.ok(known.has(key) || known.has(key.replace(/_file$/, '')), `${at}: ${key} is no key of the server`);
    }
  count('TOML read', tables.length);
});

test('shell commands are well-formed, and the scripts that they name are there', () => {
  const { scripts: own } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const commands = of('sh');
  for (const { at, page, text } of commands) {
    const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
    assert.equal(status, 0, `${at}\n${stderr}`);
    if (page.startsWith('examples/')) continue;
    for (const [, script] of text.matchAll(/^npm (?:run )?(start|test|(?<=run )[\w:-]+)/gm))
      assert.ok(own[script], `${at}: there is no script ${script}`);
  }
  const run = commands.filter(({ page }) => FOLLOWED.includes(page)).length;
  count('commands run by the tests of their pages', run);
  count('commands parsed', commands.length - run);
});

test('Rust is what rustdoc compiles', () => {
  const excerpts = of('rust');
  for (const { at, words, text } of excerpts) {
    const [, file] = /^compiled=(.+)$/.exec(words[0] ?? '') ?? assert.fail(`${at}: compiled=FILE says where`);
    const examples = [
      ...readFileSync(path.join(root, file), 'utf8').matchAll(/^\/\/! ```\w*\n([\s\S]*?)^\/\/! ```$/gm),
    ];
    const visible = examples.map(([, lines]) =>
      lines
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/^\/\/! ?/, ''))
        .filter((line) => !/^#( |$)/.test(line))
        .join('\n'),
    );
    assert.ok(visible.includes(text), `${at} is no example of ${file}`);
  }
  count('Rust compiled', excerpts.length);
});

test('every other block is text, or run by a test of its page, or says why it is not checked', (t) => {
  const checked = ['js', 'ts', 'jsx', 'tsx', 'html', 'css', 'json', 'toml', 'sh', 'rust'];
  const run = of('python', 'php').filter(({ words }) => words[0]);
  const text = of('', 'text', 'sql', 'nginx');
  // The build of the site draws them, and fails if it cannot: the step `docs`.
  const drawn = of('mermaid');
  const without = ALL.filter(
    ({ lang, reason, ...block }) =>
      !reason &&
      !checked.includes(lang) &&
      !run.some(({ at }) => at === block.at) &&
      ![...text, ...drawn].some(({ at }) => at === block.at),
  );
  assert.deepEqual(
    without.map(({ at, lang }) => `${at}: \`\`\`${lang}`),
    [],
  );
  const not = ALL.filter(({ reason }) => reason);
  count('files and programs run', run.length + of('js').filter(({ words }) => words[0]).length);
  count('shown text', text.length);
  count('diagrams, which the site draws', drawn.length);
  count('not checked, with a reason', not.length);
  t.diagnostic(
    `${ALL.length} blocks on ${PAGES.length} pages: ${Object.entries(counts)
      .map(([what, number]) => `${number} ${what}`)
      .join(', ')}`,
  );
});
