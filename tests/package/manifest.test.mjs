// What the package says about itself is true: the list of files, the bill of materials, the hash in the loader, and the
// program that checks a copy. The package is packed and installed, as a customer gets it.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { integrity } from '../../scripts/manifest.mjs';
import { pkg, root } from '../../scripts/project.mjs';
import { differences } from '../../scripts/reproduce.mjs';
import { locked } from '../../scripts/sbom.mjs';
import { importMap, list, readManifest, sri, verify } from '../../scripts/verify.mjs';
import { serve } from '../bundlers/serve.mjs';

let folder;
let installed;
let manifest;
let packed;

const json = (file) => JSON.parse(readFileSync(file, 'utf8'));

before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-manifest-'));
  [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: root,
      encoding: 'utf8',
    }),
  );
  execFileSync('tar', ['-xzf', path.join(folder, packed.filename), '-C', folder]);
  installed = path.join(folder, 'package');
  manifest = readManifest(path.join(installed, 'pkg/manifest.json'));
});
after(() => folder && rmSync(folder, { recursive: true, force: true }));

/** A copy that a test may spoil. */
function copy(of = 'pkg') {
  const to = mkdtempSync(path.join(folder, 'copy-'));
  cpSync(path.join(installed, of), to, { recursive: true });
  return to;
}

const statuses = ({ files }) =>
  Object.fromEntries(files.filter(({ status }) => status !== 'same').map(({ file, status }) => [file, status]));

/** The program as it is installed. */
function run(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(installed, 'pkg/verify.mjs'), ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** The same while this process serves, which must not stand still. */
async function running(...args) {
  const { execFile } = await import('node:child_process');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [path.join(installed, 'pkg/verify.mjs'), ...args],
      { cwd: folder, encoding: 'utf8' },
      (error, stdout, stderr) => resolve({ status: error?.code ?? 0, stdout, stderr }),
    );
  });
}

// ---------------------------------------------------------------------------------------------- the package

test('every relative link of the README, and of the pages beside it, leads to a file of the package', () => {
  const files = packed.files.map(({ path: name }) => name);
  const pages = files.filter((name) => name.endsWith('.md'));
  assert.ok(pages.includes('README.md') && pages.length > 10, pages.join());
  const broken = [];
  for (const page of pages) {
    const text = readFileSync(path.join(installed, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
    for (const [, link] of text.matchAll(/\]\((?![a-z]+:|#)([^)\s#]+)[^)]*\)/g)) {
      const target = path.posix.join(path.posix.dirname(page), link).replace(/\/$/, '');
      if (!files.some((name) => name === target || name.startsWith(`${target}/`))) broken.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

test('the list has every published file but itself, with its size and hash', () => {
  assert.deepEqual(
    [...Object.keys(manifest.files), 'pkg/manifest.json'].sort(),
    packed.files.map(({ path: name }) => name).sort(),
  );
  for (const [name, file] of Object.entries(manifest.files)) {
    const bytes = readFileSync(path.join(installed, name));
    assert.deepEqual([file.size, file.integrity], [bytes.length, sri(bytes)], name);
    if (/\.(c?js|mjs|wasm)$/.test(name)) assert.match(file.purpose, /^[A-Z].*\.$/, name);
  }
});

test('the list says what made it', () => {
  const { built_with: tools, name, version } = manifest;
  const about = json(path.join(installed, 'package.json'));
  assert.deepEqual([name, version], [about.name, about.version]);
  assert.match(
    execFileSync('rustc', ['-vV'], { encoding: 'utf8' }),
    new RegExp(`^commit-hash: ${tools.rustc_commit}\\n[^]*^release: ${tools.rustc}$`, 'm'),
  );
  assert.equal(
    tools['wasm-bindgen'],
    /name = "wasm-bindgen"\nversion = "([^"]+)"/.exec(readFileSync(path.join(root, 'Cargo.lock'), 'utf8'))[1],
  );
  assert.equal(tools.esbuild, about.devDependencies.esbuild);
  assert.equal(tools['wasm-opt'].split(' ')[0], about.devDependencies.binaryen.split('.')[0]);
});

test('nothing runs at installation, and nothing else is installed', () => {
  const about = json(path.join(installed, 'package.json'));
  for (const field of [
    'dependencies',
    'optionalDependencies',
    'peerDependencies',
    'bundleDependencies',
    'bundledDependencies',
    'gypfile',
  ])
    assert.equal(about[field], undefined, field);
  for (const name of ['preinstall', 'install', 'postinstall', 'preprepare', 'prepare', 'postprepare'])
    assert.equal(about.scripts[name], undefined, name);
  // npm compiles whatever has this file.
  assert.ok(!packed.files.some(({ path: name }) => name.endsWith('binding.gyp')));
  assert.deepEqual(about.bin, { cardseal: 'pkg/verify.mjs' });
  const { stdout } = spawnSync('npm', ['query', '*', '--json'], { cwd: installed, encoding: 'utf8' });
  assert.ok(!JSON.parse(stdout || '[]').some(({ dev, name }) => !dev && name !== 'cardseal'));
});

test('the loader has the hash of the module that is published', async () => {
  const work = mkdtempSync(path.join(folder, 'work-'));
  for (const name of readdirSync(path.join(installed, 'pkg')).filter((file) => file.endsWith('_bg.wasm'))) {
    cpSync(path.join(installed, 'pkg', name), path.join(work, name));
  }
  integrity(work);
  assert.equal(
    readFileSync(path.join(work, 'integrity.js'), 'utf8'),
    readFileSync(path.join(installed, 'pkg/integrity.js'), 'utf8'),
  );
  assert.ok(
    readFileSync(path.join(installed, 'pkg/integrity.js'), 'utf8').includes(
      manifest.files['pkg/cardseal_bg.wasm'].integrity,
    ),
  );
});

test('each entry needs the files that a bundler finds, and the files that it names', async () => {
  const about = json(path.join(installed, 'package.json'));
  const named = [...new Set(JSON.stringify(about.exports).match(/[\w.-]+\.c?js(?=")/g))].filter(
    (name) => !name.endsWith('.json'),
  );
  assert.deepEqual(Object.keys(manifest.entries).sort(), named.sort());
  for (const [entry, files] of Object.entries(manifest.entries)) {
    assert.ok(files.includes(entry));
    for (const name of files) assert.ok(manifest.files[`pkg/${name}`], name);
  }
  const { metafile } = await build({
    entryPoints: [path.join(installed, 'pkg/index.js')],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    logLevel: 'silent',
  });
  assert.deepEqual(
    manifest.entries['index.js'],
    [...Object.keys(metafile.inputs).map((name) => path.basename(name)), 'cardseal_bg.wasm'].sort(),
  );
  assert.ok(manifest.entries['worker.js'].includes('worker-host.js'));
});

test('the second build is made from what is written, not from the time or the order', () => {
  // The expensive half of this is `npm run reproduce`; here only that its comparison can fail.
  assert.deepEqual(differences(pkg, path.join(installed, 'pkg')), []);
  const other = copy();
  writeFileSync(path.join(other, 'load.js'), `${readFileSync(path.join(other, 'load.js'), 'utf8')} `);
  rmSync(path.join(other, 'client.js'));
  writeFileSync(path.join(other, 'more.js'), '');
  assert.deepEqual(differences(pkg, other), ['client.js', 'load.js', 'more.js']);
});

// ----------------------------------------------------------------------------------------- bill of materials

test('the bill of materials is CycloneDX 1.5, and complete', () => {
  const bom = json(path.join(installed, 'pkg/sbom.cdx.json'));
  assert.deepEqual([bom.bomFormat, bom.specVersion, bom.version], ['CycloneDX', '1.5', 1]);
  assert.equal(bom.metadata.component.version, manifest.version);
  assert.ok(!('serialNumber' in bom) && !('timestamp' in bom.metadata), 'the same sources give the same bytes');
  const lock = locked();
  const refs = [bom.metadata.component['bom-ref'], ...bom.components.map((component) => component['bom-ref'])];
  assert.equal(new Set(refs).size, refs.length);
  for (const component of bom.components) {
    assert.match(component.licenses[0].expression, /^[\w.() -]+$/);
    if (!component.purl) continue;
    assert.equal(component.purl, `pkg:cargo/${component.name}@${component.version}`);
    const entry = lock.get(`${component.name} ${component.version}`);
    assert.ok(entry, component.purl);
    if (entry.source) assert.deepEqual(component.hashes, [{ alg: 'SHA-256', content: entry.checksum }], component.purl);
    else assert.match(component.name, /^cardseal(-random)?$/);
  }
  // The graph names each part once and nothing else, and all of it hangs together.
  assert.deepEqual(bom.dependencies.map(({ ref }) => ref).sort(), refs.sort());
  const reached = new Set([bom.metadata.component['bom-ref']]);
  for (const ref of reached)
    for (const next of bom.dependencies.find((entry) => entry.ref === ref).dependsOn) reached.add(next);
  assert.deepEqual([...reached].sort(), refs);
});

test('the bill of materials has what the crate asks for, and nothing that only runs while compiling', () => {
  const bom = json(path.join(installed, 'pkg/sbom.cdx.json'));
  const names = bom.components.map(({ name }) => name);
  const cargo = readFileSync(path.join(root, 'Cargo.toml'), 'utf8');
  const section = (title) => new RegExp(`^\\[${title}\\]\\n([^]*?)(?=^\\[)`, 'm').exec(cargo)[1];
  const asked = [section('dependencies'), section(`target.'cfg\\(target_arch = "wasm32"\\)'.dependencies`)]
    .join('')
    .match(/^[\w-]+(?= = )/gm);
  assert.ok(asked.length > 8);
  const optional = [...section('dependencies').matchAll(/^([\w-]+) = .*optional = true/gm)].map(([, name]) => name);
  for (const name of asked) if (!optional.includes(name)) assert.ok(names.includes(name), name);
  for (const name of [
    'syn',
    'quote',
    'proc-macro2',
    'wasm-bindgen-macro',
    'serde_derive',
    'num-bigint',
    'proptest',
    'axum',
    'tokio',
  ])
    assert.ok(!names.includes(name), name);
});

// ------------------------------------------------------------------------------------------------- checking

test('an untouched copy is as listed: the package, its folder pkg, and the parts of one entry', async () => {
  for (const [base, count] of [
    [installed, Object.keys(manifest.files).length + 1],
    [path.join(installed, 'pkg'), Object.keys(manifest.files).filter((name) => name.startsWith('pkg/')).length + 1],
  ]) {
    const evidence = await verify(base, { manifest });
    assert.deepEqual([evidence.result, evidence.differing, evidence.files.length], ['same', 0, count], base);
  }
  const part = mkdtempSync(path.join(folder, 'part-'));
  for (const name of manifest.entries['index.js']) cpSync(path.join(installed, 'pkg', name), path.join(part, name));
  writeFileSync(path.join(part, 'shop.js'), 'the shop has files of its own there');
  assert.equal((await verify(part, { manifest, entries: ['index.js'] })).result, 'same');
  assert.equal((await verify(part, { manifest })).result, 'different');
});

test('whatever was changed, cut, lost or added is named', async () => {
  const other = copy();
  const at = (name) => path.join(other, name);
  const wasm = readFileSync(at('cardseal_bg.wasm'));
  wasm[wasm.length >> 1] ^= 1;
  writeFileSync(at('cardseal_bg.wasm'), wasm);
  writeFileSync(at('load.js'), readFileSync(at('load.js')).subarray(1));
  rmSync(at('client.js'));
  writeFileSync(at('send.js'), '');
  mkdirSync(at('more'));
  writeFileSync(at('more/evil.js'), '');
  writeFileSync(at('manifest.json'), '{}');
  renameSync(at('error.js'), at('Error.js'));
  assert.deepEqual(statuses(await verify(other, { manifest })), {
    'Error.js': 'unexpected',
    'cardseal_bg.wasm': 'changed',
    'client.js': 'missing',
    'error.js': 'missing',
    'load.js': 'changed',
    'manifest.json': 'changed',
    'more/evil.js': 'unexpected',
    'send.js': 'changed',
  });
});

test('a deployed copy is checked over HTTP', async (t) => {
  const answers = {};
  const site = await serve(installed, { answers });
  t.after(site.stop);
  const base = `${site.url}/pkg`;
  const good = await verify(base, { manifest });
  assert.deepEqual(statuses(good), {});
  const inPkg = readdirSync(path.join(installed, 'pkg'), { recursive: true, withFileTypes: true });
  assert.equal(good.files.length, inPkg.filter((entry) => entry.isFile()).length);
  Object.assign(answers, {
    '/pkg/index.js': { body: 'other' },
    '/pkg/load.js': { status: 404 },
    '/pkg/send.js': { status: 503 },
    '/pkg/client.js': { status: 302, headers: { location: '/pkg/error.js' } },
  });
  const evidence = await verify(base, { manifest, entries: ['index.js'] });
  assert.deepEqual(statuses(evidence), {
    'index.js': 'changed',
    'load.js': 'missing',
    'send.js': 'unreachable',
    'client.js': 'changed',
  });
  assert.equal(evidence.files.find(({ file }) => file === 'client.js').redirected_to, `${base}/error.js`);
  await site.stop().catch(() => {});
  assert.ok(
    Object.values(statuses(await verify(base, { manifest, entries: ['index.js'] }))).every(
      (status) => status === 'unreachable',
    ),
  );
});

test('the page is looked at: headers, scripts, and the hashes that it states', async (t) => {
  const page = (html, headers = {}) => ({
    headers: { 'content-type': 'text/html', 'content-security-policy': "script-src 'nonce-abc' 'self'", ...headers },
    body: html,
  });
  const map = importMap('/pkg/', { manifest });
  const html = (more = '', hashes = map) =>
    `<!doctype html><!-- <script src="/old.js"></script> --><script type="importmap">${JSON.stringify(hashes)}</script><script src='/shop.js?a=1&amp;b' async integrity="sha384-x"></script>${more}`;
  const answers = { '/shop': page(html()) };
  const site = await serve(installed, { answers });
  t.after(site.stop);
  const look = (more) =>
    verify(`${site.url}/pkg`, { manifest, entries: ['index.js'], page: `${site.url}/shop`, ...more });
  const first = await look();
  assert.equal(first.result, 'same');
  assert.deepEqual(first.page.headers, { 'content-security-policy': "script-src 'nonce-*' 'self'" });
  assert.deepEqual(first.page.scripts, [
    { inline: sri(JSON.stringify(map)), type: 'importmap' },
    { src: `${site.url}/shop.js?a=1&b`, integrity: 'sha384-x' },
  ]);

  answers['/shop'] = page(html(), { 'content-security-policy': "script-src 'nonce-other' 'self'" });
  assert.equal((await look({ baseline: first })).result, 'same');
  answers['/shop'] = page(html('<script src="//evil.example/x.js"></script>'), {
    'content-security-policy': 'script-src *',
  });
  const second = await look({ baseline: first });
  assert.deepEqual(
    second.page.differences.map(({ what, name, found }) => [what, name ?? found?.src]),
    [
      ['header', 'content-security-policy'],
      ['script', 'http://evil.example/x.js'],
    ],
  );
  assert.equal(second.result, 'different');
  answers['/shop'] = page(html('', { ...map, integrity: { ...map.integrity, '/pkg/load.js': 'sha384-AAAA' } }));
  const third = await look();
  assert.deepEqual(
    third.page.differences.map(({ what, address }) => [what, address]),
    [['integrity in the page', `${site.url}/pkg/load.js`]],
  );
});

test('a folder of any kind can be listed and checked later', async () => {
  const dist = mkdtempSync(path.join(folder, 'dist-'));
  mkdirSync(path.join(dist, 'assets'));
  writeFileSync(path.join(dist, 'assets/app-1a2b.js'), 'the shop');
  writeFileSync(path.join(folder, 'dist.json'), run('list', dist).stdout);
  assert.equal(run('verify', dist, '--manifest', 'dist.json').status, 0);
  assert.deepEqual(Object.keys(list(dist).files), ['assets/app-1a2b.js']);
  writeFileSync(path.join(dist, 'assets/app-1a2b.js'), 'the Shop');
  const { status, stdout } = run('verify', dist, '--manifest', 'dist.json');
  assert.equal(status, 1);
  assert.match(stdout, /^changed +assets\/app-1a2b\.js\n0 of 1 files/);
});

test('the program says by its exit code what it found, in words and as JSON', async (t) => {
  assert.deepEqual(run('verify', 'package/pkg').status, 0);
  const other = copy();
  writeFileSync(path.join(other, 'index.js'), '');
  const { status, stdout } = run('verify', other, '--json');
  const evidence = JSON.parse(stdout);
  assert.equal(status, 1);
  assert.deepEqual(
    [evidence.result, evidence.differing, evidence.package, evidence.manifest],
    [
      'different',
      1,
      { name: 'cardseal', version: manifest.version },
      sri(readFileSync(path.join(installed, 'pkg/manifest.json'))),
    ],
  );
  assert.ok(Math.abs(Date.parse(evidence.checked_at) - Date.now()) < 60_000);
  for (const args of [
    [],
    ['verify'],
    ['verify', 'nowhere'],
    ['verify', 'package', '--entry', 'none.js'],
    ['verify', 'package', '--wrong'],
    ['verify', 'package', '--baseline', path.join(installed, 'package.json')],
  ]) {
    const result = run(...args);
    assert.equal(result.status, 2, args.join(' '));
    assert.match(result.stderr, /verify <URL or folder>/, args.join(' '));
  }
  const site = await serve(installed);
  t.after(site.stop);
  assert.equal((await running('verify', `${site.url}/pkg/`)).status, 0);
  const map = JSON.parse(run('import-map', '/assets').stdout);
  assert.deepEqual(map.imports, { cardseal: '/assets/index.js' });
  assert.equal(map.integrity['/assets/integrity.js'], manifest.files['pkg/integrity.js'].integrity);
});

test('the program is started by the name that npm links', () => {
  const shop = mkdtempSync(path.join(folder, 'shop-'));
  writeFileSync(path.join(shop, 'package.json'), '{ "name": "shop", "private": true }\n');
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', path.join(folder, packed.filename)], {
    cwd: shop,
  });
  const out = execFileSync('npx', ['--offline', '--no', 'cardseal', 'verify', 'node_modules/cardseal'], {
    cwd: shop,
    encoding: 'utf8',
  });
  assert.match(out, /; 0 differences\.$/m);
});

// -------------------------------------------------------------------------------------------- the documents

test('the documents have the lines that the program writes', async () => {
  const text = ['docs/integrity.md', 'docs/pci-evidence.md']
    .map((file) => readFileSync(path.join(root, file), 'utf8'))
    .join('\n');
  for (const command of text.matchAll(/npx cardseal ([\w-]+)/g))
    assert.ok(['verify', 'import-map', 'list'].includes(command[1]), command[0]);
  for (const [option] of text.matchAll(/(?<=\s)--[a-z]+/g))
    assert.ok(
      readFileSync(path.join(root, 'scripts/verify.mjs'), 'utf8').includes(`${option} `) ||
        ['--keep', '--force'].includes(option),
      option,
    );
  const [, block] = /```html\n<script type="importmap">\n([\s\S]*?)<\/script>/.exec(text);
  const shown = JSON.parse(block);
  const real = importMap('/cardseal/', { manifest });
  assert.deepEqual(shown.imports, real.imports);
  assert.deepEqual(Object.keys(shown.integrity), Object.keys(real.integrity));
  const evidence = await verify(path.join(installed, 'pkg'), { manifest });
  for (const field of [...Object.keys(evidence), ...Object.keys(evidence.files[0]), ...Object.keys(manifest)].filter(
    (name) => !['tool', 'own'].includes(name),
  ))
    assert.ok(text.includes(field), field);
});
