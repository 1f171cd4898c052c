// Every operation of the server's API, from its OpenAPI description.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/project.mjs';

export function operations() {
  const api = JSON.parse(readFileSync(path.join(root, 'docs/openapi.json'), 'utf8'));
  const { schemas } = api.components;
  const all = Object.entries(api.paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ route, method: method.toUpperCase(), ...operation })),
  );
  const parts = [
    '# Server API',
    text(api.info.description),
    'The same as a file for tools: [`openapi.json`](/docs/openapi.json). A running server has it at `/openapi.json`.',
  ];
  for (const { name, description } of api.tags) {
    const own = all.filter(({ tags }) => tags[0] === name);
    if (own.length === 0) continue;
    parts.push(`## ${sentence(name)}`, text(description), ...own.map((each) => operation(each, schemas)));
  }
  parts.push('## Types', 'What requests and answers are made of.');
  for (const [name, schema] of Object.entries(schemas)) parts.push(`### ${name}`, ...type(schema));
  return parts.join('\n\n');
}

function operation(
  { method, route, summary, description, security, parameters = [], requestBody, responses },
  schemas,
) {
  const lines = [`### ${method} \`${route}\``, text([summary, description].filter(Boolean).join('\n\n'))];
  lines.push(caller(security));
  if (parameters.length > 0) {
    lines.push(
      table(
        ['parameter', 'in', 'type', 'meaning'],
        parameters.map(({ name, in: where, required, schema, description: meaning }) => [
          `\`${name}\`${required ? '' : ' (optional)'}`,
          where,
          shape(schema),
          meaning,
        ]),
      ),
    );
  }
  const [form, body] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  if (body) {
    const name = body.schema?.$ref?.split('/').at(-1);
    lines.push(`Body (\`${form}\`): ${shape(body.schema)}.`);
    if (name && schemas[name].properties) lines.push(fields(schemas[name]));
  }
  lines.push(
    table(
      ['answer', 'body', 'meaning'],
      Object.entries(responses).map(([status, { description: meaning, content = {} }]) => {
        const [kind, { schema } = {}] = Object.entries(content)[0] ?? [];
        return [status, kind === 'application/problem+json' ? '[Problem](#problem)' : shape(schema), meaning];
      }),
    ),
  );
  return lines.join('\n\n');
}

function caller(security) {
  if (!security) return 'No API key.';
  const scopes = security.flatMap((each) => each.api_key ?? []).map((scope) => `\`${scope}\``);
  const page = security.some((each) => Object.keys(each).length === 0);
  return `API key with the scope ${scopes.join(', ')}${page ? '; or a page of an allowed origin, without a key' : ''}.`;
}

/** A schema as a section of its own. */
function type(schema) {
  const lines = [text(schema.description)];
  if (schema.properties) lines.push(fields(schema));
  else if (schema.oneOf?.every((each) => each.const !== undefined || each.enum))
    lines.push(
      table(
        ['value', 'meaning'],
        schema.oneOf.map((each) => [`\`${each.const ?? each.enum.join('`, `')}\``, each.description]),
      ),
    );
  else lines.push(shape({ ...schema, $ref: undefined }));
  return lines.filter(Boolean);
}

function fields({ properties, required = [] }) {
  return table(
    ['field', 'type', 'meaning'],
    Object.entries(properties).map(([name, schema]) => [
      `\`${name}\`${required.includes(name) ? '' : ' (optional)'}`,
      shape(schema),
      [schema.description, schema.example === undefined ? '' : `Example: \`${JSON.stringify(schema.example)}\``]
        .filter(Boolean)
        .join(' '),
    ]),
  );
}

/** A schema in a few words, with links to the types that have a name. */
function shape(schema) {
  if (!schema) return '';
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1);
    return `[${name}](#${name.toLowerCase()})`;
  }
  const choices = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (choices) return [...new Set(choices.map(shape).filter(Boolean))].join(schema.allOf ? ' and ' : ' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map((each) => `\`${each}\``).join(', ');
  if (schema.type === 'array') return `list of ${shape(schema.items)}`;
  const kind = [schema.type ?? 'any value'].flat().join(' or ');
  return schema.format ? `${kind} (${schema.format})` : kind;
}

function table(head, rows) {
  const line = (cells) =>
    `| ${cells
      .map((cell) =>
        text(cell)
          .replace(/\s*\n\s*/g, ' ')
          .replaceAll('|', '\\|'),
      )
      .join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

/** Outside of code, a path's `{id}` would be taken for a heading's attributes and `<…>` for an element. */
const text = (words) => String(words ?? '').replace(/`[^`]*`|[<]/g, (each) => (each === '<' ? '&lt;' : each));

const sentence = (name) => name[0].toUpperCase() + name.slice(1);
