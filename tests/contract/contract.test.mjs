// The server against its own contract: Schemathesis makes requests of `/openapi.json`, those that fit and those that do not,
// and holds every answer to it. Nothing may fail inside (500), and no answer may be one that the contract does not have.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, startSandbox, startServer } from '../browser/harness.mjs';
import { installed, run } from '../install.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const ORIGIN = 'https://shop.example';
/** So long it runs at most, on a slow machine too, and so long a request may take. */
const SECONDS = 45;
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
  const server = await startServer({
    port,
    origins: [ORIGIN],
    platforms: sandbox.info.server_settings,
    demo: false,
  });
  stop.push(() => server.stop());

  const url = `http://127.0.0.1:${port}`;
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
      'examples,coverage,fuzzing',
      '--max-examples',
      '25',
      '--max-time',
      String(SECONDS),
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
    ],
    { cwd: folder, ms: 300_000 },
  );
  process.stderr.write(`${output.split('\n').slice(-25).join('\n')}\n`);
  assert.doesNotMatch(server.log(), /panicked|code="internal"/);
  // A run that found nothing because it did nothing is none.
  const cases = Number(/(\d+) generated/.exec(output)?.[1]);
  assert.ok(cases > 500, `${cases} cases`);
});
