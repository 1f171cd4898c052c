// What the package has once for each platform, from the list in Cargo.toml: the export of all.ts, the row of rows.ts, and
// the entries of package.json. `npm run docs` writes the latter, and a test compares them.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PLATFORMS, root } from './project.mjs';

const idOf = (name) => name.replaceAll('-', '_');

/** src/ts/all.ts, which the build makes. */
export const ALL = `// The classes of all platforms, and what every entry exports.

${PLATFORMS.map((name) => `export * from './client-${name}.js';\n`).join('')}export * from './common.js';
export type * from './types.js';
`;

/** src/ts/rows.ts, which the build makes. */
export const ROWS = `// What the card form knows of every platform, by its id.

${PLATFORMS.map((name) => `import { row as ${idOf(name)} } from './card-form/row-${name}.js';\n`).join('')}
export const ROWS = { ${PLATFORMS.map(idOf).join(', ')} };
`;

/** The file of a platform's module, or of the module with all platforms. */
export const moduleOf = (platform) => (platform ? `cardseal_${idOf(platform)}` : 'cardseal');

const entry = (name) => {
  const types = `./pkg/${name}.d.ts`;
  const inline = `./pkg/${name}-inline.js`;
  return {
    workerd: { types, default: './pkg/workerd.js' },
    module: { types, webpack: { browser: `./pkg/${name}.js`, default: inline }, default: inline },
    require: { types: './pkg/index.d.cts', default: './pkg/node.cjs' },
    types,
    default: inline,
  };
};

const OF_PLATFORMS = PLATFORMS.flatMap((name) => [`./${name}`, `./${name}/fetch`, `./${moduleOf(name)}_bg.wasm`]);

/** The text of package.json with the entries of every platform. */
export function packageJson() {
  const about = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const common = (all) => Object.entries(all).filter(([name]) => !OF_PLATFORMS.includes(name));
  about.exports = Object.fromEntries([
    ...common(about.exports),
    ...PLATFORMS.flatMap((name) => [
      [`./${name}`, entry(name)],
      [`./${name}/fetch`, { types: `./pkg/${name}.d.ts`, default: `./pkg/${name}.js` }],
      [`./${moduleOf(name)}_bg.wasm`, `./pkg/${moduleOf(name)}_bg.wasm`],
    ]),
  ]);
  about.browser = Object.fromEntries([
    ...common(about.browser),
    ...PLATFORMS.flatMap((name) => [
      [`./${name}`, `./pkg/${name}-inline.js`],
      [`./${name}/fetch`, `./pkg/${name}.js`],
    ]),
  ]);
  return `${JSON.stringify(about, null, 2)}\n`;
}
