// The Rust crates of the workspace, each with its description and its rustdoc.

import { ask } from '../../scripts/project.mjs';

export function crates() {
  const { packages } = JSON.parse(ask('cargo', ['metadata', '--format-version', '1', '--no-deps']));
  const rows = packages
    .filter(({ targets }) => targets.some(({ kind }) => kind.some((name) => /lib$/.test(name))))
    .map(({ name, description, targets }) => {
      const library = targets.find(({ kind }) => kind.some((each) => /lib$/.test(each))).name.replaceAll('-', '_');
      return `| <a href="/rust/${library}/index.html" target="_self">\`${name}\`</a> | ${description ?? ''} |`;
    });
  return `# Rust crates

\`npm run docs\` builds these pages with rustdoc.

| crate | what it is |
|---|---|
${rows.join('\n')}
`;
}
