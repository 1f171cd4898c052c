// Writes TOML: a server's configuration from plain values, among them the tables that the sandbox tells.

/** `{ server: { listen }, platforms: { x: { terminals: [{…}] } } }` as the text of a file. What is null is left out. */
export function toml(tree) {
  return `${table([], tree).join('\n')}\n`;
}

function table(path, values) {
  const lines = [];
  const inner = [];
  for (const [key, value] of Object.entries(values)) {
    const here = [...path, name(key)];
    if (value === null || value === undefined) continue;
    if (Array.isArray(value) && value.length > 0 && value.every(isTable)) {
      inner.push(...value.flatMap((entry) => [`[[${here.join('.')}]]`, ...table(here, entry)]));
    } else if (isTable(value)) {
      inner.push(`[${here.join('.')}]`, ...table(here, value));
    } else {
      lines.push(`${name(key)} = ${plain(value)}`);
    }
  }
  return [...lines, ...inner];
}

const isTable = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const name = (key) => (/^[\w-]+$/.test(key) ? key : plain(key));

// TOML's basic strings, numbers, booleans and arrays of them are written as JSON's.
const plain = (value) => JSON.stringify(value).replaceAll('\u007f', '\\u007f');
