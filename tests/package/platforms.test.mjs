// What one more platform touches: the files that list all platforms. The fewer, the better.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packageJson } from '../../scripts/entries.mjs';
import { ask, PLATFORMS, root } from '../../scripts/project.mjs';

const read = (file) => readFileSync(path.join(root, file), 'utf8');

test('package.json has the entries of every platform', () => {
  assert.equal(read('package.json'), packageJson());
});

test('the files that list the platforms are those that the architecture names, and at most nine', () => {
  const names = PLATFORMS.map((name) => new RegExp(name.replaceAll('-', '[-_ ]?'), 'i'));
  const lists = ask('git', ['ls-files'])
    .split('\n')
    .filter((file) => /\.(rs|toml|mjs|js|ts|json|md|sql)$/.test(file))
    .filter((file) => !/^docs\/|(^|\/)tests\/|^CHANGELOG|^package\.json$/.test(file))
    .filter((file) => {
      const text = read(file);
      return names.every((name) => name.test(text));
    });
  const section = /^## Adding a platform\n([\s\S]*?)\n## /m.exec(read('docs/architecture.md'))[1];
  const documented = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, file]) => file);
  assert.deepEqual(lists.sort(), documented.sort());
  assert.ok(lists.length <= 9, lists.join(', '));
});
