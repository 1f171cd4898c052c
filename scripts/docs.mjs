// Writes docs/api.md, the reference of the JavaScript API, from the declarations that users get, and the platforms' entries
// in package.json.
//
//   npm run docs               writes
//   npm run docs -- --check    only checks whether it is current; `npm test` does this

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { build } from './build.mjs';
import { packageJson } from './entries.mjs';
import { isMain, main, root, say } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';

const REFERENCE = path.join(root, 'docs', 'api.md');

export async function reference() {
  const { Application } = await import('typedoc');
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-docs-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: ['typedoc-plugin-markdown'],
      entryPoints: [path.join(root, 'pkg', 'index.d.ts')],
      tsconfig: path.join(root, 'tests', 'package', 'types', 'tsconfig.json'),
      name: 'API reference',
      readme: 'none',
      disableSources: true,
      out: folder,
      router: 'module',
      logLevel: 'Warn',
      hidePageHeader: true,
      hideBreadcrumbs: true,
      useCodeBlocks: true,
      parametersFormat: 'table',
      interfacePropertiesFormat: 'table',
      skipErrorChecking: true,
      entryFileName: 'api',
      sort: ['source-order'],
    });
    const project = await app.convert();
    if (!project) throw new Error('the declarations could not be read');
    await app.generateOutputs(project);
    const note = '<!-- Made from the declarations of the package by `npm run docs`. -->\n\n';
    return note + readFileSync(path.join(folder, 'api.md'), 'utf8').replace(/[ \t]+$/gm, '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure(TO_BUILD);
    const about = path.join(root, 'package.json');
    if (!process.argv.includes('--check')) writeFileSync(about, packageJson());
    else if (readFileSync(about, 'utf8') !== packageJson()) {
      say('package.json has other entries than one for each platform: npm run docs');
      return 1;
    }
    await build();
    const text = await reference();
    if (!process.argv.includes('--check')) {
      writeFileSync(REFERENCE, text);
      say(`${path.relative(root, REFERENCE)} is written.`);
      return 0;
    }
    if (readFileSync(REFERENCE, 'utf8') === text) return 0;
    say('docs/api.md does not match pkg/index.d.ts. Run `npm run docs`.');
    return 1;
  });
}
