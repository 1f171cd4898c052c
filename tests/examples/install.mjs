// The examples in a place of their own: what they need is installed once for each lock file, their sources and the package
// are new each time.

import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { root } from '../../scripts/project.mjs';
import { installed, NPM_INSTALL, run as plain, unpackInto } from '../install.mjs';

export const EXAMPLES = readdirSync(path.join(root, 'examples')).filter((name) =>
  existsSync(path.join(root, 'examples', name, 'package.json')),
);

/** Runs a command as continuous integration would; none of the tools reports home or asks. */
export const run = (program, args, { env, ...options } = {}) =>
  plain(program, args, {
    ...options,
    env: { NEXT_TELEMETRY_DISABLED: '1', NG_CLI_ANALYTICS: 'false', CI: 'true', ...env },
  });

/** The folder that has a folder for each example. */
export async function workplace() {
  const files = ['package.json', 'package-lock.json', '.npmrc', ...EXAMPLES.map((name) => `${name}/package.json`)];
  const names = files.map((name) => `examples/${name}`);
  const place = await installed('examples', root, names, async (folder) => {
    process.stderr.write('Installing what the examples need, once; this takes some minutes.\n');
    // The examples take the package from two folders above. What it holds comes later.
    writeFileSync(path.join(folder, 'package.json'), '{ "name": "cardseal", "version": "0.1.0" }\n');
    await run('npm', NPM_INSTALL, { cwd: path.join(folder, 'examples'), ms: 900_000 });
  });
  const folder = path.join(place, 'examples');
  for (const name of EXAMPLES) {
    const to = path.join(folder, name);
    for (const entry of readdirSync(to))
      if (entry !== 'node_modules') rmSync(path.join(to, entry), { recursive: true, force: true });
    const from = path.join(root, 'examples', name);
    const ours = (file) => !MADE.test(path.relative(from, file));
    cpSync(from, to, { recursive: true, filter: ours });
  }
  await unpackInto(path.join(folder, 'node_modules'));
  return folder;
}

/** What somebody who tried an example has left beside its sources. */
const MADE = /^(node_modules|dist|\.next|\.angular|next-env\.d\.ts|tsconfig\.tsbuildinfo)$/;
