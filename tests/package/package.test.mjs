// The package as a customer gets it: packed, installed into an empty folder, and used from there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { build } from 'esbuild';
import { asText } from '../../scripts/build.mjs';
import { cargoHome, PLATFORMS, root } from '../../scripts/project.mjs';

const vectors = JSON.parse(readFileSync(path.join(root, 'tests/vectors/greenpay.json'), 'utf8'));
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const KEY = vectors.rsa_keys.t1024.public_spki_pem;

/** What every way of using the package runs: an error with its code, and a packed card. */
const USE = `
  import { CardsealError, GreenPay, candidateBrands, load, validateCard } from 'ENTRY';
  export async function use(source) {
    const card = { number: '4242 4242 4242 4242', expiry: '12/30', cvc: '123', holder: 'Ana Núñez', nickname: 'My Visa' };
    let early;
    try { candidateBrands('4'); } catch (error) { early = error; }
    if (!(early instanceof CardsealError) || early.code !== 'not_loaded') throw new Error('no typed error before load');
    await Promise.all([load(source), load(source)]);
    await load();
    const { ld, lk } = new GreenPay({ publicKey: ${JSON.stringify(KEY)} }).pack({ card });
    if (!/^[0-9a-f]+$/.test(ld) || lk.length !== 172) throw new Error('nothing was packed');
    let refused;
    try { new GreenPay({ publicKey: 'junk' }); } catch (error) { refused = error; }
    return { brands: candidateBrands('4242'), valid: validateCard(card).valid, refused: refused instanceof CardsealError && refused.code };
  }`;
const EXPECTED = JSON.stringify({ brands: ['visa'], valid: true, refused: 'key_malformed' });

let folder;
let files;

function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: folder, encoding: 'utf8', ...options });
  assert.equal(result.status, 0, `${program} ${args.join(' ')}\n${result.stdout}\n${result.stderr}`);
  return result.stdout;
}

before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-package-'));
  const [packed] = JSON.parse(
    run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: root }),
  );
  files = packed.files.map((file) => file.path).sort();
  writeFileSync(path.join(folder, 'package.json'), '{ "name": "shop", "private": true, "type": "module" }\n');
  // Offline: the package has no dependency, so nothing but the tarball may be needed.
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', path.join(folder, packed.filename)]);
  writeFileSync(path.join(folder, 'use.js'), USE.replace('ENTRY', 'cardseal'));
  writeFileSync(path.join(folder, 'use-inline.js'), USE.replace('ENTRY', 'cardseal/inline'));
  writeFileSync(path.join(folder, 'use-fetch.js'), USE.replace('ENTRY', 'cardseal/fetch'));
});
after(() => folder && rmSync(folder, { recursive: true, force: true }));

/** What becomes of the sources in a folder. */
const below = (name) =>
  readdirSync(path.join(root, 'src/ts', name)).map((file) => `${name}/${file.replace(/ts$/, 'js')}`);

test('the tarball holds the files of the list and no other', () => {
  const examples = JSON.parse(readFileSync(path.join(root, 'examples/package.json'), 'utf8')).workspaces;
  const expected = [
    'package.json',
    ...[
      ...['cardseal', ...PLATFORMS.map((name) => `cardseal_${name.replaceAll('-', '_')}`)].flatMap((module) => [
        `${module}.js`,
        `${module}_bg.wasm`,
        `${module}_bg.wasm.js`,
      ]),
      ...PLATFORMS.flatMap((name) => [`${name}.js`, `${name}.d.ts`, `${name}-inline.js`, `client-${name}.js`]),
      'all.js',
      'card-fields.html',
      'card-fields.js',
      'card-form.d.ts',
      'card-form.js',
      'card-form-react.d.ts',
      'card-form-svelte.d.ts',
      'card-form-vue.d.ts',
      ...below('card-form'),
      ...below('languages').filter((name) => name !== 'languages/messages.js'),
      'cardseal.global.js',
      'cardseal_fallback.d.ts',
      'cardseal_fallback.js',
      'client.js',
      'codes.js',
      'common.js',
      'device.js',
      'error.js',
      'failure.js',
      'fallback.js',
      'form.js',
      'index.d.cts',
      'index.d.ts',
      'index.js',
      'inline.js',
      'integrity.js',
      'load.js',
      'manifest.json',
      'module.js',
      'node.cjs',
      'node.js',
      'policy.js',
      'read.js',
      'rows.js',
      'sbom.cdx.json',
      'send.js',
      'session.js',
      'verify.mjs',
      'webhooks.cjs',
      'webhooks.d.cts',
      'webhooks.d.ts',
      'webhooks.js',
      'worker-host.js',
      'worker.d.ts',
      'worker.js',
      'workerd.js',
    ].map((name) => `pkg/${name}`),
    ...readdirSync(root).filter((name) => /^(README|CHANGELOG|LICENSE|SECURITY)/.test(name)),
    // What the README links to.
    ...readdirSync(path.join(root, 'docs'), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => path.relative(root, path.join(parentPath, name)).replaceAll(path.sep, '/')),
    ...['.', ...examples].map((name) => path.posix.join('examples', name, 'README.md')),
    'server/config.example.toml',
    'worldline/README.md',
  ].sort();
  assert.deepEqual(files, expected);
});

test('it is required where a test environment lacks what a page has, and load says what that is', async () => {
  const file = path.join(folder, 'node_modules/cardseal/pkg/node.cjs');
  const source = readFileSync(file, 'utf8');
  // As Jest does it with jsdom: a context of its own, whose globals are those of a page, but not all.
  const required = (globals) => {
    const context = vm.createContext({ URL, setTimeout, clearTimeout, crypto, ...globals });
    const module = { exports: {} };
    const run = vm.runInContext(`(function (exports, require, module) {${source}\n})`, context, { filename: file });
    run(module.exports, createRequire(file), module);
    return module.exports;
  };
  for (const [globals, missing] of [
    [{}, 'TextDecoder'],
    [{ TextEncoder }, 'TextDecoder'],
    [{ TextDecoder }, 'TextEncoder'],
  ]) {
    const cardseal = required(globals);
    assert.throws(() => cardseal.candidateBrands('4'), { name: 'CardsealError', code: 'not_loaded' });
    await assert.rejects(cardseal.load(), {
      name: 'CardsealError',
      code: 'load_failed',
      message: `could not load: there is no ${missing} here`,
    });
  }
  const cardseal = required({ TextDecoder, TextEncoder });
  await cardseal.load();
  const greenpay = new cardseal.GreenPay({ publicKey: KEY });
  const card = { number: '4242 4242 4242 4242', expiry: '12/30', cvc: '123', holder: 'Ana Núñez', nickname: 'My Visa' };
  assert.match(greenpay.pack({ card }).ld, /^[0-9a-f]+$/);
});

test('the manifest has no runtime dependency and nothing that runs at installation', () => {
  const installed = JSON.parse(readFileSync(path.join(folder, 'node_modules/cardseal/package.json'), 'utf8'));
  for (const field of ['dependencies', 'optionalDependencies', 'peerDependencies', 'bundleDependencies'])
    assert.equal(installed[field], undefined, field);
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
    assert.equal(installed.scripts[name], undefined, name);
  assert.deepEqual(
    readdirSync(path.join(folder, 'node_modules')).filter((name) => !name.startsWith('.')),
    ['cardseal'],
  );
  for (const version of Object.values(manifest.devDependencies))
    assert.match(version, /^(npm:[a-z-]+@)?\d+\.\d+\.\d+$/, 'development packages are pinned');
});

test('the versions of the npm package and of the crate are the same', () => {
  const cargo = readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  assert.equal(manifest.version, /\[workspace\.package\]\s+version = "([^"]+)"/.exec(cargo)[1]);
});

test('no file holds a folder of the machine that built it', async () => {
  const folders = [root, cargoHome, os.homedir(), os.tmpdir()].filter((name) => name.length > 1);
  for (const file of files.filter((name) => name.startsWith('pkg/'))) {
    let bytes = readFileSync(path.join(folder, 'node_modules/cardseal', file));
    if (file === 'pkg/cardseal_bg.wasm.js') bytes = Buffer.from(await inlined());
    for (const name of folders) assert.ok(!bytes.includes(`${name}/`), `${file} holds ${name}`);
  }
});

const inlined = async () =>
  (await import(pathToFileURL(path.join(folder, 'node_modules/cardseal/pkg/cardseal_bg.wasm.js')))).default();

test('the inline module is the module', async () => {
  assert.ok(
    Buffer.from(await inlined()).equals(readFileSync(path.join(folder, 'node_modules/cardseal/pkg/cardseal_bg.wasm'))),
  );
});

test('any bytes survive as text, in few characters', async () => {
  const back = async (bytes) => {
    const text = asText(bytes);
    assert.ok(!/[\0\r]/.test(text));
    const { default: read } = await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(text)}`);
    assert.ok(Buffer.from(read()).equals(bytes));
    return Buffer.byteLength(text) - Buffer.byteLength(asText(Buffer.alloc(0)));
  };
  const all = Buffer.from(Array.from({ length: 512 }, (_, index) => (index * 7) & 255));
  for (let distance = 0; distance < 256; distance++) {
    // One byte more often than the others, with a digit behind it, for every byte.
    await back(Buffer.concat([all, Buffer.from([distance, 0x30, distance, 0x39])]));
  }
  assert.ok((await back(Buffer.alloc(1000))) < 1010);
  await back(Buffer.alloc(0));
});

test('Node imports it', () => {
  const body = (file) => `import { use } from './${file}'; console.log(JSON.stringify(await use()));`;
  for (const file of ['use.js', 'use-inline.js']) {
    assert.equal(run(process.execPath, ['--input-type=module', '--eval', body(file)]).trim(), EXPECTED, file);
  }
});

test('Node finds the module by its exported path, as bytes and compiled', () => {
  writeFileSync(
    path.join(folder, 'bytes.js'),
    `
    import { readFile } from 'node:fs/promises';
    import { use } from './use.js';
    const bytes = await readFile(new URL(import.meta.resolve('cardseal/cardseal_bg.wasm')));
    console.log(JSON.stringify(await use(process.argv[2] === 'bytes' ? bytes : await WebAssembly.compile(bytes))));`,
  );
  for (const form of ['bytes', 'compiled'])
    assert.equal(run(process.execPath, ['bytes.js', form]).trim(), EXPECTED, form);
});

test('Node requires it, and imports the entry for pages that use a worker', () => {
  const body = `const { GreenPay, candidateBrands, load } = require('cardseal'); load().then(() => console.log(typeof GreenPay, ...candidateBrands('4242')));`;
  assert.equal(
    run(process.execPath, ['--no-experimental-require-module', '--input-type=commonjs', '--eval', body]).trim(),
    'function visa',
  );
  const page = `import { load } from 'cardseal/worker'; await load().catch(({ code, message }) => console.log(code, message));`;
  assert.equal(
    run(process.execPath, ['--input-type=module', '--eval', page]).trim(),
    'load_failed could not load: there are no workers here',
  );
});

test('a worker thread imports it', () => {
  writeFileSync(
    path.join(folder, 'worker.js'),
    `import { parentPort } from 'node:worker_threads'; import { use } from './use.js'; parentPort.postMessage(await use());`,
  );
  writeFileSync(
    path.join(folder, 'main.js'),
    `
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(new URL('./worker.js', import.meta.url));
    worker.on('message', (message) => console.log(JSON.stringify(message)));
    worker.on('error', (error) => { console.error(error); process.exitCode = 1; });`,
  );
  assert.equal(run(process.execPath, ['main.js']).trim(), EXPECTED);
});

test('a module that cannot be loaded is a typed error, and the next attempt may succeed', () => {
  writeFileSync(
    path.join(folder, 'again.js'),
    `
    import { CardsealError, load } from 'cardseal';
    const failed = await load(new Uint8Array([1, 2, 3])).catch((error) => error);
    if (!(failed instanceof CardsealError)) throw failed;
    await load();
    console.log(failed.code);`,
  );
  assert.equal(run(process.execPath, ['again.js']).trim(), 'load_failed');
});

test('esbuild bundles the inline entry into one file that runs', async () => {
  const outfile = path.join(folder, 'inline-bundle.mjs');
  const { metafile } = await build({
    entryPoints: [path.join(folder, 'use-inline.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    outfile,
    metafile: true,
    logLevel: 'silent',
  });
  assert.equal(Object.keys(metafile.outputs).length, 1);
  const elsewhere = path.join(folder, 'elsewhere');
  mkdirSync(elsewhere);
  writeFileSync(path.join(elsewhere, 'bundle.mjs'), readFileSync(outfile));
  assert.equal(
    run(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { use } from './bundle.mjs'; console.log(JSON.stringify(await use()));`,
      ],
      { cwd: elsewhere },
    ).trim(),
    EXPECTED,
  );
});

test('esbuild, which would lose a .wasm file, takes the inline entry by itself', async () => {
  const { metafile } = await build({
    entryPoints: [path.join(folder, 'use.js')],
    bundle: true,
    format: 'esm',
    outdir: folder,
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  assert.ok(Object.keys(metafile.inputs).some((name) => name.endsWith('pkg/inline.js')));
});

test('esbuild bundles the entry that fetches, which takes the module from where the page says', async () => {
  const outfile = path.join(folder, 'page-bundle.mjs');
  const { metafile } = await build({
    entryPoints: [path.join(folder, 'use-fetch.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    outfile,
    metafile: true,
    logLevel: 'silent',
  });
  assert.ok(Object.keys(metafile.inputs).some((name) => name.endsWith('pkg/index.js')));
  assert.ok(
    !Object.keys(metafile.inputs).some((name) => name.endsWith('cardseal_bg.wasm.js')),
    'without the inline module',
  );
  const body = `
    import { readFile } from 'node:fs/promises'; import { use } from './page-bundle.mjs';
    console.log(JSON.stringify(await use(await readFile('node_modules/cardseal/pkg/cardseal_bg.wasm'))));`;
  assert.equal(run(process.execPath, ['--input-type=module', '--eval', body]).trim(), EXPECTED);
});

test('an unused package leaves nothing in a bundle', async () => {
  const { outputFiles } = await build({
    stdin: { contents: `import { GreenPay } from 'cardseal';`, resolveDir: folder },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    logLevel: 'silent',
  });
  assert.equal(outputFiles[0].text.trim(), '');
});

test('the type samples compile against the installed package, for bundlers and for Node, as modules and as CommonJS', () => {
  const samples = ['sample.ts', 'worker.ts', 'card-form.ts'];
  for (const name of samples)
    writeFileSync(path.join(folder, name), readFileSync(path.join(root, 'tests/package/types', name)));
  writeFileSync(
    path.join(folder, 'common.cts'),
    `import { GreenPay, load } from "cardseal";\nexport const loaded: Promise<void> = load();\nexport const made: GreenPay[] = [];\n`,
  );
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noEmit', '--target', 'es2022', '--lib', 'es2022,dom'];
  run(process.execPath, [tsc, ...strict, '--module', 'esnext', '--moduleResolution', 'bundler', ...samples]);
  run(process.execPath, [tsc, ...strict, '--module', 'nodenext', ...samples, 'common.cts']);
});
