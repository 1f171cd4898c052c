// What the package says about itself: the hash of the module for the loaders (integrity.js), the list of the published
// files with their hashes (manifest.json), the bill of materials (sbom.cdx.json), and the program that checks a deployed
// copy (verify.mjs). Nothing of it depends on the time or the machine.

import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { ask, lockedVersion, root, Stop } from './project.mjs';
import { sbom } from './sbom.mjs';
import { sri } from './verify.mjs';

const VERIFY = path.join(root, 'scripts', 'verify.mjs');
const beside = [
  ...readdirSync(root).filter((name) => name === 'package.json' || /^(README|CHANGELOG|LICENSE|SECURITY)/.test(name)),
  // What the README links to, and what those pages link to.
  ...readdirSync(path.join(root, 'docs'), { recursive: true })
    .filter((name) => name.endsWith('.md') || /^[^/\\]+\.png$|^pictures[/\\].+\.(png|svg)$|^openapi\.json$/.test(name))
    .map((name) => `docs/${name.replaceAll(path.sep, '/')}`),
  'examples/README.md',
  ...JSON.parse(readFileSync(path.join(root, 'examples', 'package.json'), 'utf8')).workspaces.map(
    (name) => `examples/${name}/README.md`,
  ),
  'server/config.example.toml',
  'worldline/README.md',
].sort();

/** The inputs of what is made here, beside the module: when one of them changes, the package is described anew. */
export const PUBLISHED = [
  ...beside,
  'scripts/manifest.mjs',
  'scripts/sbom.mjs',
  'scripts/verify.mjs',
  'Cargo.lock',
].map((name) => path.join(root, name));

/** What the generated files are for; the others say it in their first sentence. */
const PURPOSES = {
  'cardseal_bg.wasm': 'The WebAssembly module: checks, formats and encrypts card data.',
  'cardseal_bg.wasm.js': 'The same WebAssembly module as JavaScript text.',
  'cardseal_fallback.js': 'The same as JavaScript, fetched only by engines without WebAssembly.',
  'cardseal.global.js': 'Everything in one file, for a plain script tag.',
  'node.cjs': 'Everything in one file, for CommonJS.',
  'webhooks.cjs': 'Not for pages: webhooks.js for CommonJS.',
  'integrity.js': 'What a fetched module must hash to.',
  'cardseal.js': 'What calls the module and what the module calls, as wasm-bindgen writes it.',
  'codes.js': 'The error codes that are thrown outside the module.',
  'verify.mjs': 'Not for pages: the program that checks deployed files.',
};

/** integrity.js: the hash of each module, for the entry that fetches it. */
export function integrity(work) {
  const modules = readdirSync(work)
    .filter((name) => name.endsWith('_bg.wasm'))
    .sort();
  const lines = modules.map(
    (name) => `export const ${name.replace('_bg.wasm', '')} = "${sri(readFileSync(path.join(work, name)))}";\n`,
  );
  writeFileSync(
    path.join(work, 'integrity.js'),
    `// What a fetched module must hash to; made by the build.\n${lines.join('')}`,
  );
}

/** What `describe` writes. */
export const DESCRIPTION = ['verify.mjs', 'sbom.cdx.json', 'manifest.json'];

/** The rest, from what the build has made in `work`; `parts` are what it told cargo to compile. */
export async function describe(work, parts) {
  const about = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const rustc = Object.fromEntries(
    (ask('rustc', ['-vV']) ?? '')
      .split('\n')
      .slice(1)
      .map((line) => line.split(': ')),
  );
  if (!rustc.release) throw new Stop('rustc does not print its version.');
  const write = (name, value) => writeFileSync(path.join(work, name), `${JSON.stringify(value, null, 2)}\n`);

  copyFileSync(VERIFY, path.join(work, 'verify.mjs'));
  write('sbom.cdx.json', sbom(about, parts, rustc));

  const made = readdirSync(work, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
    .map(({ parentPath, name }) => path.relative(work, path.join(parentPath, name)).replaceAll(path.sep, '/'))
    .sort();
  const files = [
    ...beside.map((name) => [name, path.join(root, name)]),
    ...made.map((name) => [`pkg/${name}`, path.join(work, name)]),
  ];
  write('manifest.json', {
    name: about.name,
    version: about.version,
    built_with: {
      rustc: rustc.release,
      rustc_commit: rustc['commit-hash'],
      'wasm-bindgen': lockedVersion('wasm-bindgen'),
      'wasm-opt': ask(process.execPath, [
        path.join(root, 'node_modules', 'binaryen', 'bin', 'wasm-opt'),
        '--version',
      ])?.replace(/^wasm-opt version /, ''),
      esbuild: JSON.parse(readFileSync(path.join(root, 'node_modules', 'esbuild', 'package.json'), 'utf8')).version,
      cargo_arguments: parts.join(' '),
    },
    entries: await reach(work, about),
    files: Object.fromEntries(
      files.map(([name, file]) => {
        const bytes = readFileSync(file);
        const purpose = what(name.replace(/^pkg\//, ''));
        return [name, { size: bytes.length, integrity: sri(bytes), ...(purpose ? { purpose } : {}) }];
      }),
    ),
  });
}

/** Each file that `exports` names, with what a browser or runtime fetches to run it. */
async function reach(work, { exports }) {
  const { build } = await import('esbuild');
  const leaves = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(leaves));
  const names = [...new Set(leaves(exports))]
    .map((file) => /^\.\/pkg\/(.+\.c?js)$/.exec(file)?.[1])
    .filter(Boolean)
    .sort();
  const all = {};
  for (const name of names) {
    const { metafile } = await build({
      entryPoints: [path.join(work, name)],
      absWorkingDir: work,
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      outdir: work,
      platform: 'node',
      loader: { '.wasm': 'binary' },
      logLevel: 'error',
    });
    const files = new Set(Object.keys(metafile.inputs));
    for (const file of files) {
      if (file.endsWith('.wasm') || file.endsWith('.wasm.js')) continue;
      for (const [, more] of readFileSync(path.join(work, file), 'utf8').matchAll(
        /new URL\(["']\.\/([\w.-]+)["'], ?import\.meta\.url\)/g,
      ))
        files.add(more);
    }
    all[name] = [...files].sort();
  }
  return all;
}

/** Why a script is there, for a page's inventory of scripts: the first sentence of its source. */
function what(name) {
  if (!/\.(c?js|mjs|wasm)$/.test(name)) return undefined;
  const source = [name, name.replace(/js$/, 'ts')].map((file) => path.join(root, 'src', 'ts', file)).find(existsSync);
  const first =
    source !== undefined &&
    /^\/(?:\/|\*\*) ([\s\S]*?\.)(?=\s)/.exec(readFileSync(source, 'utf8'))?.[1].replace(/\s*\n(?:\/\/| \*) /g, ' ');
  if (/^languages\/(?!index)/.test(name)) return 'The texts of the card form in one language.';
  // Of one platform's module as of the whole one's.
  const purpose = PURPOSES[name] ?? PURPOSES[name.replace(/^cardseal_(?!bg)\w+?(?=_bg\.|\.js$)/, 'cardseal')] ?? first;
  if (!purpose) throw new Stop(`${name} has no purpose in scripts/manifest.mjs.`);
  return purpose;
}
