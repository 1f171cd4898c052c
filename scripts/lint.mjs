// Formatting, lints and documentation, every warning an error. `npm test` runs the same list.
//
//   npm run lint             add `-- --fix` to format and to apply the suggestions of Biome and clippy

import process from 'node:process';
import { isMain, main, run, say } from './project.mjs';
import { ensure } from './setup.mjs';

const BIOME = 'node_modules/@biomejs/biome/bin/biome';
const SERVER = ['transport', 'worldline', 'gateways', 'server'].flatMap((name) => ['-p', `cardseal-${name}`]);
const WASM = ['-p', 'cardseal', '--target', 'wasm32-unknown-unknown'];

/** Name, program, arguments, environment; cheap ones first. */
export const LINTS = [
  ['rustfmt', 'cargo', ['fmt', '--all', '--check']],
  ['biome', process.execPath, [BIOME, 'ci', '--error-on-warnings', '--colors=off']],
  ['prose', process.execPath, ['scripts/prose.mjs']],
  ['clippy', 'cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']],
  // As the demo is built.
  ['clippy without features', 'cargo', ['clippy', ...SERVER, '--no-default-features', '--', '-D', 'warnings']],
  ['clippy wasm32', 'cargo', ['clippy', ...WASM, '--lib', '--tests', '--', '-D', 'warnings']],
  ['rustdoc', 'cargo', ['doc', '--workspace', '--no-deps'], { RUSTDOCFLAGS: '-D warnings' }],
];

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(['node', 'rust', 'compiler', 'formatter', 'linter', 'wasmTarget', 'packages']);
    if (process.argv.includes('--fix')) {
      await run('cargo', ['fmt', '--all']);
      await run(process.execPath, [BIOME, 'check', '--write', '--colors=off']);
      await run('cargo', ['clippy', '--workspace', '--all-targets', '--fix', '--allow-dirty', '--allow-staged']);
    }
    let failed = 0;
    for (const [name, program, args, env] of LINTS) {
      const { code } = await run(program, args, { env });
      if (code !== 0) failed += 1;
      say(`${name}: ${code === 0 ? 'ok' : 'FAILED'}`);
    }
    return failed === 0 ? 0 : 1;
  });
}
