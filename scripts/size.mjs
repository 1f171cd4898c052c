// What a page downloads, compared with the two libraries that the package replaces.
//
//   npm run size
//   npm run size -- --json       [{ name, raw, gzip, brotli }]

import path from 'node:path';
import process from 'node:process';
import { gzipSync } from 'node:zlib';
import { compressed, fromPkg, inPkg } from './bench-shared.mjs';
import { build } from './build.mjs';
import { moduleOf } from './entries.mjs';
import { FALLBACK } from './fallback.mjs';
import { isMain, main, PLATFORMS, root } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';

/** As a page's own build would: minified modules of everything that `source` reaches. */
async function built(source, options) {
  const { build: esbuild } = await import('esbuild');
  return esbuild({
    stdin: { contents: source, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    // Fetched where there is no WebAssembly, and nowhere else.
    external: [`*/${FALLBACK}`],
    write: false,
    logLevel: 'warning',
    ...options,
  });
}

/** All of it as one file. */
export async function bundle(source, options) {
  const { outputFiles } = await built(source, options);
  return Buffer.from(outputFiles[0].contents);
}

/** Each file is compressed by itself, as a server sends it. */
function weigh(name, files) {
  const sum = (measure) => files.reduce((total, file) => total + measure(file).length, 0);
  return {
    name,
    raw: sum((file) => file),
    gzip: sum((file) => gzipSync(file, { level: 9 })),
    brotli: sum(compressed),
  };
}

/** The files that a bundler makes of it where it can split, by name: what is loaded at once, and what later. */
export async function split(source) {
  const { outputFiles, metafile } = await built(source, { splitting: true, metafile: true, outdir: 'out' });
  const { outputs } = metafile;
  const madeOf = (entry) => Object.entries(outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(entry))[0];
  /** With all that it imports itself. */
  const whole = (file) => {
    const files = new Set([file]);
    for (const one of files) {
      for (const { path: name, kind } of outputs[one].imports) if (kind === 'import-statement') files.add(name);
    }
    return files;
  };
  const first = madeOf('<stdin>');
  const atOnce = whole(first);
  const contents = new Map(outputFiles.map((file) => [path.basename(file.path), Buffer.from(file.contents)]));
  const of = (names) => names.map((name) => [path.basename(name), contents.get(path.basename(name))]);
  return {
    entry: path.basename(first),
    atOnce: of([...atOnce]),
    later: of(Object.keys(outputs).filter((name) => !atOnce.has(name))),
    /** What is fetched for a dynamic import of `entry`, beyond what is there at once. */
    beside: (entry) => of([...whole(madeOf(entry))].filter((name) => !atOnce.has(name))),
  };
}

/** An entry: all that it exports, and its module. */
async function entry(name, file, module) {
  const files = await split(`export * from ${inPkg(file)};`);
  const [atOnce, later] = [files.atOnce, files.later].map((list) => list.map(([, contents]) => contents));
  const wasm = fromPkg(module);
  return {
    row: weigh(name, [wasm, ...atOnce, ...later]),
    parts: [weigh(module, [wasm]), weigh('what calls it', later), weigh('layer', atOnce)],
  };
}

export async function sizes() {
  const entries = [await entry('cardseal', 'index.js', 'cardseal_bg.wasm')];
  for (const name of PLATFORMS) {
    entries.push(await entry(`cardseal/${name}`, `${name}.js`, `${moduleOf(name)}_bg.wasm`));
  }
  const form = await split(`import ${inPkg('card-form.js')};`);
  const files = (...lists) => lists.flat().map(([, contents]) => contents);
  const layers = entries.map(({ parts }) => parts.at(-1));
  const of = async (source) => [await bundle(source)];
  return {
    rows: [
      ...entries.map(({ row }) => row),
      { ...layers[0], name: 'before the form' },
      { ...layers[1], name: 'same, GreenPay' },
      weigh('cardseal/card-form', files(form.atOnce)),
      weigh('card form, GreenPay', files(form.atOnce, form.beside('greenpay-inline.js'))),
      weigh('the same, German', files(form.atOnce, form.beside('greenpay-inline.js'), form.beside('languages/de.js'))),
      weigh('cardseal/inline', await of(`export * from ${inPkg('inline.js')};`)),
      weigh(FALLBACK, [fromPkg(FALLBACK)]),
      weigh('onlinepayments-sdk', await of(`export * from 'onlinepayments-sdk-client-js';`)),
      weigh('same work', await of(`export * from './scripts/peers-form.mjs';`)),
      weigh('aes-js+jsencrypt', await of(`export * from './scripts/peers.mjs';`)),
    ],
    parts: Object.fromEntries(entries.map(({ row, parts }) => [row.name, parts])),
  };
}

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(TO_BUILD);
    await build();
    const { rows, parts } = await sizes();
    if (process.argv.includes('--json')) {
      process.stdout.write(`${JSON.stringify(rows)}\n`);
      return;
    }
    const reference = rows.at(-1);
    const line = ({ name, ...row }, ratio) => {
      const cells = ['raw', 'gzip', 'brotli'].map((key) => {
        const divided = ratio ? ` (${(row[key] / reference[key]).toFixed(2)})` : '       ';
        return row[key].toLocaleString('en').padStart(9) + divided;
      });
      process.stdout.write(`${name.padEnd(36)}${cells.join('')}\n`);
    };
    process.stdout.write('\nThe bytes that a page downloads. In brackets: divided by aes-js+jsencrypt.\n\n');
    const head = ['raw', 'gzip -9', 'brotli 11'].map((text) => `${text.padStart(9)}       `);
    process.stdout.write(`${''.padEnd(36)}${head.join('')}\n`);
    for (const row of rows) {
      line(row, true);
      for (const part of parts[row.name] ?? []) line({ ...part, name: `  ${part.name}` }, false);
    }
    process.stdout.write(`
cardseal            the module with all platforms, and everything the entry exports, split and minified by esbuild
cardseal/greenpay … the same with one platform
before the form     of cardseal, and of cardseal/greenpay: the script that the form needs before it can be used; the rest arrives meanwhile
cardseal/card-form  the card form before its platform has come; what is fetched then is split off by every bundler
card form, GreenPay  all that a page with the card form downloads for this platform, in English or in German
cardseal/inline     everything as one file, with the module inside
${FALLBACK}  the module as JavaScript with its glue: what a browser without WebAssembly fetches instead
onlinepayments-sdk  onlinepayments-sdk-client-js 3.6.2, another platform's client, bundled the same way
same work           aes-js 3.1.2, jsencrypt 3.5.4, card-validator 10.0.4 and cleave-zen 0.0.17: they encrypt, check and format
aes-js+jsencrypt    aes-js 3.1.2, jsencrypt 3.5.4 and twenty lines around them
Each file is compressed on its own, as a server sends it.
`);
  });
}
