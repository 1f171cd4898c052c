// Builds what the npm package ships, into pkg/: the modules and their glue from the crate, the layer above them from src/ts,
// and the declarations of both.
//
//   npm run build            does nothing if nothing has changed
//   npm run build -- --force
//
// The library is compiled as a cdylib alone: with both crate types of the manifest, link-time optimisation
// would not be applied to the module.

import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { ALL, moduleOf, ROWS } from './entries.mjs';
import { FALLBACK, fallback } from './fallback.mjs';
import { DESCRIPTION, describe, integrity, PUBLISHED } from './manifest.mjs';
import { ask, cargoHome, isMain, main, must, PLATFORMS, pkg, root, say, seconds, targetFolder } from './project.mjs';
import { ensure, onePackage, TO_BUILD } from './setup.mjs';

const TARGET = 'wasm32-unknown-unknown';
const SOURCES = path.join(root, 'src', 'ts');

/** The modules that the package ships, by the name of their files: with all platforms, and with one each. */
export const MODULES = {
  cardseal: PLATFORMS,
  ...Object.fromEntries(PLATFORMS.map((name) => [moduleOf(name), [name]])),
};

/** What of the crate is in a module; the bill of materials asks the same. */
const parts = (features) => ['--target', TARGET, '--no-default-features', '--features', features.join(',')];

// What is in the modules, by name: `--all-features` lets the optimiser use what current engines refuse.
const FEATURES = [
  'bulk-memory',
  'bulk-memory-opt',
  'call-indirect-overlong',
  'mutable-globals',
  'nontrapping-float-to-int',
  'sign-ext',
];

/** The entries whose declarations people read. */
const DECLARED = ['index', 'worker', 'card-form', 'webhooks', ...PLATFORMS];

export async function build({ force = false } = {}) {
  const began = performance.now();
  const target = targetFolder();
  const flags = rustFlags(target);
  const profile = path.join(target, TARGET, 'wasm');
  const stamp = path.join(profile, 'pkg.stamp');
  const described = path.join(profile, 'described.stamp');
  if (!force && isUpToDate(stamp, pkg, flags)) {
    if (!existsSync(described) || readFileSync(described, 'utf8') !== description()) {
      await describe(pkg, parts(MODULES.cardseal));
      writeFileSync(described, description());
    }
    say(`pkg is up to date (${seconds(began)}).`);
    return;
  }
  rmSync(stamp, { force: true });

  const compiled = path.join(profile, 'modules');
  mkdirSync(compiled, { recursive: true });
  say('Compiling the library to WebAssembly.');
  for (const name of Object.keys(MODULES)) await compile(name, profile, compiled, flags);
  // With the workspace's features of the crates below it, as `npm test` compiles them again in its next steps.
  await must('cargo', ['build', '--workspace', '--bin', 'wasm-build']);
  const tool = toolIn(target);

  // Made beside pkg and moved there file by file, so that a server that serves pkg never sees half a file; in a folder
  // of its own, so that two builds at once do not hash each other's halves.
  const work = path.join(profile, `pkg-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });

  say('Optimising the modules.');
  for (const name of Object.keys(MODULES)) {
    await must(tool, ['glue', path.join(compiled, `${name}.wasm`), work, name]);
    rmSync(path.join(work, `${name}_bg.wasm.d.ts`));
    await optimise(path.join(work, `${name}_bg.wasm`));
    writeFileSync(path.join(work, `${name}_bg.wasm.js`), asText(readFileSync(path.join(work, `${name}_bg.wasm`))));
  }
  rmSync(path.join(work, 'snippets'), { recursive: true, force: true });
  await fallback(path.join(compiled, 'cardseal.wasm'), tool, work, FEATURES);
  generate(work, ask(tool, ['codes']));
  const layer = path.join(work, 'layer');
  await must(process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--outDir', layer]);
  for (const file of filesIn(layer).filter((name) => name.endsWith('.js') && !TYPES_ALONE.test(name))) {
    copyInto(file, path.join(work, path.relative(layer, file)));
  }
  for (const name of AS_THEY_ARE) copyFileSync(path.join(SOURCES, name), path.join(work, name));
  await declarations(work, layer);
  rmSync(layer, { recursive: true, force: true });
  integrity(work);
  await bundles(work);
  await describe(work, parts(MODULES.cardseal));

  mkdirSync(pkg, { recursive: true });
  const below = (folder) => filesIn(folder).map((file) => path.relative(folder, file));
  const made = below(work);
  for (const name of below(pkg)) if (!made.includes(name)) rmSync(path.join(pkg, name), { force: true });
  for (const name of made) renameAcross(path.join(work, name), path.join(pkg, name));
  writeFileSync(stamp, fingerprint(pkg, flags));
  writeFileSync(described, description());
  rmSync(work, { recursive: true, force: true });
  const bytes = readFileSync(path.join(pkg, 'cardseal_bg.wasm')).length;
  say(`pkg is built: the module has ${bytes.toLocaleString('en')} bytes (${seconds(began)}).`);
}

/**
 * Builds `programs`, and what the demo page is served beside them; gives its folder. That is pkg if it is up to date, else the
 * module with all platforms and the layer above it alone, without optimisation and without types.
 *
 * The programs have no cargo features but `features`: they meet simulated platforms on this machine alone.
 */
export async function buildForDemo(programs, features = []) {
  const chosen = ['--no-default-features', ...features.flatMap((name) => ['--features', name])];
  const cargo = (names, options) =>
    must('cargo', ['build', ...chosen, ...names.flatMap((name) => ['-p', name])], options);
  const target = targetFolder();
  const flags = rustFlags(target);
  const profile = path.join(target, TARGET, 'wasm');
  const folder = path.join(target, 'demo', 'pkg');
  const stamp = path.join(target, 'demo', 'pkg.stamp');
  const ready = isUpToDate(path.join(profile, 'pkg.stamp'), pkg, flags) ? pkg : folder;
  if (ready === pkg || isUpToDate(stamp, folder, flags)) {
    await cargo(programs);
    return ready;
  }
  rmSync(stamp, { force: true });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Side by side, the library in a folder of its own, because cargo locks one: alone it leaves processors idle, since
  // most of its crates wait for the one before them.
  const own = path.join(target, 'demo', 'library');
  const stop = new AbortController();
  const { signal } = stop;
  const [{ transform }] = await Promise.all([
    onePackage('esbuild'),
    // Without optimisation: it takes a third of the time.
    compileLibrary('dev', 'cardseal', flags, ['--quiet', '--target-dir', own], { signal }),
    cargo(['wasm-build', ...programs], { signal }),
  ]).catch((error) => {
    stop.abort();
    throw error;
  });
  const tool = toolIn(target);
  await must(tool, ['glue-unoptimised', path.join(own, TARGET, 'debug', 'cardseal.wasm'), folder, 'cardseal']);
  writeFileSync(path.join(folder, 'codes.ts'), ask(tool, ['codes']));
  writeFileSync(path.join(folder, 'all.ts'), ALL);
  writeFileSync(path.join(folder, 'rows.ts'), ROWS);
  const layer = layerSources().map((file) => [file, path.relative(SOURCES, file)]);
  const generated = ['codes.ts', 'all.ts', 'rows.ts'].map((name) => [path.join(folder, name), name]);
  for (const [file, name] of [...layer, ...generated]) {
    const { code } = await transform(readFileSync(file, 'utf8'), { loader: 'ts', format: 'esm', target: 'es2022' });
    mkdirSync(path.join(folder, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(folder, name.replace(/ts$/, 'js')), code);
  }
  // There is one module here, with all platforms: what asks for one of them gets that.
  for (const name of PLATFORMS) writeFileSync(path.join(folder, `${name}-inline.js`), "export * from './index.js';\n");
  for (const name of AS_THEY_ARE) copyFileSync(path.join(SOURCES, name), path.join(folder, name));
  integrity(folder);
  writeFileSync(stamp, fingerprint(folder, flags));
  return folder;
}

const layerSources = () =>
  filesIn(SOURCES).filter(
    (file) => /(?<!\.d)\.ts$/.test(file) && !GENERATED.test(path.basename(file)) && !TYPES_ALONE.test(file),
  );

/** Compiles the module of that name into `folder`. */
async function compile(name, profile, folder, flags) {
  await compileLibrary('wasm', name, flags);
  if (folder !== profile) copyFileSync(path.join(profile, 'cardseal.wasm'), path.join(folder, `${name}.wasm`));
}

const toolIn = (target) => path.join(target, 'debug', process.platform === 'win32' ? 'wasm-build.exe' : 'wasm-build');

const isUpToDate = (stamp, made, flags) =>
  existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(made, flags);

async function optimise(module) {
  await must(process.execPath, [
    // From the flat form on, twice: after compression one in a hundred bytes smaller than `-Oz` alone.
    path.join(root, 'node_modules', 'binaryen', 'bin', 'wasm-opt'),
    module,
    '-o',
    module,
    '--flatten',
    '--rereloop',
    '-Oz',
    '-Oz',
    // Inlining makes less alike what is alike, and so the file longer after compression.
    '--one-caller-inline-max-function-size=50',
    '--always-inline-max-function-size=0',
    ...FEATURES.map((name) => `--enable-${name}`),
    '--strip-debug',
    '--strip-producers',
    '--strip-target-features',
  ]);
}

/** What the TypeScript of the layer imports and the build makes: not committed. */
const GENERATED = /^(all\.ts|cardseal.*\.d\.ts|codes\.ts|integrity\.d\.ts|rows\.ts|types\.ts)$/;

/** What is in the package as it stands. */
const AS_THEY_ARE = ['error.js', 'card-fields.html'];

/** What holds types alone is nothing at run time. */
const TYPES_ALONE = /[\\/](types|languages[\\/]messages)\.[jt]s$/;

const DECLARED_FALLBACK = `import type { Fallback } from './index.js';
declare const start: Fallback['default'];
export default start;
`;

/** Writes it, from the glue in `work` and the crate's table of codes. */
function generate(work, codes) {
  const write = (name, text) => {
    const file = path.join(SOURCES, name);
    // Untouched where nothing changed, for whoever watches.
    if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
  };
  write('all.ts', ALL);
  write('rows.ts', ROWS);
  write('codes.ts', `${codes}\n`);
  write(FALLBACK.replace(/js$/, 'd.ts'), DECLARED_FALLBACK);
  const names = Object.keys(MODULES);
  write('integrity.d.ts', `${names.map((name) => `export const ${name}: string;`).join('\n')}\n`);
  for (const name of names) {
    const declared = readFileSync(path.join(work, `${name}.d.ts`), 'utf8');
    write(`${name}.d.ts`, declared);
    write(`${name}_bg.wasm.d.ts`, 'declare const bytes: () => Uint8Array<ArrayBuffer>;\nexport default bytes;\n');
    rmSync(path.join(work, `${name}.d.ts`));
    // The types that stand in the crate come first, then what the module exports.
    if (name === 'cardseal')
      write(
        'types.ts',
        declared.slice(0, declared.search(/^(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?export (class|function) /m)),
      );
  }
}

/** One file of declarations for each entry: TypeScript takes those of a CommonJS module from a file of its own. */
async function declarations(work, layer) {
  const [{ rollup }, { dts }] = await Promise.all([import('rollup'), import('rollup-plugin-dts')]);
  for (const name of readdirSync(SOURCES).filter((file) => file.endsWith('.d.ts'))) {
    copyFileSync(path.join(SOURCES, name), path.join(layer, name));
  }
  for (const entry of DECLARED) {
    const bundle = await rollup({
      input: path.join(layer, `${entry}.d.ts`),
      plugins: [dts()],
      onwarn: (warning) => {
        throw new Error(warning.message);
      },
    });
    await bundle.write({ file: path.join(work, `${entry}.d.ts`) });
    await bundle.close();
  }
  copyFileSync(path.join(SOURCES, FALLBACK.replace(/js$/, 'd.ts')), path.join(work, FALLBACK.replace(/js$/, 'd.ts')));
  // They add to the frameworks' own types, which are not there when the layer is compiled.
  for (const framework of ['react', 'svelte', 'vue']) {
    const name = `card-form-${framework}.d.ts`;
    copyFileSync(path.join(root, 'src', 'types', name), path.join(work, name));
  }
  // What a plain script tag gets.
  const index = path.join(work, 'index.d.ts');
  writeFileSync(index, `export as namespace Cardseal;\n${readFileSync(index, 'utf8')}`);
  copyFileSync(index, path.join(work, 'index.d.cts'));
  copyFileSync(path.join(work, 'webhooks.d.ts'), path.join(work, 'webhooks.d.cts'));
}

/** Stands before a character that means 128 more. */
const MORE = '?'.charCodeAt(0);
/** What bundlers print in more than one character. */
const LONG = '\0\n\r"\\\x07\b\f\v\x1b\x7f';

/**
 * The module as ASCII text: after compression nearly as small as the file itself, where base64 adds a third, and where
 * every character above 127 takes four in what bundlers print. Every byte is moved by the distance that leaves the fewest
 * characters to be escaped or to take two.
 */
export function asText(bytes) {
  const count = new Array(256).fill(0);
  for (const byte of bytes) count[byte] += 1;
  const price = (code) => (code === MORE ? 5 : code > 127 || LONG.includes(String.fromCharCode(code)) ? 1 : 0);
  const total = (distance) => count.reduce((sum, times, byte) => sum + times * price((byte + distance) & 255), 0);
  const distances = [...count.keys()];
  const distance = distances.reduce((best, next) => (total(next) < total(best) ? next : best));
  const ESCAPES = { '\0': '\\x00', '\n': '\\n', '\r': '\\r', '"': '\\"', '\\': '\\\\' };
  const char = (code) =>
    code === MORE
      ? '\\u013f'
      : code > 127
        ? String.fromCharCode(MORE) + char(code - 128)
        : (ESCAPES[String.fromCharCode(code)] ?? String.fromCharCode(code));
  const text = Array.from(bytes, (byte) => char((byte + distance) & 255)).join('');
  // A loop: four times as fast as `Uint8Array.from`, and a slow telephone notices. What is above 255 is cut by the array.
  return `export default () => {const t="${text}",b=new Uint8Array(${bytes.length});for(let i=0,j=0,c;i<t.length;b[j++]=c-${distance})if((c=t.charCodeAt(i++))==${MORE})c=t.charCodeAt(i++)+128;return b}\n`;
}

/** The files that must stand alone: for CommonJS, for a plain script tag, and the one that runs in the worker. */
async function bundles(work) {
  const { build: esbuild } = await import('esbuild');
  const make = (entry, out, options) =>
    esbuild({
      entryPoints: [path.join(work, entry)],
      outfile: path.join(work, out),
      allowOverwrite: true,
      bundle: true,
      minify: true,
      target: 'es2022',
      legalComments: 'none',
      charset: 'utf8',
      logLevel: 'warning',
      // As a template literal, which is shorter where the module's text has line ends, Parcel would print it wrong.
      supported: { 'template-literal': false },
      ...options,
    });
  await make('node.js', 'node.cjs', { format: 'cjs', platform: 'node' });
  await make('webhooks.js', 'webhooks.cjs', { format: 'cjs', platform: 'neutral' });
  // ASCII: a script tag takes the character set of its page.
  await make('inline.js', 'cardseal.global.js', { format: 'iife', globalName: 'Cardseal', charset: 'ascii' });
  await make('worker-host.js', 'worker-host.js', { format: 'iife' });
}

/**
 * Keeps this machine's folders out of the module, so that two people who build the same commit get the same
 * bytes. Cargo takes flags from one source only, so the person's own are carried over.
 */
/** `profile` is cargo's: `wasm` is what the package ships, `dev` is compiled in a third of the time. */
async function compileLibrary(profile, name, flags, args = [], options = {}) {
  const command = ['rustc', '--lib', '--profile', profile, '--crate-type', 'cdylib', ...args];
  await must('cargo', [...command, ...parts(MODULES[name])], { ...options, env: { CARGO_ENCODED_RUSTFLAGS: flags } });
}

function rustFlags(target) {
  const sysroot = ask('rustc', ['--print', 'sysroot']);
  const commit = /^commit-hash: (.+)$/m.exec(ask('rustc', ['-vV']) ?? '')?.[1] ?? 'unknown';
  const own = process.env.CARGO_ENCODED_RUSTFLAGS?.split('\x1f') ?? process.env.RUSTFLAGS?.split(/\s+/) ?? [];
  return [
    ...own.filter(Boolean),
    // The small forms of the cipher and the digest, and limbs of the width that wasm can multiply in one instruction.
    '--cfg=aes_compact',
    '--cfg=sha2_backend_soft="compact"',
    '--cfg=cpubits="32"',
    // The last match wins, so the widest folder goes first.
    `--remap-path-prefix=${root}=/cardseal`,
    `--remap-path-prefix=${target}=/cardseal/target`,
    `--remap-path-prefix=${cargoHome}=/cargo`,
    `--remap-path-prefix=${path.join(sysroot, 'lib', 'rustlib', 'src', 'rust')}=/rustc/${commit}`,
  ].join('\x1f');
}

/** What pkg is made from, but for its description. */
const INPUTS = [
  'src',
  'tools/wasm-build',
  'Cargo.toml',
  'package-lock.json',
  'tsconfig.json',
  ...['build', 'entries', 'fallback', 'project'].map((name) => `scripts/${name}.mjs`),
];

/** Of all that, of the compiler and of what was made, so that a file that was changed or lost there is made again. */
function fingerprint(made, flags) {
  const hash = createHash('sha256').update(`${ask('rustc', ['-vV'])}\0${flags}`);
  const inputs = INPUTS.flatMap((name) => filesIn(path.join(root, name)));
  const outputs = filesIn(made).filter((file) => !DESCRIPTION.includes(path.basename(file)));
  const files = [...inputs.filter((file) => !GENERATED.test(path.basename(file))), ...outputs];
  return hashed(hash, files).digest('hex');
}

/** Of what the description of pkg is made from, and of the description. */
const description = () => hashed(createHash('sha256'), [...PUBLISHED, ...filesIn(pkg)]).digest('hex');

function hashed(hash, files) {
  for (const file of files) {
    hash.update(`${path.relative(root, file)}\0`).update(createHash('sha256').update(readFileSync(file)).digest());
  }
  return hash;
}

function filesIn(file) {
  if (!existsSync(file)) return [];
  if (!statSync(file).isDirectory()) return [file];
  return readdirSync(file)
    .sort()
    .flatMap((name) => filesIn(path.join(file, name)));
}

function copyInto(from, to) {
  mkdirSync(path.dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** The target folder may be on another file system than pkg. */
function renameAcross(from, to) {
  mkdirSync(path.dirname(to), { recursive: true });
  const near = `${to}.new`;
  copyFileSync(from, near);
  renameSync(near, to);
}

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(TO_BUILD);
    await build({ force: process.argv.includes('--force') });
  });
}
