// The bundlers and runtimes, installed once for each lock file, and the package, packed and installed afresh.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { root, targetFolder } from '../../scripts/project.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const FILES = ['package.json', 'package-lock.json', '.npmrc'];

/** Runs a command to its end; gives its standard output, or throws with all that it printed. */
export function run(program, args, { cwd, env, input, ms = 420_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', CI: 'true', ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    const texts = ['', ''];
    [child.stdout, child.stderr].forEach((stream, index) => stream.setEncoding('utf8').on('data', (chunk) => { texts[index] += chunk; }));
    child.on('error', reject);
    child.stdin.on('error', () => {}).end(input);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(texts[0]);
      else reject(new Error(`${path.basename(program)} ${args.join(' ')}: ${signal ?? code}\n${texts.join('\n').slice(-6000)}`));
    });
  });
}

/** The folder whose node_modules has the tools. */
export async function tools() {
  const hash = createHash('sha256');
  for (const name of FILES) hash.update(readFileSync(path.join(here, name)));
  const base = path.join(process.env.CARDSEAL_TARGET ?? targetFolder(), 'bundlers');
  const folder = path.join(base, hash.digest('hex').slice(0, 16));
  if (existsSync(path.join(folder, 'installed'))) return folder;
  rmSync(base, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of FILES) copyFileSync(path.join(here, name), path.join(folder, name));
  process.stderr.write('Installing the bundlers and runtimes, once; this takes some minutes.\n');
  // Not `npm ci`: it refuses a lock file that lacks the platform packages of other machines, which a registry need not have.
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, ms: 900_000 });
  writeFileSync(path.join(folder, 'installed'), '');
  return folder;
}

/** A new folder below the tools with the sample apps and the package in its node_modules, as a customer gets it. */
export async function workplace(install) {
  for (const name of readdirSync(install)) {
    if (name.startsWith('run-')) rmSync(path.join(install, name), { recursive: true, force: true });
  }
  const folder = mkdtempSync(path.join(install, 'run-'));
  cpSync(path.join(here, 'apps'), folder, { recursive: true });
  const [packed] = JSON.parse(await run('npm', ['pack', process.env.CARDSEAL_PACKAGE ?? root, '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: folder }));
  const modules = path.join(folder, 'node_modules');
  mkdirSync(modules);
  // The package depends on nothing, so unpacking is all that an installation does.
  await run('tar', ['-xzf', path.join(folder, packed.filename), '-C', modules]);
  renameSync(path.join(modules, 'package'), path.join(modules, 'cardseal'));
  return folder;
}

/** The program of a package that is a launcher for a platform package, without what its install script would do. */
export function platformProgram(install, scope, start, name) {
  const modules = path.join(install, 'node_modules', scope);
  const found = readdirSync(modules).filter((folder) => folder.startsWith(start))
    .map((folder) => ['', 'bin'].map((sub) => path.join(modules, folder, sub, name)).find((file) => existsSync(file))).find(Boolean);
  if (!found) throw new Error(`there is no ${name} for this machine in ${modules}`);
  return found;
}
