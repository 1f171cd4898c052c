// Other people's packages that the tests run, each set installed once for each state of its files, into the target folder.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
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
import { root, targetFolder } from '../scripts/project.mjs';

/** Not `npm ci`: it refuses a lock file that lacks the platform packages of other machines, which a registry need not have. */
export const NPM_INSTALL = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

/** Runs a command to its end; gives its standard output, or throws with all that it printed. */
export function run(program, args, { cwd, env, input, ms = 420_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    const texts = ['', ''];
    for (const [index, stream] of [child.stdout, child.stderr].entries()) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        texts[index] += chunk;
      });
    }
    child.on('error', reject);
    child.stdin.on('error', () => {}).end(input);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(texts[0]);
      else
        reject(
          new Error(`${path.basename(program)} ${args.join(' ')}: ${signal ?? code}\n${texts.join('\n').slice(-6000)}`),
        );
    });
  });
}

/**
 * The folder with copies of `names` (files and folders of `from`) in which `install(folder)` has run. What an earlier state of
 * those files left is removed.
 */
export async function installed(name, from, names, install) {
  const hash = createHash('sha256');
  for (const file of names.flatMap((entry) => filesOf(from, entry)))
    hash.update(file).update(readFileSync(path.join(from, file)));
  const base = path.join(process.env.CARDSEAL_TARGET ?? targetFolder(), name);
  const folder = path.join(base, hash.digest('hex').slice(0, 16));
  const done = path.join(folder, 'installed');
  if (existsSync(done)) return folder;
  rmSync(base, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const entry of names) cpSync(path.join(from, entry), path.join(folder, entry), { recursive: true });
  await install(folder);
  writeFileSync(done, '');
  return folder;
}

/**
 * The package as a customer gets it, packed and unpacked into this node_modules. It depends on nothing, so unpacking is all
 * that an installation does.
 */
export async function unpackInto(modules) {
  const [packed] = JSON.parse(
    await run(
      'npm',
      ['pack', process.env.CARDSEAL_PACKAGE ?? root, '--ignore-scripts', '--json', '--pack-destination', modules],
      { cwd: modules },
    ),
  );
  const tarball = path.join(modules, packed.filename);
  await run('tar', ['-xzf', tarball, '-C', modules]);
  rmSync(tarball);
  rmSync(path.join(modules, 'cardseal'), { recursive: true, force: true });
  renameSync(path.join(modules, 'package'), path.join(modules, 'cardseal'));
}

function filesOf(from, entry) {
  if (!statSync(path.join(from, entry)).isDirectory()) return [entry];
  return readdirSync(path.join(from, entry))
    .sort()
    .flatMap((name) => filesOf(from, path.join(entry, name)));
}
