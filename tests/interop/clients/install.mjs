// The clients that the platforms publish, and others' of them: as published, in a folder and a virtual environment of their own.

import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { installed, NPM_INSTALL, run } from '../../install.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Makes both, before tests that run side by side each find them missing. */
export async function installClients() {
  await npmFolder();
  await pythonFolder();
}

/** `require` that finds the clients from the npm registry. */
export async function npmClients() {
  return createRequire(path.join(await npmFolder(), 'package.json'));
}

/** Runs a program of this folder on the Python clients, and gives what it printed: `python('gp_api.py', [url])`. */
export async function python(program, args = [], options = {}) {
  const folder = await pythonFolder();
  return run(path.join(folder, 'venv', 'bin', 'python'), ['-B', path.join(here, program), ...args], {
    cwd: folder,
    ...options,
  });
}

function npmFolder() {
  return installed(
    'npm-clients',
    here,
    ['package.json', 'package-lock.json', '.npmrc', 'greenpay-sdk-core'],
    async (folder) => {
      process.stderr.write('Installing the clients that the platforms publish for Node, once.\n');
      await run('npm', NPM_INSTALL, { cwd: folder });
    },
  );
}

function pythonFolder() {
  return installed('python-clients', here, ['requirements.txt'], async (folder) => {
    process.stderr.write('Installing the clients that the platforms publish for Python, once.\n');
    const venv = path.join(folder, 'venv');
    await run('python3', ['-m', 'venv', venv]);
    const pip = [
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--requirement',
      path.join(folder, 'requirements.txt'),
    ];
    await run(path.join(venv, 'bin', 'pip'), pip);
  });
}
