// What the module is made of, as CycloneDX 1.5 JSON: every crate that is linked into it, with the licence that its own
// manifest states and the digest that Cargo.lock pins. What only runs while compiling (macros, build scripts) is not in
// the module and not in the list.
//
// No time and no serial number is written, so that the same sources give the same bytes.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ask, root, Stop } from './project.mjs';

/** `parts` are the arguments with which cargo chose what to compile; `rustc` is the version of the compiler. */
export function sbom({ name, version, description, license }, parts, rustc) {
  const crates = linked(parts);
  const pinned = locked();
  const [own] = crates.keys();
  const standard = { ref: `rust-standard-library@${rustc.release}` };
  const component = (crate) => {
    const entry = pinned.get(crate.id);
    if (!entry) throw new Stop(`${crate.id} is not in Cargo.lock.`);
    return {
      type: 'library',
      'bom-ref': purl(crate),
      name: crate.name,
      version: crate.version,
      scope: 'required',
      ...(entry.checksum ? { hashes: [{ alg: 'SHA-256', content: entry.checksum }] } : {}),
      licenses: [{ expression: crate.license }],
      purl: purl(crate),
      ...(crate.repository ? { externalReferences: [{ type: 'vcs', url: crate.repository }] } : {}),
    };
  };
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: {
      component: {
        type: 'library',
        'bom-ref': `pkg:npm/${name}@${version}`,
        name,
        version,
        description,
        licenses: [{ expression: license }],
        purl: `pkg:npm/${name}@${version}`,
      },
    },
    components: [
      ...[...crates.values()].map(component),
      {
        type: 'library',
        'bom-ref': standard.ref,
        name: 'rust-standard-library',
        version: rustc.release,
        description: 'core, alloc and compiler_builtins, as they come with the compiler',
        scope: 'required',
        licenses: [{ expression: 'MIT OR Apache-2.0' }],
        externalReferences: [{ type: 'vcs', url: 'https://github.com/rust-lang/rust', comment: rustc['commit-hash'] }],
      },
    ],
    dependencies: [
      { ref: `pkg:npm/${name}@${version}`, dependsOn: [purl(crates.get(own))] },
      ...[...crates.values()].map((crate) => ({
        ref: purl(crate),
        dependsOn: [...[...crate.needs].sort().map((id) => purl(crates.get(id))), standard.ref],
      })),
      { ref: standard.ref, dependsOn: [] },
    ],
  };
}

const purl = ({ name, version }) => `pkg:cargo/${name}@${version}`;

/** The crates by `name version`, the library itself first: what cargo resolves for this target and these features. */
function linked(parts) {
  const text = ask('cargo', [
    'tree',
    '-p',
    'cardseal',
    ...parts,
    '--edges',
    'normal,no-proc-macro',
    '--prefix',
    'depth',
    '--no-dedupe',
    '--format',
    '\t{p}\t{l}\t{r}',
  ]);
  if (!text) throw new Stop('cargo cannot list the crates of the module.');
  const crates = new Map();
  const above = [];
  for (const line of text.split('\n')) {
    const [depth, shown, license, repository] = line.split('\t');
    const [, name, version] = /^(\S+) v(\S+)/.exec(shown);
    const id = `${name} ${version}`;
    // Older manifests write a slash for "or".
    if (!license) throw new Stop(`${id} states no licence.`);
    if (!crates.has(id))
      crates.set(id, { id, name, version, license: license.replaceAll('/', ' OR '), repository, needs: new Set() });
    above[Number(depth)] = id;
    if (Number(depth) > 0) crates.get(above[depth - 1]).needs.add(id);
  }
  const [own, ...rest] = crates.entries();
  return new Map([own, ...rest.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** The entries of Cargo.lock by `name version`. */
export function locked() {
  const lock = readFileSync(path.join(root, 'Cargo.lock'), 'utf8');
  const entries = new Map();
  for (const block of lock.split(/^\[\[package\]\]$/m).slice(1)) {
    const field = (name) => new RegExp(`^${name} = "([^"]+)"`, 'm').exec(block)?.[1];
    entries.set(`${field('name')} ${field('version')}`, { source: field('source'), checksum: field('checksum') });
  }
  return entries;
}
