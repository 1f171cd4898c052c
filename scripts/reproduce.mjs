// Builds the package a second time, elsewhere, and compares every byte with pkg.
//
//   npm run reproduce            -- --keep leaves the second build where it was made
//
// The second build is of a copy of the sources in another folder, with a target folder, a home of cargo and a working
// directory of its own, and from nothing: no compiled crate of the first is used. Only the downloads are shared.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { build } from './build.mjs';
import { ask, cargoHome, isMain, main, must, pkg, root, say, seconds } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';
import { list } from './verify.mjs';

/** What is not source, wherever it lies. */
const LEFT_OUT = ['.git', 'node_modules', 'pkg', 'target', 'test-results'];

export async function reproduce({ keep = false } = {}) {
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'cardseal again ')));
  try {
    const copy = path.join(folder, 'some', 'other', 'place');
    cpSync(root, copy, { recursive: true, filter: (from) => !LEFT_OUT.includes(path.basename(from)) });
    symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
    const home = path.join(folder, 'cargo');
    mkdirSync(home);
    for (const name of ['registry', 'git', 'bin', 'config.toml']) {
      if (existsSync(path.join(cargoHome, name))) symlinkSync(path.join(cargoHome, name), path.join(home, name));
    }
    const began = performance.now();
    await must(process.execPath, [path.join(copy, 'scripts', 'build.mjs'), '--force'], {
      cwd: folder,
      env: {
        CARGO_HOME: home,
        CARGO_TARGET_DIR: path.join(folder, 'target'),
        TZ: 'Pacific/Chatham',
        LC_ALL: 'C',
        SOURCE_DATE_EPOCH: '1',
      },
    });
    say(`The second build took ${seconds(began)}.`);
    return differences(pkg, path.join(copy, 'pkg'));
  } finally {
    if (keep) say(`The second build is in ${folder}.`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

/** The names of the files that are not the same in both folders. */
export function differences(one, other) {
  const [left, right] = [one, other].map((folder) => list(folder).files);
  return [...new Set([...Object.keys(left), ...Object.keys(right)])]
    .filter((name) => left[name]?.integrity !== right[name]?.integrity)
    .sort();
}

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(TO_BUILD);
    await build();
    const differing = await reproduce({ keep: process.argv.includes('--keep') });
    for (const name of differing) process.stdout.write(`differs: ${name}\n`);
    const { built_with: tools } = JSON.parse(readFileSync(path.join(pkg, 'manifest.json'), 'utf8'));
    process.stdout.write(
      `${differing.length === 0 ? 'Both builds are the same, byte for byte' : 'The builds differ'} (rustc ${tools.rustc}, ${ask('uname', ['-sm']) ?? process.platform}).\n`,
    );
    return differing.length === 0 ? 0 : 1;
  });
}
