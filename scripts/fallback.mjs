// Makes cardseal_fallback.js: the module as JavaScript, with its glue, for engines without WebAssembly. The crate is not
// compiled again: it is the same module, without what engines of 2017 lacked, translated by Binaryen's wasm2js.
//
// The translation does not check the bounds of memory or divisions by zero: Rust's own checks, which it keeps, do.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { must, root, Stop } from './project.mjs';

export const FALLBACK = 'cardseal_fallback.js';

const binaryen = (tool, ...options) =>
  must(process.execPath, [path.join(root, 'node_modules', 'binaryen', 'bin', tool), ...options]);

/**
 * What the glue takes for the engine's own: a module that needs no compiling, and instances that are calls of the
 * translated function. As with the real one, every instance has a memory of its own; that of the one before is wiped.
 */
const ENGINE = `
import start from './module.js';

class Module {}
let memory;

class Instance {
  constructor(_, imports) {
    if (memory) new Uint8Array(memory.buffer).fill(0);
    this.exports = start(imports);
    memory = this.exports.memory;
  }
}

export const WebAssembly = { Module, Instance };
`;

/** The class of errors is the page's own, handed over at the start: a single file has no other in reach. */
const ERROR = `
export let CardsealError;
export const use = (given) => {
  CardsealError = given;
};
`;

const ENTRY = `
import { use } from './error.js';
import { initSync } from './glue.js';
import { WebAssembly } from './engine.js';

export * from './glue.js';
export default async ({ CardsealError }) => {
  use(CardsealError);
  return initSync({ module: new WebAssembly.Module() });
};
`;

/** Writes the file into `work`, from the compiled library. `features` are those that it uses. */
export async function fallback(compiled, tool, work, features) {
  const folder = path.join(work, 'fallback');
  const at = (name) => path.join(folder, name);
  const change = (name, edit) => writeFileSync(at(name), edit(readFileSync(at(name), 'utf8')));
  mkdirSync(folder, { recursive: true });
  await must(tool, ['glue', compiled, folder, 'glue']);
  const enabled = features.map((name) => `--enable-${name}`);
  const lowering = ['--signext-lowering', '--llvm-nontrapping-fptoint-lowering'];
  await binaryen('wasm-opt', at('glue_bg.wasm'), '-o', at('module.wasm'), ...lowering, '-O3', ...enabled);
  const translated = ['bulk-memory', 'bulk-memory-opt', 'mutable-globals'].map((name) => `--enable-${name}`);
  await binaryen('wasm2js', at('module.wasm'), '-o', at('module.js'), '-O', '--strip-debug', ...translated);

  let wide = [];
  change('module.js', (text) => {
    wide = [...text.matchAll(/var legalimport\$.+ = .+\.(\w+);/g)].map(([, name]) => name);
    if (text.includes('legalstub$')) throw new Stop('The module exports a function of 64-bit integers.');
    return edited(text, MODULE_EDITS);
  });
  change('glue.js', (text) =>
    edited(text, [
      ...GLUE_EDITS,
      // 64 bits come as two halves.
      ...wide.map((name) => [
        new RegExp(`${name}: function\\(arg0\\) {(?=\\s*// Cast intrinsic for \`[UI]64 -> Externref\`)`),
        `${name}: function(low, high) { const arg0 = BigInt(high) << 32n | BigInt(low >>> 0);`,
      ]),
    ]),
  );
  for (const [name, text] of [
    ['engine.js', ENGINE],
    ['error.js', ERROR],
    ['entry.js', ENTRY],
  ]) {
    writeFileSync(at(name), text);
  }

  const { build } = await import('esbuild');
  await build({
    entryPoints: [at('entry.js')],
    outfile: path.join(work, FALLBACK),
    // The glue's WebAssembly is this one.
    inject: [at('engine.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
  });
  rmSync(folder, { recursive: true });
}

/** What the glue expects of an engine that a translated module does not do, each once. */
const GLUE_EDITS = [
  // A memory that grew is another buffer, and the one before is not detached.
  [/cachedUint8ArrayMemory0\.byteLength === 0/, 'cachedUint8ArrayMemory0.buffer !== wasm.memory.buffer'],
  [
    /cachedDataViewMemory0\.buffer\.detached === true \|\| \(.*?\)(?=\) \{)/,
    'cachedDataViewMemory0.buffer !== wasm.memory.buffer',
  ],
];

const MODULE_EDITS = [
  // Started by the glue, and not as it is loaded.
  [/^import .* from '\.\/glue_bg\.js';$/m, ''],
  [/\nvar retasmFunc = [\s\S]*$/, '\nexport default asmFunc;\n'],
  // The buffer that a growing memory leaves behind may hold a card.
  [/newHEAP8\.set\(HEAP8\);/, '$& HEAP8.fill(0);'],
  // And where it cannot grow, it says so.
  [/(?<=bufferView = HEAPU8;\s*\}\s*)return oldPages;/, 'return newBuffer || !pagesToAdd ? oldPages : -1;'],
];

function edited(text, edits) {
  return edits.reduce((before, [pattern, replacement]) => {
    if ([...before.matchAll(new RegExp(pattern, `${pattern.flags.replace('g', '')}g`))].length !== 1) {
      throw new Stop(
        `The output for the module does not contain ${pattern} exactly once. A tool's output has changed: adapt scripts/fallback.mjs.`,
      );
    }
    return before.replace(pattern, replacement);
  }, text);
}
