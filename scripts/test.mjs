// Runs every check. Sets the machine up first; checks that are cheap and fail often come first.
//
//   npm test
//   npm test -- rust interop      only these steps (see STEPS), in the same order
//
// The last line is `N passed, N failed`, summed over every runner; a step that is not a runner counts as one. Before it
// comes every failed test with the beginning of its message, because many people read a log from its end.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { stripVTControlCharacters } from 'node:util';
import { installClients } from '../tests/interop/clients/install.mjs';
import { build } from './build.mjs';
import { denyArguments, OFFLINE } from './deny.mjs';
import { LINTS } from './lint.mjs';
import { startPostgres } from './postgres.mjs';
import {
  ask,
  chromedriver,
  chromium,
  geckodriver,
  main,
  root,
  run,
  Stop,
  say,
  seconds,
  targetFolder,
  which,
} from './project.mjs';
import { EVERYTHING, ensure } from './setup.mjs';

/** Name, what it does, and what it stands on: a step whose ground failed is not run and counts as failed. */
const STEPS = [
  ...LINTS.map(lint),
  ['docs', documentation],
  ['deny', deny],
  ['build', built],
  ['types', types, ['build']],
  ['reference', reference, ['build']],
  ['package', () => nodeTests('tests/package'), ['build']],
  ['bundlers', () => nodeTests('tests/bundlers'), ['build']],
  ['rust', rust],
  ['postgres', postgres],
  ['servers', servers],
  ['contract', () => nodeTests('tests/contract'), ['servers']],
  ['snippets', () => nodeTests('tests/docs', 1), ['build', 'servers']],
  ['guide', () => nodeTests('tests/guide'), ['build', 'servers']],
  ['faults', faults, ['build', 'servers']],
  ['load', () => nodeTests('tests/load', 1), ['build', 'servers']],
  ['interop', interop, ['build', 'servers']],
  ['wasm', () => wasm('Chrome', ['--chrome', '--chromedriver', chromedriver()])],
  ['wasm firefox', () => wasm('Firefox', ['--firefox', '--geckodriver', geckodriver()])],
  ['browser', () => nodeTests('tests/browser', 2), ['build', 'servers']],
  ['card form', () => nodeTests('tests/card-form', 2), ['build', 'servers']],
  ['examples', () => nodeTests('tests/examples', 1), ['build', 'servers']],
];

function lint([name, program, args, env]) {
  return [name, async () => single((await run(program, args, { env })).code)];
}

/** The declarations against a sample that uses all of them. */
async function types() {
  return single(
    (await run(process.execPath, ['node_modules/typescript/bin/tsc', '--project', 'tests/package/types'])).code,
  );
}

/** The site: that it can be built, and that every link in it leads somewhere. */
async function documentation() {
  return single((await run(process.execPath, ['scripts/site.mjs'])).code);
}

/** The reference of the API against the declarations that it is made from. */
async function reference() {
  return single((await run(process.execPath, ['scripts/docs.mjs', '--check'])).code);
}

async function deny() {
  if (!which('cargo-deny')) return skipped('cargo-deny is not installed');
  return single((await run('cargo', denyArguments(OFFLINE, 'error'), { env: { CARGO_NET_OFFLINE: 'true' } })).code);
}

/** Tests of servers mostly wait, for answers and for time to pass: more of them run at once than there are processors. */
const THREADS = { RUST_TEST_THREADS: String(Math.max(4, os.availableParallelism())) };

async function built() {
  await build();
  return single(0);
}

async function rust() {
  const { code, output } = await run('cargo', ['test', '--workspace', '--no-fail-fast'], { keep: true, env: THREADS });
  return counted(code, output);
}

/**
 * The programs with the tests of a crate, as `rust` has compiled them: for one package alone, cargo would compile half of
 * what they stand on again, with fewer features of crates.
 */
function testsOf(crate) {
  const args = ['test', '--workspace', '--no-run', '--message-format=json-render-diagnostics'];
  const messages = ask('cargo', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (messages === undefined) throw new Stop('The tests could not be compiled; see above.');
  return messages
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ executable, profile, package_id: id }) => executable && profile.test && id.includes(`#${crate}@`))
    .map(({ executable }) => executable);
}

/**
 * The server's tests again, on PostgreSQL, and those that need it; those over HTTP with encryption at rest. And the tests of
 * what fills a database with rows.
 */
async function postgres() {
  const server = await startPostgres();
  try {
    const env = { ...THREADS, CARDSEAL_TEST_POSTGRES: server.url };
    const runs = [];
    for (const program of [...testsOf('cardseal-server'), ...testsOf('cardseal-load')]) {
      const http = path.basename(program).startsWith('http-');
      const options = {
        cwd: path.join(root, 'server'),
        keep: true,
        env: http ? { ...env, CARDSEAL_TEST_ENCRYPTION: '1' } : env,
      };
      runs.push(await run(program, ['--include-ignored'], options));
    }
    return counted(runs.find(({ code }) => code !== 0)?.code ?? 0, runs.map(({ output }) => output).join('\n'));
  } finally {
    await server.stop();
  }
}

/**
 * The programs that the later steps start. After `rust` they are compiled already, with the features of crates that the
 * tests add; without those, cargo would compile a second time half of what they stand on.
 */
async function servers() {
  const crates = ['cardseal-server', 'cardseal-sandbox', 'cardseal-load'];
  const args = results.has('rust') ? ['--workspace', '--bins', '--tests'] : crates.flatMap((crate) => ['-p', crate]);
  return single((await run('cargo', ['build', ...args])).code);
}

/**
 * Charges whose answers are lost, while the server is killed, while its disk is full, and while several servers and their
 * database come and go: the books have to agree. What becomes known after two minutes alone the merchant settles by hand
 * here.
 */
async function faults() {
  const all = ['--platform', 'all'];
  const kinds = [
    ['--charges', '250', '--kills', '3', ...all],
    ['--charges', '200', '--kills', '2', '--instances', '3', '--database', 'postgres'],
    ['--charges', '100', '--disk-full', ...all],
  ];
  let [passed, failed] = [0, 0];
  for (const kind of process.platform === 'linux' ? kinds : kinds.slice(0, 2)) {
    const args = ['scripts/faults.mjs', ...kind, '--settle-after', '20', '--json'];
    const { code } = await run(process.execPath, args);
    if (code === 0) passed += 1;
    else failed += 1;
  }
  return { passed, failed };
}

async function interop() {
  await installClients();
  return nodeTests('tests/interop');
}

/** The driver is named, because wasm-pack would fetch one from the network otherwise. */
async function wasm(name, browser) {
  // A driver in the environment would go before the one that is named.
  const env = { CHROMEDRIVER: undefined, GECKODRIVER: undefined, WASM_BINDGEN_TEST_TIMEOUT: '180' };
  const { code, output } = await run('wasm-pack', ['test', '--headless', ...browser], { keep: true, env });
  const result = counted(code, output);
  // The runner passes over such a suite and is content.
  const missed = output.match(/only configured to run in node\.js/g)?.length ?? 0;
  if (missed)
    return {
      ...result,
      failed: result.failed + missed,
      note: `${missed} suite(s) lack wasm_bindgen_test_configure!(run_in_browser)`,
    };
  const ran = [...output.matchAll(/Running headless tests in (\S+)/g)].map(([, where]) => where);
  return ran.length > 0 && ran.every((where) => where === name)
    ? result
    : {
        ...result,
        failed: result.failed + 1,
        note: `not every suite ran in ${name}`,
      };
}

/** `together` is how many files run at once: the tests of the browser mostly wait, for pages and for servers. */
async function nodeTests(folder, together) {
  const all = existsSync(path.join(root, folder)) ? readdirSync(path.join(root, folder)) : [];
  const files = all.filter((name) => name.endsWith('.test.mjs')).sort();
  if (files.length === 0) return { passed: 0, failed: 1, note: `${folder} has no tests` };
  const report = mkdtempSync(path.join(os.tmpdir(), 'cardseal-test-'));
  try {
    const tap = path.join(report, 'report.tap');
    const failures = path.join(report, 'failures');
    const { code } = await run(
      process.execPath,
      [
        '--test',
        ...(together ? [`--test-concurrency=${together}`] : []),
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        '--test-reporter=tap',
        `--test-reporter-destination=${tap}`,
        '--test-reporter=./scripts/failures.mjs',
        `--test-reporter-destination=${failures}`,
        ...files.map((name) => path.join(folder, name)),
      ],
      { env: { CHROMIUM: chromium(), CARDSEAL_TARGET: targetFolder() } },
    );
    const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(readFileSync(tap, 'utf8'))?.[1] ?? 0);
    const names = readFileSync(failures, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .map(({ name, at, why }) => `${name} (${at}): ${why.replace(/\s+/g, ' ').slice(0, 300)}`);
    return whole(code, {
      passed: count('pass'),
      failed: count('fail') + count('cancelled'),
      names,
      note: count('skipped') ? `${count('skipped')} skipped` : '',
    });
  } finally {
    rmSync(report, { recursive: true, force: true });
  }
}

function single(code) {
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1 };
}

function skipped(note) {
  return { passed: 0, failed: 0, note };
}

/** Sums the result lines of the Rust test harness and of wasm-bindgen's, which has the same form. */
function counted(code, output) {
  let [passed, failed, ignored] = [0, 0, 0];
  const plain = stripVTControlCharacters(output);
  for (const line of plain.matchAll(/^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    passed += Number(line[1]);
    failed += Number(line[2]);
    ignored += Number(line[3]);
  }
  const names = [...plain.matchAll(/^test (.+?) \.\.\. FAIL/gm)].map(([, name]) => name);
  return whole(code, { passed, failed, names, note: ignored ? `${ignored} ignored` : '' });
}

/** A runner that failed without naming a failed test, or that ran none, must not look green. */
function whole(code, result) {
  if (code !== 0 && result.failed === 0) return { ...result, failed: 1, note: `exit code ${code}` };
  if (code === 0 && result.passed + result.failed === 0) return { ...result, failed: 1, note: 'no test ran' };
  return result;
}

/** By step. */
const results = new Map();

main(async () => {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !STEPS.some(([step]) => step === name));
  if (unknown.length > 0)
    throw new Stop(`There is no step ${unknown.join(', ')}. The steps are: ${STEPS.map(([name]) => name).join(', ')}.`);

  const began = performance.now();
  await ensure(EVERYTHING);
  say(`setup: ${seconds(began)}`);

  const grounds = STEPS.filter(([name]) => wanted.includes(name)).flatMap(([, , needs = []]) => needs);
  for (const [name, body, needs = []] of STEPS) {
    if (wanted.length > 0 && !wanted.includes(name) && !grounds.includes(name)) continue;
    const missing = needs.find((ground) => results.get(ground).failed > 0);
    const started = performance.now();
    say(`\n=== ${name}`);
    let result;
    if (missing) {
      result = { passed: 0, failed: 1, note: `not run: ${missing} failed` };
    } else {
      try {
        result = await body();
      } catch (error) {
        say(error instanceof Stop ? error.message : error.stack);
        result = { passed: 0, failed: 1, note: 'could not be run' };
      }
    }
    result.time = seconds(started);
    results.set(name, result);
    say(
      `=== ${name}: ${result.passed} passed, ${result.failed} failed, ${result.time}${result.note ? ` (${result.note})` : ''}`,
    );
  }

  let [passed, failed] = [0, 0];
  process.stdout.write('\n');
  for (const [name, result] of results) {
    passed += result.passed;
    failed += result.failed;
    const columns = [
      name.padEnd(14),
      `${result.passed} passed`.padStart(12),
      `${result.failed} failed`.padStart(10),
      result.time.padStart(9),
    ];
    process.stdout.write(
      `${result.failed ? 'FAILED' : result.passed ? '    ok' : '  skip'}  ${columns.join(' ')}${result.note ? `  ${result.note}` : ''}\n`,
    );
  }
  for (const [name, result] of results) {
    for (const failure of result.names ?? []) process.stdout.write(`\n${name}: ${failure}\n`);
  }
  process.stdout.write(`\nin ${seconds(began)}\n${passed} passed, ${failed} failed\n`);
  return failed === 0 && passed > 0 ? 0 : 1;
});
