// The server's configuration: its example file, a section for each table.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/project.mjs';

export function configuration() {
  const text = readFileSync(path.join(root, 'server/config.example.toml'), 'utf8');
  const [about, ...paragraphs] = text.trim().split(/\n\n+/);
  const sections = new Map();
  let current = '';
  for (const paragraph of paragraphs) {
    // An optional table is a comment.
    const [, table] = /^(?:# )?\[+([\w.]+)\]+$/m.exec(paragraph) ?? [];
    if (table) current = table;
    // What stands between the tables belongs to the one before.
    sections.set(current, [...(sections.get(current) ?? []), paragraph]);
  }
  const plain = (comment) => comment.replace(/^#$/gm, '').replace(/^# ?/gm, '');
  const preface = [about, ...(sections.get('') ?? [])].map(plain).join('\n\n');
  sections.delete('');
  return [
    '# Server configuration',
    'Every setting, from [`server/config.example.toml`](/server/config.example.toml). ' +
      '[The server](/docs/server) explains where the file goes and what each part does.',
    preface
      .replace(/^ {2}(\S+) {2,}(.*)$/gm, '- `$1`: $2')
      .replace(/:\n(- )/g, ':\n\n$1')
      .replace(/(\n- .*)\n(?!-)/g, '$1\n\n'),
    ...[...sections].flatMap(([table, parts]) => [`## ${table}`, `\`\`\`toml\n${parts.join('\n\n')}\n\`\`\``]),
  ].join('\n\n');
}
