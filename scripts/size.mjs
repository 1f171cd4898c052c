// What a page downloads, beside the two libraries that it replaces.
//
//   npm run size
//   npm run size -- --json       [{ name, raw, gzip, brotli }]

import { readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from './build.mjs';
import { isMain, main, pkg, root } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';

/** As a page's own build would: one minified module of everything that `source` reaches. */
export async function bundle(source, options = {}) {
  const { build: esbuild } = await import('esbuild');
  const result = await esbuild({
    stdin: { contents: source, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    write: false,
    logLevel: 'warning',
    ...options,
  });
  return Buffer.from(result.outputFiles[0].contents);
}

/** Each file is compressed by itself, as a server sends it. */
function weigh(name, files) {
  const sum = (measure) => files.reduce((total, file) => total + measure(file).length, 0);
  return {
    name,
    raw: sum((file) => file),
    gzip: sum((file) => gzipSync(file, { level: 9 })),
    brotli: sum((file) =>
      brotliCompressSync(file, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: 11,
          [constants.BROTLI_PARAM_LGWIN]: 24,
          [constants.BROTLI_PARAM_SIZE_HINT]: file.length,
        },
      }),
    ),
  };
}

/** The names that a page of one platform imports. */
const partOf = (name, platform) =>
  bundle(
    `export { load, ${platform}, openSession, validateCard, CardsealError } from ${JSON.stringify(path.join(pkg, name))};`,
  );
const everythingOf = (name) => bundle(`export * from ${JSON.stringify(path.join(pkg, name))};`);

export async function sizes() {
  const module = readFileSync(path.join(pkg, 'cardseal_bg.wasm'));
  const glue = await everythingOf('index.js');
  const peers = await bundle(`export * from './scripts/peers.mjs';`);
  const client = await bundle(`export * from 'onlinepayments-sdk-client-js';`);
  return {
    rows: [
      weigh('cardseal', [module, glue]),
      weigh('cardseal, GreenPay', [module, await partOf('index.js', 'GreenPay')]),
      weigh('cardseal/inline', [await everythingOf('inline.js')]),
      weigh('onlinepayments-sdk', [client]),
      weigh('aes-js+jsencrypt', [peers]),
    ],
    parts: [weigh('cardseal_bg.wasm', [module]), weigh('glue', [glue])],
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
      const columns = ['raw', 'gzip', 'brotli'].map(
        (key) =>
          row[key].toLocaleString('en').padStart(9) +
          (ratio ? ` (${(row[key] / reference[key]).toFixed(2)})` : '       '),
      );
      process.stdout.write(`${name.padEnd(20)}${columns.join('')}\n`);
    };
    process.stdout.write('\nBytes that a page downloads. In brackets: divided by aes-js+jsencrypt.\n\n');
    process.stdout.write(
      `${''.padEnd(20)}${['raw', 'gzip -9', 'brotli 11'].map((text) => `${text.padStart(9)}       `).join('')}\n`,
    );
    line(rows[0], true);
    for (const part of parts) line({ ...part, name: `  ${part.name}` }, false);
    for (const row of rows.slice(1)) line(row, true);
    process.stdout.write(`
cardseal          the module, and one minified module (esbuild) of all that its entry exports
cardseal, GreenPay  the module, and only what a page of that platform imports
cardseal/inline   the same as one file, with the module inside
onlinepayments-sdk  onlinepayments-sdk-client-js 3.6.2, another platform's client, bundled the same way
aes-js+jsencrypt  aes-js 3.1.2, jsencrypt 3.5.4 and twenty lines of packing, minified by esbuild into one module
Two files are compressed one by one, as a server sends them.
`);
  });
}
