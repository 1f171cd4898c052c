// Licences, duplicates and sources of the dependencies, and known vulnerabilities (which needs the network).
//
//   npm run deny

import { isMain, main, run, Stop, say, which } from './project.mjs';

/** What can be told without the network. */
export const OFFLINE = ['licenses', 'bans', 'sources'];

/** `log` is the least that is shown: duplicates are warnings. */
export function denyArguments(checks, log = 'warn') {
  return ['deny', '--workspace', '--all-features', '--log-level', log, 'check', '--hide-inclusion-graph', ...checks];
}

if (isMain(import.meta.url)) {
  main(async () => {
    if (!which('cargo-deny'))
      throw new Stop('cargo-deny is missing. Install it with `cargo install --locked cargo-deny`.');
    const offline = await run('cargo', denyArguments(OFFLINE));
    const advisories = await run('cargo', denyArguments(['advisories']));
    if (advisories.code !== 0)
      say('There are advisories, or their database (github.com/RustSec/advisory-db) could not be fetched; see above.');
    return offline.code || advisories.code;
  });
}
