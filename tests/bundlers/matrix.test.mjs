// The packed package in every bundler and runtime that is promised, each as configured when nothing is configured.
// Every cell packs a card, and the harness opens it with the private key.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build as esbuild } from 'esbuild';
import { launch } from '../browser/harness.mjs';
import { generator, plaintext, randomCard, seed } from '../interop/cards.mjs';
import { OPENERS, unwrap, vectors } from '../interop/libraries.mjs';
import { platformProgram, run, tools, workplace } from './install.mjs';
import { serve } from './serve.mjs';

const KEY = vectors.rsa_keys.t1024;
const here = path.dirname(fileURLToPath(import.meta.url));
const random = generator(seed);
const ENTRIES = { main: 'cardseal', inline: 'cardseal/inline', fetch: 'cardseal/fetch', worker: 'cardseal/worker' };
const rows = new Map();

let install;
let work;
let pkg;
let browser;

before(async () => {
  install = await tools();
  work = await workplace(install);
  pkg = path.join(work, 'node_modules/cardseal/pkg');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (work) rmSync(work, { recursive: true, force: true });
  const line = (cells) =>
    process.stderr.write(`| ${cells.map((cell, index) => String(cell).padEnd(index ? 15 : 24)).join(' | ')} |\n`);
  line(['', ...Object.values(ENTRIES), 'more', 'build']);
  line(new Array(Object.keys(ENTRIES).length + 3).fill('---'));
  for (const [name, { build, more = '', ...cells }] of rows)
    line([name, ...Object.keys(ENTRIES).map((entry) => cells[entry] ?? '-'), more, build ?? '-']);
});

/** Something that no answer made beforehand fits. */
const given = () => ({ publicKey: KEY.public_spki_pem, card: randomCard(random) });

function opens({ ld, lk }, card) {
  const { k, s } = JSON.parse(unwrap(KEY.private_pkcs1_pem, lk));
  assert.deepEqual(JSON.parse(OPENERS['node:crypto'](k, s, ld)), plaintext(card));
}

/** One row of the table: `prepare` once, then a test for each cell. */
function row(name, cells, prepare = () => {}) {
  test(name, async (t) => {
    const noted = {};
    rows.set(name, noted);
    const began = performance.now();
    const ready = await prepare(t);
    const done = [];
    if (ready) noted.build = `${((performance.now() - began) / 1000).toFixed(1)} s`;
    for (const [cell, body] of Object.entries(cells)) {
      await t.test(ENTRIES[cell] ?? cell, async () => {
        noted[cell in ENTRIES ? cell : 'more'] = 'FAILED';
        await body(ready);
        done.push(cell);
        noted[cell in ENTRIES ? cell : 'more'] =
          cell in ENTRIES ? 'ok' : `${done.filter((name) => !(name in ENTRIES)).join(', ')}: ok`;
      });
    }
  });
}

/** Opens a page, has it pack a card, and opens what it packed. */
async function inBrowser(url) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const problems = [];
    page.on('pageerror', (error) => problems.push(error.stack));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    await page.goto(url);
    await page
      .waitForFunction(() => globalThis.use, null, { timeout: 120_000 })
      .catch((error) => {
        throw new Error(`${error.message}\n${problems.join('\n')}`);
      });
    const it = given();
    opens(
      await page
        .evaluate((value) => globalThis.use(value), it)
        .catch((error) => {
          throw new Error(`${error.message}\n${problems.join('\n')}`);
        }),
      it.card,
    );
    assert.deepEqual(problems, []);
  } finally {
    await context.close();
  }
}

const page = (name) => (url) => inBrowser(`${url}/${name}`);
const pages = Object.fromEntries(Object.keys(ENTRIES).map((name) => [name, page(name)]));

async function served(t, folder, options) {
  const server = await serve(folder, options);
  t.after(server.stop);
  return server.url;
}

function folderFor(name) {
  const folder = path.join(work, 'out', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

const bundled =
  (tool, finish = () => {}) =>
  async (t) => {
    const out = folderFor(tool);
    await run(process.execPath, [path.join(here, 'bundle.mjs'), tool, install, out], { cwd: path.join(work, 'pages') });
    finish(out);
    return served(t, out);
  };

/** These two do not follow the URL of a file: it is copied beside what they write. */
const copied = (out) => {
  for (const name of ['worker-host.js', 'cardseal_bg.wasm']) copyFileSync(path.join(pkg, name), path.join(out, name));
};

describe('the matrix', { concurrency: 2, timeout: 1_200_000 }, () => {
  const next = (name, options) =>
    row(
      name,
      {
        main: pages.main,
        inline: pages.inline,
        worker: pages.worker,
        prerendered() {
          const text = readFileSync(path.join(work, name, 'out/server.html'), 'utf8');
          opens(JSON.parse(/<output>(.*?)<\/output>/s.exec(text)[1].replace(/&quot;/g, '"')), prerendered.card);
        },
      },
      async (t) => {
        const folder = path.join(work, name);
        cpSync(path.join(work, 'next'), folder, { recursive: true });
        await run(process.execPath, [path.join(install, 'node_modules/next/dist/bin/next'), 'build', ...options], {
          cwd: folder,
          env: { CARDSEAL_GIVEN: JSON.stringify(prerendered) },
        });
        return served(t, path.join(folder, 'out'));
      },
    );
  const prerendered = given();

  next('Next.js (Turbopack)', ['--turbopack']);
  next('Next.js (webpack)', ['--webpack']);

  row('Parcel', pages, async (t) => {
    const out = folderFor('parcel');
    const folder = path.join(work, 'pages');
    await run(
      process.execPath,
      [
        path.join(install, 'node_modules/parcel/lib/bin.js'),
        'build',
        ...Object.keys(ENTRIES).map((name) => `${name}.html`),
        '--dist-dir',
        out,
        '--cache-dir',
        path.join(out, '.cache'),
        '--no-source-maps',
      ],
      { cwd: folder },
    );
    return served(t, out);
  });

  row('webpack', pages, bundled('webpack'));
  row('Vite', pages, bundled('vite'));
  row('Rollup', pages, bundled('rollup', copied));
  row('Rollup, browser: true', pages, bundled('rollup for browsers', copied));
  row('esbuild', pages, bundled('esbuild', copied));

  row('Vite, development', pages, async (t) => {
    const child = spawn(process.execPath, [path.join(here, 'bundle.mjs'), 'vite dev', install, folderFor('vite-dev')], {
      cwd: path.join(work, 'pages'),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.after(async () => {
      child.stdin.end();
      await once(child, 'exit');
    });
    const [url] = await once(createInterface({ input: child.stdout }), 'line');
    return url.replace(/\/$/, '');
  });

  row(
    'no bundler',
    {
      ...pages,
      'script tag': page('tag'),
      'own Worker': page('module-worker'),
    },
    async (t) => {
      const out = folderFor('plain');
      cpSync(pkg, path.join(out, 'cardseal'), { recursive: true });
      for (const name of Object.keys(ENTRIES)) {
        copyFileSync(path.join(work, `pages/${name}.js`), path.join(out, `${name}.js`));
        const imports = {
          cardseal: '/cardseal/index.js',
          'cardseal/inline': '/cardseal/inline.js',
          'cardseal/fetch': '/cardseal/index.js',
          'cardseal/worker': '/cardseal/worker.js',
        };
        writeFileSync(
          path.join(out, `${name}.html`),
          `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="${name}.js"></script>`,
        );
      }
      // No character set is said here, and the page's own is not Unicode.
      writeFileSync(
        path.join(out, 'tag.html'),
        `<!doctype html><meta charset="windows-1252"><link rel="icon" href="data:,"><script src="cardseal/cardseal.global.js"></script><script>
      globalThis.use = async ({ publicKey, card }) => { await Cardseal.load(); return new Cardseal.GreenPay({ publicKey }).pack({ card }); };</script>`,
      );
      writeFileSync(
        path.join(out, 'own-worker.js'),
        `import { GreenPay, load } from '/cardseal/index.js';
      self.onmessage = async ({ data: { publicKey, card } }) => { await load(); postMessage(new GreenPay({ publicKey }).pack({ card })); };`,
      );
      writeFileSync(
        path.join(out, 'module-worker.html'),
        `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script>
      globalThis.use = (given) => new Promise((resolve, reject) => {
        const worker = new Worker('own-worker.js', { type: 'module' });
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = reject;
        worker.postMessage(given);
      });</script>`,
      );
      return served(t, out);
    },
  );

  // ---------------------------------------------------------------------------------------------- runtimes

  /** The script of the runtime with the entry written in. */
  function script(source, entry, name) {
    const file = path.join(work, 'runtimes', name + path.extname(source));
    writeFileSync(file, readFileSync(path.join(work, 'runtimes', source), 'utf8').replace('ENTRY', ENTRIES[entry]));
    return file;
  }
  const runtime = (name, source, command) =>
    row(
      name,
      Object.fromEntries(
        ['main', 'inline'].map((entry) => [
          entry,
          async () => {
            const [program, args, env] = command();
            const it = given();
            const text = await run(program, [...args, script(source, entry, `${name.replace(/\W/g, '-')}-${entry}`)], {
              cwd: path.join(work, 'runtimes'),
              env: { ...env, CARDSEAL_GIVEN: JSON.stringify(it) },
            });
            opens(JSON.parse(text), it.card);
          },
        ]),
      ),
    );

  runtime('Node, import', 'use.mjs', () => [process.execPath, []]);
  runtime('Node, require', 'use.cjs', () => [process.execPath, ['--no-experimental-require-module']]);
  // Nothing but the environment may be touched: the module is not read from disk.
  runtime('Deno', 'use.mjs', () => [
    platformProgram(install, '@deno', '', 'deno'),
    ['run', '--no-prompt', '--no-remote', '--node-modules-dir=manual', '--allow-env'],
    { DENO_DIR: folderFor('deno'), DENO_NO_UPDATE_CHECK: '1' },
  ]);
  runtime('Bun', 'use.mjs', () => [platformProgram(install, '@oven', 'bun-', 'bun'), ['run', '--no-install']]);

  // A server's own bundle, moved to where the package is not.
  const away = (name, write) => [
    name,
    async () => {
      const out = mkdtempSync(path.join(os.tmpdir(), 'cardseal-server-'));
      try {
        await write(script('use.mjs', 'main', `server-${name.replace(/\W/g, '-')}`), out);
        const it = given();
        const env = { CARDSEAL_GIVEN: JSON.stringify(it) };
        opens(
          JSON.parse(
            await run(
              process.execPath,
              [
                path.join(
                  out,
                  readdirSync(out).find((file) => file.startsWith('server')),
                ),
              ],
              { cwd: out, env },
            ),
          ),
          it.card,
        );
      } finally {
        rmSync(out, { recursive: true, force: true });
      }
    },
  ];
  row(
    'bundled for Node',
    Object.fromEntries([
      away('esbuild', (input, out) =>
        esbuild({
          entryPoints: [input],
          outfile: path.join(out, 'server.mjs'),
          bundle: true,
          platform: 'node',
          format: 'esm',
          logLevel: 'silent',
        }),
      ),
      away('Rollup', (input, out) =>
        run(process.execPath, [path.join(here, 'bundle.mjs'), 'rollup for node', install, out, input], { cwd: work }),
      ),
    ]),
  );

  row(
    'workerd',
    Object.fromEntries(
      ['main', 'inline'].map((entry) => [
        entry,
        async () => {
          const out = folderFor(`workerd-${entry}`);
          // As wrangler bundles: the conditions, and compiled modules left for the runtime.
          await esbuild({
            entryPoints: [script('workerd.mjs', entry, `workerd-${entry}`)],
            outfile: path.join(out, 'main.js'),
            bundle: true,
            format: 'esm',
            conditions: ['workerd', 'worker', 'browser'],
            logLevel: 'silent',
            plugins: [
              {
                name: 'compiled-modules',
                setup: (build) =>
                  build.onResolve({ filter: /\.wasm$/ }, ({ path: name, resolveDir }) => {
                    copyFileSync(path.join(resolveDir, name), path.join(out, path.basename(name)));
                    return { path: `./${path.basename(name)}`, external: true };
                  }),
              },
            ],
          });
          writeFileSync(
            path.join(out, 'config.capnp'),
            `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "main.js", esModule = embed "main.js"), (name = "cardseal_bg.wasm", wasm = embed "cardseal_bg.wasm")],
    compatibilityDate = "2026-01-01",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
          );
          const child = spawn(
            platformProgram(install, '@cloudflare', 'workerd-', 'workerd'),
            ['serve', '--control-fd=3', 'config.capnp'],
            { cwd: out, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] },
          );
          let log = '';
          child.stderr.on('data', (chunk) => {
            log += chunk;
          });
          try {
            const [line] = await Promise.race([
              once(createInterface({ input: child.stdio[3] }), 'line'),
              once(child, 'exit').then(() => {
                throw new Error(log);
              }),
            ]);
            const it = given();
            const answer = await fetch(`http://127.0.0.1:${JSON.parse(line).port}/`, {
              method: 'POST',
              body: JSON.stringify(it),
            });
            const text = await answer.text();
            assert.equal(answer.status, 200, text + log);
            opens(JSON.parse(text), it.card);
          } finally {
            child.kill();
          }
        },
      ]),
    ),
  );
});
