// The bundlers and runtimes, installed once for each lock file, and the package, packed and installed afresh.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { installed, NPM_INSTALL, run as plain, unpackInto } from '../install.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const FILES = ['package.json', 'package-lock.json', '.npmrc'];

/** Runs a command as continuous integration would; none of the tools reports home or asks. */
export const run = (program, args, { env, ...options } = {}) =>
  plain(program, args, {
    ...options,
    env: { NEXT_TELEMETRY_DISABLED: '1', CI: 'true', ...env },
  });

/** The folder whose node_modules has the tools. */
export function tools() {
  return installed('bundlers', here, FILES, async (folder) => {
    process.stderr.write('Installing the bundlers and runtimes, once; this takes some minutes.\n');
    await run('npm', NPM_INSTALL, { cwd: folder, ms: 900_000 });
  });
}

/** A new folder below the tools with the sample apps and the package in its node_modules, as a customer gets it. */
export async function workplace(install) {
  for (const name of readdirSync(install)) {
    if (name.startsWith('run-')) rmSync(path.join(install, name), { recursive: true, force: true });
  }
  const folder = mkdtempSync(path.join(install, 'run-'));
  cpSync(path.join(here, 'apps'), folder, { recursive: true });
  const modules = path.join(folder, 'node_modules');
  mkdirSync(modules);
  await unpackInto(modules);
  return folder;
}

/** The program of a package that is a launcher for a platform package, without what its install script would do. */
export function platformProgram(install, scope, start, name) {
  const modules = path.join(install, 'node_modules', scope);
  const found = readdirSync(modules)
    .filter((folder) => folder.startsWith(start))
    .map((folder) => ['', 'bin'].map((sub) => path.join(modules, folder, sub, name)).find((file) => existsSync(file)))
    .find(Boolean);
  if (!found) throw new Error(`there is no ${name} for this machine in ${modules}`);
  return found;
}
