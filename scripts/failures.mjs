// A reporter for Node's test runner: a line of JSON for each test that failed, `{ name, at, why }`.

import path from 'node:path';
import process from 'node:process';

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* failures(events) {
  for await (const { type, data } of events) {
    const error = type === 'test:fail' ? data.details.error : undefined;
    // A test that failed by one of its own is not a second failure.
    if (!error || error.failureType === 'subtestsFailed') continue;
    const at = data.file ? `${path.relative(process.cwd(), data.file)}:${data.line ?? 0}` : '';
    yield `${JSON.stringify({ name: data.name, at, why: String(error.cause?.message ?? error.cause ?? error.message) })}\n`;
  }
}
