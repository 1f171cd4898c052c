// Checks for everything that the other scripts need, and installs what is missing.
//
//   npm run setup            everything that `npm test` needs
//
// Uses nothing but Node itself, because node_modules is one of the things it installs.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { postgresPrograms } from './postgres.mjs';
import {
  ask,
  chromedriver,
  chromium,
  firefox,
  geckodriver,
  isMain,
  isRoot,
  lockedVersion,
  main,
  must,
  root,
  run,
  Stop,
  say,
  targetFolder,
  webkitBrowser,
  which,
} from './project.mjs';

const WASM_TARGET = 'wasm32-unknown-unknown';
const WASM_PACK = '0.15.1';
const GECKODRIVER = '0.37.1';
const NPM_CI = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

/** What a script may ask for, in the order in which it is looked at: what can only be refused comes first. */
const THINGS = {
  node,
  rust,
  compiler,
  formatter,
  linter,
  wasmTarget,
  packages,
  python,
  postgres,
  guideTools,
  browser,
  otherBrowsers,
  wasmBindgen,
  wasmPack,
  firefoxDriver,
};

/** What compiles; `npm start` needs no more before it begins. */
export const TO_COMPILE = ['node', 'rust', 'compiler', 'wasmTarget'];
/** What `npm run build` needs. */
export const TO_BUILD = [...TO_COMPILE, 'packages'];
export const EVERYTHING = Object.keys(THINGS);

export async function ensure(names) {
  for (const [name, look] of Object.entries(THINGS)) {
    if (names.includes(name)) await look();
  }
}

function node() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new Stop(`This needs Node 20 or newer; the installed version is ${process.versions.node}.`);
  }
}

function rust() {
  const wanted = /^rust-version = "([^"]+)"/m.exec(readFileSync(path.join(root, 'Cargo.toml'), 'utf8'))?.[1] ?? '1.94';
  const version = ask('rustc', ['--version'])?.split(' ')[1];
  if (!version || !which('cargo')) {
    throw new Stop(
      `Rust is missing. Install Rust ${wanted} or newer with rustup (https://rustup.rs), then run this again.`,
    );
  }
  const [major, minor] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = wanted.split('.').map(Number);
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    throw new Stop(
      `This needs Rust ${wanted} or newer; the installed version is ${version}. Run \`rustup update stable\`.`,
    );
  }
  if (!compiledByHand()) process.env.CARGO_INCREMENTAL ??= '0';
}

/**
 * Whether somebody runs cargo here without these scripts. Then the scripts compile as that does, or everything would be
 * compiled in both ways. Otherwise they keep no notes for the next compilation of a crate, which makes the first a fifth
 * shorter.
 */
function compiledByHand() {
  try {
    return readdirSync(path.join(targetFolder(), 'debug', 'incremental')).length > 0;
  } catch {
    return false;
  }
}

async function compiler() {
  if (which('cc')) return;
  say('Installing a C compiler with apt-get: SQLite and the TLS library are compiled from C.');
  await apt('a C compiler', ['build-essential']);
}

async function formatter() {
  if (ask('cargo', ['fmt', '--version'])) return;
  say('Adding rustfmt to the Rust toolchain.');
  await rustup(['component', 'add', 'rustfmt'], 'rustfmt');
}

async function linter() {
  if (ask('cargo', ['clippy', '--version'])) return;
  say('Adding clippy to the Rust toolchain.');
  await rustup(['component', 'add', 'clippy'], 'clippy');
}

async function wasmTarget() {
  const sysroot = ask('rustc', ['--print', 'sysroot']);
  if (sysroot && existsSync(path.join(sysroot, 'lib', 'rustlib', WASM_TARGET, 'lib'))) return;
  say(`Adding the target ${WASM_TARGET} to the Rust toolchain.`);
  await rustup(['target', 'add', WASM_TARGET], `the target ${WASM_TARGET}`);
}

async function rustup(args, what) {
  if (!which('rustup'))
    throw new Stop(`${what} is missing, and there is no rustup to add it. Install it the way you installed Rust.`);
  await must('rustup', args);
}

async function packages() {
  if (packagesFit()) return;
  say('Installing the development packages from package-lock.json into node_modules.');
  await must('npm', NPM_CI);
}

/**
 * One of the development packages, with what the lock file has under its own scope. Where they are not all installed, it
 * is installed alone, into the target folder: the demo needs no other.
 */
export async function onePackage(name) {
  if (packagesFit()) return createRequire(import.meta.url)(name);
  const all = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const own = `node_modules/${name}`;
  const { version } = all.packages[own];
  const needed = Object.entries(all.packages)
    .filter(([place]) => place === own || place.startsWith(`node_modules/@${name}/`))
    .map(([place, { dev: _, ...entry }]) => [place, entry]);
  const described = { private: true, dependencies: { [name]: version } };
  const lock = JSON.stringify({
    lockfileVersion: all.lockfileVersion,
    packages: Object.fromEntries([['', described], ...needed]),
  });
  const folder = path.join(targetFolder(), 'tools', `${name}-${version}`);
  const stamp = path.join(folder, 'installed.stamp');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    say(`Installing ${name} ${version} from package-lock.json.`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify(described));
    writeFileSync(path.join(folder, 'package-lock.json'), lock);
    await must('npm', NPM_CI, { cwd: folder });
    writeFileSync(stamp, lock);
  }
  return createRequire(stamp)(name);
}

/** Whether node_modules holds what the lock file says; npm keeps its own note of what it installed. */
function packagesFit() {
  const read = (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;
  let installed;
  try {
    installed = read('node_modules/.package-lock.json');
  } catch {
    return false;
  }
  return Object.entries(read('package-lock.json')).every(
    ([place, entry]) =>
      place === '' || (installed[place] ? installed[place].version === entry.version : entry.optional === true),
  );
}

/** Debian cuts the part of Python that makes virtual environments into a package of its own. */
async function python() {
  if (ask('python3', ['-c', 'import ensurepip, venv']) !== undefined) return;
  say('Installing Python with apt-get: some of the clients under test, and Schemathesis, need it.');
  await apt('Python', ['python3', 'python3-venv']);
}

/** Without a running server: tests and the demo start their own. */
async function postgres() {
  if (postgresPrograms()) return;
  say('Installing PostgreSQL with apt-get: the server keeps its rows there or in SQLite, and is tested on both.');
  await apt('PostgreSQL', ['postgresql']);
}

/** What docs/going-live.md calls, beside what is installed above. */
async function guideTools() {
  const missing = ['curl', 'jq', 'openssl', 'sqlite3'].filter((name) => !which(name));
  if (missing.length === 0) return;
  say(`Installing ${missing.join(', ')} with apt-get: a test follows docs/going-live.md, which uses them.`);
  await apt('a program of the guide', missing);
}

async function browser() {
  const missing = [...(chromium() ? [] : ['chromium']), ...(chromedriver() ? [] : ['chromium-driver'])];
  if (missing.length === 0) return;
  say(`Installing ${missing.join(' and ')} with apt-get: the tests run in a real browser.`);
  await apt('a browser', missing);
}

/** The engines beside Chromium's. WebKit's has no way to run without a screen: Xvfb is one that nobody sees. */
async function otherBrowsers() {
  const missing = [
    ...(firefox() ? [] : ['firefox-esr']),
    ...(which('WebKitWebDriver') && webkitBrowser() ? [] : ['webkit2gtk-driver']),
    ...(which('Xvfb') ? [] : ['xvfb']),
  ];
  if (missing.length === 0) return;
  say(`Installing ${missing.join(', ')} with apt-get: the tests run in every browser engine.`);
  await apt('a browser', missing);
}

async function apt(what, names) {
  const sudo = isRoot ? [] : ['sudo', '-n'];
  const able = which('apt-get') && (isRoot || (which('sudo') && ask('sudo', ['-n', 'true']) !== undefined));
  if (!able) {
    throw new Stop(
      `${what} is missing, and this script cannot install it here. Please install ${names.join(' and ')} ` +
        `(on Debian: apt-get install ${names.join(' ')}), then run this again.`,
    );
  }
  const command = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q'];
  const install = [...command, 'install', '-y', '--no-install-recommends', ...names];
  if ((await run(install[0], install.slice(1))).code === 0) return;
  say('The first attempt failed. Updating the package lists.');
  const update = [...command, 'update'];
  await must(update[0], update.slice(1));
  await must(install[0], install.slice(1));
}

// `wasm-bindgen` must match the library to the last digit, because the two speak a private format.
async function wasmBindgen() {
  if (!lockedVersion('wasm-bindgen')) await must('cargo', ['generate-lockfile']);
  const wanted = lockedVersion('wasm-bindgen');
  const fits = () => which('wasm-bindgen-test-runner') && ask('wasm-bindgen', ['--version'])?.split(' ')[1] === wanted;
  if (fits()) return;
  const install = ['install', 'wasm-bindgen-cli', '--version', wanted];
  if (which('wasm-bindgen')) {
    // Another project may need the version that is here, so it stays, and ours goes before it.
    const folder = path.join(root, 'target', 'tools', `wasm-bindgen-${wanted}`);
    process.env.PATH = `${path.join(folder, 'bin')}${path.delimiter}${process.env.PATH}`;
    if (fits()) return;
    const where = path.relative(root, folder);
    say(
      `Installing wasm-bindgen ${wanted} into ${where}, beside the installed version. This takes a few minutes, once.`,
    );
    await must('cargo', [...install, '--root', folder]);
  } else {
    say(`Installing wasm-bindgen ${wanted} with cargo. This takes a few minutes, once.`);
    await must('cargo', install);
  }
  if (!fits()) throw new Stop("wasm-bindgen was installed but cannot be found. Is cargo's bin folder on PATH?");
}

async function wasmPack() {
  if (which('wasm-pack')) return;
  say(`Installing wasm-pack ${WASM_PACK} with cargo. This takes a few minutes, once.`);
  await must('cargo', ['install', '--locked', 'wasm-pack', '--version', WASM_PACK]);
}

/** Debian has no package of it; wasm-pack would fetch a program from the network. */
async function firefoxDriver() {
  if (geckodriver()) return;
  say(`Installing geckodriver ${GECKODRIVER} with cargo. This takes a few minutes, once.`);
  await must('cargo', ['install', '--locked', 'geckodriver', '--version', GECKODRIVER]);
}

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(EVERYTHING);
    say('Everything that the scripts need is installed.');
  });
}
