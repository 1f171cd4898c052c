#!/usr/bin/env node
// Checks deployed files against a list of hashes, and writes what a page needs to enforce the same hashes itself.
//
//   verify <URL or folder>       compares every file there with the list; the exit code is 1 if anything differs
//     --entry <file>             only the files that this entry needs, such as index.js; can be repeated
//     --manifest <file>          use this list instead of this package's own
//     --page <URL>               also checks a payment page: its security headers and its scripts
//     --baseline <file>          an earlier --json output: reports what has changed in the page since
//     --json                     the whole result as JSON on standard output
//   import-map <address>         prints the import map with hashes, for the package's files served at this address
//     --entry <file>             for another entry than index.js
//   list <folder>                prints a list of everything in the folder, to pass to --manifest later
//   pack, open, key, doctor, sandbox, completions, man, verify answer|notification|event|package
//                                are handed to the native program cardseal, if it is installed (docs/cli.md)
//
// The others need only Node. It reads the list from its own package, never from the deployed copy.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = path.dirname(fileURLToPath(import.meta.url));
const MANIFEST = 'manifest.json';
const LIMIT = 64 << 20;
const PATIENCE = 20_000;

/** The headers that decide what a page may run, load and reveal. */
const HEADERS = [
  'content-security-policy',
  'content-security-policy-report-only',
  'cross-origin-embedder-policy',
  'cross-origin-opener-policy',
  'cross-origin-resource-policy',
  'integrity-policy',
  'integrity-policy-report-only',
  'permissions-policy',
  'referrer-policy',
  'reporting-endpoints',
  'strict-transport-security',
  'x-content-type-options',
  'x-frame-options',
];

/** A hash as the `integrity` attribute of a script has it. */
export const sri = (bytes) => `sha384-${createHash('sha384').update(bytes).digest('base64')}`;

class Usage extends Error {}

/** A list of hashes, and the hash of the list itself. */
export function readManifest(
  file = [path.join(here, MANIFEST), path.join(here, '..', 'pkg', MANIFEST)].find((name) => existsSync(name)),
) {
  if (!file) throw new Usage(`there is no ${MANIFEST} beside this program: give one with --manifest`);
  const bytes = readFileSync(file);
  const manifest = JSON.parse(bytes.toString('utf8'));
  if (!manifest?.files || typeof manifest.files !== 'object') throw new Usage(`${file} is not a list of files`);
  return { ...manifest, own: { size: bytes.length, integrity: sri(bytes) } };
}

/** Of the list, the part that belongs at `base`: whole packages have a package.json, copies are of the folder pkg. */
function wanted(manifest, entries, whole) {
  const { files } = manifest;
  const packaged = Object.keys(files).some((name) => name.startsWith('pkg/'));
  if (entries.length === 0) {
    if (!packaged) return files;
    const all = { ...files, [`pkg/${MANIFEST}`]: manifest.own };
    return whole
      ? all
      : Object.fromEntries(
          Object.entries(all)
            .filter(([name]) => name.startsWith('pkg/'))
            .map(([name, file]) => [name.slice(4), file]),
        );
  }
  const chosen = {};
  for (const entry of entries) {
    const reached = manifest.entries?.[entry];
    if (!reached)
      throw new Usage(
        `there is no entry ${entry}; there are: ${Object.keys(manifest.entries ?? {}).join(', ') || 'none'}`,
      );
    for (const name of reached) chosen[whole ? `pkg/${name}` : name] = files[`pkg/${name}`];
  }
  return chosen;
}

/** What the browser of a shopper would get, whatever the server says about its age. */
async function get(url) {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(PATIENCE),
    headers: { 'cache-control': 'no-cache' },
  });
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LIMIT) throw new Error(`more than ${LIMIT} bytes`);
    chunks.push(chunk);
  }
  return { response, bytes: Buffer.concat(chunks) };
}

/** Compares a deployed copy with the list. Gives plain data: the evidence. */
export async function verify(base, { manifest = readManifest(), entries = [], page, baseline } = {}) {
  const remote = /^https?:/i.test(base);
  if (!remote && !statSync(base, { throwIfNoEntry: false })?.isDirectory())
    throw new Usage(`${base} is neither a folder nor an http address`);
  const root = remote ? new URL(base.endsWith('/') ? base : `${base}/`) : path.resolve(base);
  const whole =
    !remote && Boolean(manifest.name) && parsed(text(path.join(root, 'package.json')))?.name === manifest.name;
  const expected = wanted(manifest, entries, whole);
  const files = await mapped(Object.entries(expected), 6, ([name, file]) =>
    remote ? fetched(root, name, file) : read(root, name, file),
  );
  // A part of the package may lie among other files; the whole of it may not.
  if (!remote && entries.length === 0) {
    for (const name of within(root)) {
      if (!expected[name]) files.push({ file: name, status: 'unexpected' });
    }
  }
  const seen = page ? await look(page, root, remote ? expected : {}, baseline?.page) : undefined;
  const differing = files.filter(({ status }) => status !== 'same').length + (seen?.differences.length ?? 0);
  return {
    tool: 'cardseal verify',
    package: manifest.name && { name: manifest.name, version: manifest.version },
    manifest: manifest.own.integrity,
    checked_at: new Date().toISOString(),
    base: String(base),
    entries,
    result: differing === 0 ? 'same' : 'different',
    differing,
    files,
    ...(seen ? { page: seen } : {}),
  };
}

async function fetched(root, name, { size, integrity, purpose }) {
  const address = new URL(name, root).href;
  const expected = { file: name, address, ...(purpose ? { purpose } : {}), expected: integrity };
  try {
    const { response, bytes } = await get(address);
    const where = { http_status: response.status, ...(response.redirected ? { redirected_to: response.url } : {}) };
    if (!response.ok)
      return {
        ...expected,
        status: response.status === 404 || response.status === 410 ? 'missing' : 'unreachable',
        ...where,
      };
    return { ...expected, ...compared(bytes, size, integrity), ...where };
  } catch (error) {
    return { ...expected, status: 'unreachable', reason: String(error.cause?.code ?? error.message) };
  }
}

function read(root, name, { size, integrity, purpose }) {
  const expected = { file: name, ...(purpose ? { purpose } : {}), expected: integrity };
  const file = path.join(root, name);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return { ...expected, status: 'missing' };
  return { ...expected, ...compared(readFileSync(file), size, integrity) };
}

function compared(bytes, size, integrity) {
  const found = sri(bytes);
  return { status: found === integrity && bytes.length === size ? 'same' : 'changed', found, size: bytes.length };
}

/** The files below a folder, with `/` between the parts of a name. */
function within(folder, prefix = '') {
  return readdirSync(path.join(folder, prefix), { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? within(folder, `${prefix}${entry.name}/`) : [`${prefix}${entry.name}`]))
    .sort();
}

/** `Array.map` of an async function, at most `width` at once. */
async function mapped(list, width, work) {
  const results = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < list.length) {
        const at = next++;
        results[at] = await work(list[at]);
      }
    }),
  );
  return results;
}

/**
 * A page as the server sends it: its security headers and scripts, and how they differ from what is expected of our
 * files and from an earlier look. Scripts that other scripts add are not seen here.
 */
async function look(url, root, expected, before) {
  const { response, bytes } = await get(url);
  const headers = Object.fromEntries(
    HEADERS.map((name) => [name, response.headers.get(name)])
      .filter(([, value]) => value !== null)
      // These change with every answer.
      .map(([name, value]) => [name, value.replace(/'nonce-[^']*'/g, "'nonce-*'")]),
  );
  const html = bytes.toString('utf8').replace(/<!--[\s\S]*?-->/g, '');
  const scripts = [];
  const stated = [];
  for (const [, tag, body] of html.matchAll(/<script\b((?:[^>"']|"[^"]*"|'[^']*')*)>([\s\S]*?)<\/script\s*>/gi)) {
    const attributes = Object.fromEntries(
      [...tag.matchAll(/([^\s=/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)].map(([, name, ...values]) => [
        name.toLowerCase(),
        (values.find((value) => value !== undefined) ?? '').replaceAll('&amp;', '&'),
      ]),
    );
    const type = attributes.type ? { type: attributes.type } : {};
    if (attributes.src !== undefined) {
      const src = new URL(attributes.src, response.url).href;
      scripts.push({ src, ...type, integrity: attributes.integrity ?? null });
      if (attributes.integrity) stated.push([src, attributes.integrity]);
    } else {
      scripts.push({ inline: sri(body), ...type });
      if (attributes.type === 'importmap') {
        for (const [address, hash] of Object.entries(parsed(body)?.integrity ?? {}))
          stated.push([new URL(address, response.url).href, hash]);
      }
    }
  }
  const differences = response.ok ? [] : [{ what: 'page', http_status: response.status }];
  const ours = new Map(Object.entries(expected).map(([name, { integrity }]) => [new URL(name, root).href, integrity]));
  for (const [address, hash] of stated) {
    if (ours.has(address) && !hash.split(/\s+/).includes(ours.get(address)))
      differences.push({ what: 'integrity in the page', address, expected: ours.get(address), found: hash });
  }
  if (before) {
    for (const name of HEADERS) {
      if (before.headers[name] !== headers[name])
        differences.push({
          what: 'header',
          name,
          expected: before.headers[name] ?? null,
          found: headers[name] ?? null,
        });
    }
    const [earlier, now] = [before.scripts, scripts].map((list) => list.map((script) => JSON.stringify(script)));
    for (const script of earlier)
      if (!now.includes(script)) differences.push({ what: 'script', expected: JSON.parse(script), found: null });
    for (const script of now)
      if (!earlier.includes(script)) differences.push({ what: 'script', expected: null, found: JSON.parse(script) });
  }
  return { address: url, http_status: response.status, headers, scripts, differences };
}

/** A file's text, or nothing. */
function text(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An import map that names the package and holds the hash of every module that the entry needs. */
export function importMap(address, { manifest = readManifest(), entry = 'index.js' } = {}) {
  const at = address.endsWith('/') ? address : `${address}/`;
  const modules = Object.entries(wanted(manifest, [entry], false)).filter(
    ([name]) => name.endsWith('.js') && name !== 'worker-host.js',
  );
  return {
    imports: { [entry === 'worker.js' ? 'cardseal/worker' : 'cardseal']: at + entry },
    integrity: Object.fromEntries(modules.map(([name, { integrity }]) => [at + name, integrity])),
  };
}

/** A list of whatever is in a folder. */
export function list(folder) {
  return {
    files: Object.fromEntries(
      within(folder).map((name) => {
        const bytes = readFileSync(path.join(folder, name));
        return [name, { size: bytes.length, integrity: sri(bytes) }];
      }),
    ),
  };
}

function told(evidence) {
  const lines = evidence.files
    .filter(({ status }) => status !== 'same')
    .map(
      ({ file, status, reason, http_status }) =>
        `${status.padEnd(11)} ${file}${reason ? ` (${reason})` : http_status && http_status !== 200 ? ` (${http_status})` : ''}`,
    );
  for (const { what, name, address, expected, found } of evidence.page?.differences ?? []) {
    const text = (value) =>
      value === null || value === undefined ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value);
    lines.push(
      `${'page'.padEnd(11)} ${[what, name, address].filter(Boolean).join(' ')}: expected ${text(expected)}, found ${text(found)}`,
    );
  }
  const same = evidence.files.filter(({ status }) => status === 'same').length;
  return [...lines, `${same} of ${evidence.files.length} files match; ${evidence.differing} differences.`].join('\n');
}

/** The commands of the native program, and its kinds of `verify`. */
const NATIVE = ['pack', 'open', 'key', 'doctor', 'sandbox', 'completions', 'man'];
const NATIVE_VERIFY = ['answer', 'notification', 'event', 'package'];

/** The native program: as CARDSEAL_CLI says, on the PATH, or where cargo installs it; never this script under its name. */
function native() {
  const name = process.platform === 'win32' ? 'cardseal.exe' : 'cardseal';
  const own = realpathSync(fileURLToPath(import.meta.url));
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), path.join(os.homedir(), '.cargo', 'bin')];
  const places = folders.filter((folder) => path.isAbsolute(folder)).map((folder) => path.join(folder, name));
  return [process.env.CARDSEAL_CLI, ...places]
    .filter((file) => file && statSync(file, { throwIfNoEntry: false })?.isFile())
    .find((file) => realpathSync(file) !== own && !/[\\/]node_modules[\\/]/.test(file));
}

function handOver(args) {
  const program = native();
  if (!program)
    throw new Usage(
      `${args[0]} is a command of the native program cardseal, which is not installed here: run "cargo install --path cli" in Cardseal's repository, or name the program in CARDSEAL_CLI`,
    );
  const { status, error } = spawnSync(program, args, { stdio: 'inherit' });
  if (error) throw new Error(`${program} could not be started: ${error.code}`);
  return status ?? 1;
}

async function run([command, ...rest]) {
  if (NATIVE.includes(command) || (command === 'verify' && NATIVE_VERIFY.includes(rest[0])))
    return handOver([command, ...rest]);
  const text = { type: 'string' };
  const { values, positionals } = parseArgs({
    args: rest,
    allowPositionals: true,
    options: {
      entry: { ...text, multiple: true, default: [] },
      manifest: text,
      page: text,
      baseline: text,
      json: { type: 'boolean', default: false },
    },
  });
  const print = (value) =>
    process.stdout.write(`${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}\n`);
  const [place] = positionals;
  if (!['verify', 'import-map', 'list'].includes(command) || positionals.length !== 1)
    throw new Usage('say what to check');
  if (command === 'list') {
    print(list(place));
    return 0;
  }
  const manifest = readManifest(values.manifest);
  if (command === 'import-map') {
    print(importMap(place, { manifest, entry: values.entry[0] }));
    return 0;
  }
  const baseline = values.baseline && JSON.parse(readFileSync(values.baseline, 'utf8'));
  if (baseline && (!values.page || !baseline.page))
    throw new Usage('--baseline needs --page, and the output of an earlier call with --page');
  const evidence = await verify(place, { manifest, entries: values.entry, page: values.page, baseline });
  print(values.json ? evidence : told(evidence));
  return evidence.result === 'same' ? 0 : 1;
}

// The name under which a package manager runs it may be a link.
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    const usage = error instanceof Usage || String(error.code).startsWith('ERR_PARSE_ARGS');
    const help = /^(?:\/\/.*\n)+/m
      .exec(readFileSync(fileURLToPath(import.meta.url), 'utf8'))[0]
      .replace(/^\/\/ ?/gm, '');
    process.stderr.write(usage ? `${error.message}\n\n${help}` : `${error.message}\n`);
    process.exitCode = 2;
  }
}
