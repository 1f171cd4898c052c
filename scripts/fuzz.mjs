// Fuzzes the library with libFuzzer, on stable Rust. The inputs that `npm test` replays are in fuzz/corpus.
//
//   npm run fuzz                            every target of fuzz/, a million inputs each
//   npm run fuzz -- --runs 20000 redact     only these targets, this many inputs each
//   npm run fuzz -- --minimise              afterwards reduces fuzz/corpus to the smallest inputs with the same coverage
//
// The folder has the layout of cargo-fuzz, which adds sanitizers on a nightly toolchain. Without unsafe code there is
// little for them to find; what matters are panics, overflows (checked in this build) and the targets' own assertions.

import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ask, main, must, root, run, Stop, say, seconds, targetFolder, which } from './project.mjs';
import { ensure } from './setup.mjs';

/** What cargo-fuzz passes, less the sanitizer: edges counted, comparisons traced. */
const COVERAGE = [
  '--cfg',
  'fuzzing',
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
];
const LIMITS = ['-max_len=4096', '-timeout=20', '-rss_limit_mb=2048'];

const folder = path.join(root, 'fuzz');
const names = () =>
  readdirSync(path.join(folder, 'fuzz_targets'))
    .map((name) => path.basename(name, '.rs'))
    .sort();

/** Builds the targets and says where they are. */
async function compiled(work) {
  const host = /^host: (.*)$/m.exec(ask('rustc', ['-vV']) ?? '')?.[1];
  // With the target named, the flags reach neither build scripts nor macros.
  const args = [
    'build',
    '--release',
    '--bins',
    '--manifest-path',
    path.join(folder, 'Cargo.toml'),
    '--target',
    host,
    '--target-dir',
    work,
  ];
  await must('cargo', args, { env: { CARGO_ENCODED_RUSTFLAGS: COVERAGE.join('\x1f') } });
  return path.join(work, host, 'release');
}

async function fuzz(name, { binaries, work, runs }) {
  const found = path.join(work, 'corpus', name);
  const artifacts = path.join(work, 'artifacts');
  for (const made of [found, artifacts]) mkdirSync(made, { recursive: true });
  const began = performance.now();
  const { code, output } = await run(
    path.join(binaries, name),
    [
      `-runs=${runs}`,
      ...LIMITS,
      `-dict=${path.join(folder, 'dictionary')}`,
      `-artifact_prefix=${artifacts}${path.sep}${name}-`,
      '-print_final_stats=1',
      found,
      path.join(folder, 'corpus', name),
    ],
    { keep: true },
  );
  const last = (what) => output.match(what)?.at(-1)?.match(/\d+/)?.[0] ?? '?';
  return {
    name,
    code,
    runs: last(/number_of_executed_units:\s*\d+/g),
    edges: last(/ cov: \d+/g),
    time: seconds(began),
  };
}

/** Puts into the kept corpus as few and as small inputs as reach every edge that all known ones reach. */
async function minimise(name, { binaries, work }) {
  const kept = path.join(folder, 'corpus', name);
  const fresh = mkdtempSync(path.join(work, `${name}-`));
  await must(path.join(binaries, name), [
    '-set_cover_merge=1',
    '-use_counters=0',
    ...LIMITS,
    fresh,
    kept,
    path.join(work, 'corpus', name),
  ]);
  rmSync(kept, { recursive: true });
  renameSync(fresh, kept);
}

main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { runs: { type: 'string', default: '1000000' }, minimise: { type: 'boolean' } },
  });
  const wanted = positionals.length > 0 ? positionals : names();
  const unknown = wanted.filter((name) => !names().includes(name));
  if (unknown.length > 0)
    throw new Stop(`There is no target ${unknown.join(', ')}. The targets are: ${names().join(', ')}.`);
  if (!/^\d+$/.test(values.runs)) throw new Stop('--runs needs a number.');
  await ensure(['node', 'rust', 'compiler']);
  if (!which('c++')) throw new Stop('A C++ compiler is missing: libFuzzer is compiled from source.');

  const work = path.join(targetFolder(), 'fuzz');
  const about = { binaries: await compiled(work), work, runs: values.runs };
  const results = [];
  for (const name of wanted) {
    say(`\n=== ${name}`);
    results.push(await fuzz(name, about));
    if (values.minimise && results.at(-1).code === 0) await minimise(name, about);
  }
  for (const { name, code, runs, edges, time } of results) {
    process.stdout.write(
      `${code ? 'FAILED' : '    ok'}  ${name.padEnd(16)} ${runs.padStart(9)} inputs ${edges.padStart(6)} edges ${time.padStart(9)}\n`,
    );
  }
  const failed = results.filter(({ code }) => code !== 0).length;
  if (failed)
    say(`The failing inputs are in ${path.join(work, 'artifacts')}. Add them to fuzz/corpus once the bug is fixed.`);
  process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
});
