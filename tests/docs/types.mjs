// Which snippets do not fit the types of the package, or of the packages that a page moves from.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as cardseal from 'cardseal';
import ts from 'typescript';
import { root } from '../../scripts/project.mjs';
import { installed, NPM_INSTALL, run } from '../install.mjs';

/** Modules that have to be found. */
const TYPED = /'(?:cardseal|onlinepayments-sdk-client-js)/;

const here = path.join(root, 'tests/docs/packages');

/** The folder with what the pages about moving move from, and the tests have no other use for. */
const packages = () =>
  installed('documented-packages', here, ['package.json', 'package-lock.json', '.npmrc'], async (folder) => {
    await run('npm', NPM_INSTALL, { cwd: folder });
    // Its listeners are declared without an argument, which neither its own documentation nor any page fits.
    const file = path.join(folder, 'node_modules/globalpayments-lib/lib/event-emitter.d.ts');
    const declared = readFileSync(file, 'utf8');
    const mended = declared.replace('type IEventListener = () => void', 'type IEventListener = (event: any) => void');
    if (mended === declared) throw new Error(`${file} has other listeners now`);
    writeFileSync(file, mended);
  });

/**
 * The types of the globals that another's script makes. The package of this one has declarations alone, and its folder is
 * outside of the repository, where no import finds it by name.
 */
export async function scriptGlobals() {
  const folder = path.join(await packages(), 'node_modules/@globalpayments/js');
  const { typings } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = path.join(path.dirname(path.join(folder, typings)), 'index');
  return { GlobalPayments: `typeof import(${JSON.stringify(file)}).default` };
}

/** What a snippet declares at its top, and whether it exports that itself. */
function declared(text, jsx) {
  const names = new Map();
  const source = ts.createSourceFile(jsx ? 'a.tsx' : 'a.ts', text, ts.ScriptTarget.ES2022);
  const bind = (name, exported) => {
    if (ts.isIdentifier(name)) names.set(name.text, exported);
    else for (const element of name.elements) if (element.name) bind(element.name, exported);
  };
  for (const statement of source.statements) {
    const exported = statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
    if (ts.isVariableStatement(statement))
      for (const { name } of statement.declarationList.declarations) bind(name, exported);
    else if (ts.isFunctionDeclaration(statement) && statement.name) bind(statement.name, exported);
    else if (ts.isImportDeclaration(statement) && statement.importClause?.namedBindings?.elements)
      for (const { name } of statement.importClause.namedBindings.elements) names.set(name.text, false);
  }
  return names;
}

/**
 * What does not fit, a line each. `sources` are snippets as `{ at, lang, text }`, `at` a page and a line; `globals` are types by
 * name.
 */
export function typeErrors(sources, globals = {}) {
  const files = new Map();
  const host = ts.createCompilerHost({});
  for (const [index, { lang, text }] of sources.entries()) {
    // Objects in JavaScript would take any member otherwise.
    const name = path.join(root, 'tests/docs', `snippet-${index}.${/x$/.test(lang) ? 'tsx' : 'ts'}`);
    files.set(name, { index, text, page: sources[index].at.split(':')[0], names: declared(text, /x$/.test(lang)) });
  }
  /** Where the page says what a name is, before this snippet. */
  const type = (of, each) => {
    const { index, page } = files.get(of);
    const earlier = [...files].filter(
      ([, other]) => other.page === page && other.index < index && other.names.has(each),
    );
    const [from] = earlier.at(-1) ?? [];
    if (from) return `typeof import('./${path.basename(from).replace(/\.tsx?$/, '')}').${each}`;
    if (Object.hasOwn(globals, each)) return globals[each];
    // An excerpt may leave out the import.
    return each in cardseal ? `typeof import('cardseal').${each}` : 'any';
  };
  const unknown = new Map([...files.keys()].map((name) => [name, new Set()]));
  const { getSourceFile, fileExists, readFile } = host;
  const written = (name) => {
    const { text, names } = files.get(name);
    const outside = [...unknown.get(name)].map((each) => `declare var ${each}: ${type(name, each)};`).join('');
    const own = [...names].filter(([, exported]) => !exported).map(([each]) => each);
    return `${text}\n;${outside}\nexport { ${own.join(', ')} };\n`;
  };
  host.fileExists = (name) => files.has(name) || fileExists.call(host, name);
  host.readFile = (name) => (files.has(name) ? written(name) : readFile.call(host, name));
  const library = new Map();
  host.getSourceFile = (name, version) => {
    if (files.has(name)) return ts.createSourceFile(name, written(name), version);
    if (!library.has(name)) library.set(name, getSourceFile.call(host, name, version));
    return library.get(name);
  };
  const options = {
    noEmit: true,
    strict: true,
    noImplicitAny: false,
    strictNullChecks: false,
    useUnknownInCatchVariables: false,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    jsx: ts.JsxEmit.Preserve,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
    types: [],
  };
  let wrong = [];
  for (let round = 0; round < 3; round += 1) {
    const program = ts.createProgram([...files.keys()], options, host);
    let learnt = 0;
    wrong = [];
    for (const name of files.keys()) {
      const source = program.getSourceFile(name);
      for (const { code, messageText, start } of [
        ...program.getSyntacticDiagnostics(source),
        ...program.getSemanticDiagnostics(source),
      ]) {
        const said = ts.flattenDiagnosticMessageText(messageText, ' ');
        const [, missing] =
          /^Cannot find name '([^']+)'/.exec(said) ??
          /^'(\w+)' only refers to a type/.exec(said) ??
          /^No value exists in scope for the shorthand property '([^']+)'/.exec(said) ??
          [];
        // What is not the package's has no types here: modules of Node, of frameworks, of the reader.
        if ([2307, 2792, 7016, 2591, 2580].includes(code) && !TYPED.test(said)) {
          const [, global] = /^Cannot find name '([^']+)'/.exec(said) ?? [];
          if (global) unknown.get(name).add(global);
          learnt += global ? 1 : 0;
          continue;
        }
        if (missing) {
          unknown.get(name).add(missing);
          learnt += 1;
        }
        const { line } = source.getLineAndCharacterOfPosition(start);
        wrong.push(`${sources[files.get(name).index].at} +${line + 1}: ${said} (${code})`);
      }
    }
    if (learnt === 0) break;
  }
  return wrong;
}
