// Writes the reference of the JavaScript API, docs/api.md, and that of the card form, docs/card-form.md, from the
// declarations that users get, and the platforms' entries in package.json. Then builds the site of all documentation, with
// the pages of rustdoc.
//
//   npm run docs               writes and builds
//   npm run docs -- --check    only checks whether the references are current; `npm test` does this
//   npx vitepress preview site serves what was built

import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { build } from './build.mjs';
import { packageJson } from './entries.mjs';
import { isMain, main, must, root, say, targetFolder } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';
import { check, report, SITE, site } from './site.mjs';

/** Each reference, by its name in docs/: the declarations that it is made from, and its title. */
const REFERENCES = {
  api: { of: 'index', title: 'API reference' },
  // What every element has is not ours to explain.
  'card-form': { of: 'card-form', title: 'The card form: reference', excludeExternals: true },
};

async function reference(name) {
  const { of, title, excludeExternals = false } = REFERENCES[name];
  const { Application } = await import('typedoc');
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cardseal-docs-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: ['typedoc-plugin-markdown'],
      entryPoints: [path.join(root, 'pkg', `${of}.d.ts`)],
      tsconfig: path.join(root, 'tests', 'package', 'types', 'tsconfig.json'),
      name: title,
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
      excludeExternals,
      entryFileName: name,
      sort: ['source-order'],
    });
    const project = await app.convert();
    if (!project) throw new Error('the declarations could not be read');
    await app.generateOutputs(project);
    const note = '<!-- Made from the declarations of the package by `npm run docs`. -->\n\n';
    return note + readFileSync(path.join(folder, `${name}.md`), 'utf8').replace(/[ \t]+$/gm, '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) {
  main(async () => {
    await ensure([...TO_BUILD, 'browser']);
    const about = path.join(root, 'package.json');
    if (!process.argv.includes('--check')) writeFileSync(about, packageJson());
    else if (readFileSync(about, 'utf8') !== packageJson()) {
      say('package.json has other entries than one for each platform: npm run docs');
      return 1;
    }
    await build();
    let stale = 0;
    for (const [name, { of }] of Object.entries(REFERENCES)) {
      const file = path.join(root, 'docs', `${name}.md`);
      const text = await reference(name);
      if (!process.argv.includes('--check')) {
        writeFileSync(file, text);
        say(`${path.relative(root, file)} is written.`);
      } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
        stale = 1;
        say(`docs/${name}.md does not match pkg/${of}.d.ts. Run \`npm run docs\`.`);
      }
    }
    if (process.argv.includes('--check')) return stale;
    await site();
    await must('cargo', ['doc', '--workspace', '--no-deps']);
    cpSync(path.join(targetFolder(), 'doc'), path.join(SITE, 'rust'), { recursive: true });
    return report(check());
  });
}
