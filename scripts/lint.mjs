// Formatting, lints and documentation, every warning an error. `npm test` runs the same list.
//
//   npm run lint             --fix formats and applies clippy's own suggestions

import process from 'node:process';
import { isMain, main, run, say } from './project.mjs';
import { ensure } from './setup.mjs';

const WASM = ['-p', 'cardseal', '--target', 'wasm32-unknown-unknown'];

/** Name, cargo arguments, environment; cheap ones first. */
export const LINTS = [
  ['rustfmt', ['fmt', '--all', '--check']],
  ['clippy', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']],
  ['clippy wasm32', ['clippy', ...WASM, '--all-targets', '--', '-D', 'warnings']],
  ['rustdoc', ['doc', '--workspace', '--no-deps'], { RUSTDOCFLAGS: '-D warnings' }],
];

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(['node', 'rust', 'compiler', 'formatter', 'linter', 'wasmTarget']);
    if (process.argv.includes('--fix')) {
      await run('cargo', ['fmt', '--all']);
      await run('cargo', ['clippy', '--workspace', '--all-targets', '--fix', '--allow-dirty', '--allow-staged']);
    }
    let failed = 0;
    for (const [name, args, env] of LINTS) {
      const { code } = await run('cargo', args, { env });
      if (code !== 0) failed += 1;
      say(`${name}: ${code === 0 ? 'ok' : 'FAILED'}`);
    }
    return failed === 0 ? 0 : 1;
  });
}
