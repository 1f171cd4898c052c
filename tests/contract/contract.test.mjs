// The server against its own contract: Schemathesis makes requests of `/openapi.json`, those that fit and those that do not,
// and holds every answer to it. Nothing may fail inside (500), and no answer may be one that the contract does not have.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../scripts/project.mjs';
import { startSandbox, startServer } from '../browser/harness.mjs';
import { installed, run } from '../install.mjs';
import { seeds } from './seeds.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const ORIGIN = 'https://shop.example';
/** So long it runs at most, on a slow machine too, and so long a request may take. */
const SECONDS = 75;
const REQUEST_SECONDS = 10;

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
  'ignored_auth',
];

/** What a run cannot make succeed, and why. */
const NEVER = {
  describe: 'Schemathesis reads it, and leaves it out',
  receiveEvent: "it needs GreenPay's signature, which the sandbox alone can make",
};

/** The status codes of each operation: of all calls the share of those that succeeded and of those that were refused. */
function table(statuses) {
  const share = (counts, kind) => {
    const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const some = Object.entries(counts).filter(([status]) => status.startsWith(kind));
    return Math.round((100 * some.reduce((sum, [, count]) => sum + count, 0)) / all);
  };
  const line = ([operation, counts]) =>
    `${operation.padEnd(26)}${String(share(counts, '2')).padStart(4)} %${String(share(counts, '4')).padStart(5)} %  ${JSON.stringify(counts)}`;
  return [`${'operation'.padEnd(26)}   2xx    4xx`, ...Object.entries(statuses).sort().map(line)].join('\n');
}

const stop = [];
after(async () => {
  for (const end of stop.reverse()) await end();
});

test('no answer is outside the contract', { timeout: 600_000 }, async () => {
  const folder = await installed('contract', here, ['requirements.txt', 'schemathesis.toml'], async (place) => {
    process.stderr.write('Installing Schemathesis, once.\n');
    const venv = path.join(place, 'venv');
    await run('python3', ['-m', 'venv', venv]);
    const pip = ['install', '--quiet', '--disable-pip-version-check', '--no-deps', '--requirement'];
    await run(path.join(venv, 'bin', 'pip'), [...pip, path.join(place, 'requirements.txt')]);
  });
  const sandbox = await startSandbox();
  stop.push(() => sandbox.stop());
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    port,
    origins: [ORIGIN],
    platforms: {
      ...sandbox.info.server_settings,
      // Nobody comes back there: the bank's pages are not visited.
      gp_api: { ...sandbox.info.server_settings.gp_api, public_url: url },
    },
    // Nobody takes them, so all of them can be listed and sent again.
    events: {
      url: `http://127.0.0.1:${await freePort()}/events`,
      secret: `whsec_${randomBytes(24).toString('base64')}`,
    },
  });
  stop.push(() => server.stop());

  const files = mkdtempSync(path.join(os.tmpdir(), 'cardseal-contract-'));
  stop.push(() => rmSync(files, { recursive: true, force: true }));
  const [seedsFile, statusesFile] = ['seeds.json', 'statuses.json'].map((name) => path.join(files, name));
  writeFileSync(seedsFile, JSON.stringify(await seeds({ url, apiKey: server.apiKey, sandbox })));
  const schemathesis = async (phases, more) => {
    const output = await run(
      path.join(folder, 'venv', 'bin', 'schemathesis'),
      [
        'run',
        `${url}/openapi.json`,
        '--header',
        `Authorization: Bearer ${server.apiKey}`,
        '--checks',
        CHECKS.join(','),
        '--phases',
        phases,
        '--max-examples',
        '25',
        // Two at once fail now and then inside Python 3.11, whose parser is not ready for threads.
        '--workers',
        '1',
        '--seed',
        '1',
        '--request-timeout',
        String(REQUEST_SECONDS),
        '--generation-database',
        'none',
        '--suppress-health-check',
        'all',
        '--no-color',
        ...more,
      ],
      {
        cwd: folder,
        ms: 300_000,
        env: {
          SCHEMATHESIS_HOOKS: path.join(here, 'hooks.py'),
          CARDSEAL_SEEDS: seedsFile,
          CARDSEAL_STATUSES: statusesFile,
          PYTHONDONTWRITEBYTECODE: '1',
        },
      },
    );
    process.stderr.write(`${output.split('\n').slice(-25).join('\n')}\n`);
    return Number(/(\d+) generated/.exec(output)?.[1]);
  };
  // The examples are few and run to their end, however busy the machine is: each operation must succeed in one of them.
  const examples = await schemathesis('examples', []);
  const others = await schemathesis('coverage,fuzzing,stateful', ['--max-time', String(SECONDS)]);
  const statuses = JSON.parse(readFileSync(statusesFile, 'utf8'));
  process.stderr.write(`${table(statuses)}\n`);
  assert.doesNotMatch(server.log(), /panicked|code="internal"/);
  // A run that found nothing because it did nothing is none.
  const cases = examples + others;
  assert.ok(cases > 500, `${cases} cases`);
  // Refusals alone say nothing of what an operation does.
  const { paths } = await (await fetch(`${url}/openapi.json`)).json();
  const operations = Object.values(paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
  const refused = operations.filter(
    (operation) =>
      !(operation in NEVER) && !Object.keys(statuses[operation] ?? {}).some((status) => status.startsWith('2')),
  );
  assert.deepEqual(refused, []);
});
