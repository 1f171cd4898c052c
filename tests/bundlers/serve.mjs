// Static files on a free port of this machine, with the headers that a test asks for.

import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

/**
 * `headers(path)` are more headers of an answer; `answers` are whole answers by path: `{ status, headers, body }`, or
 * `{ never: true }` for one that does not come.
 */
export async function serve(folder, { headers = () => ({}), answers = {} } = {}) {
  const seen = [];
  const server = http
    .createServer((request, response) => {
      const { pathname } = new URL(request.url, 'http://localhost');
      seen.push(pathname);
      const own = answers[pathname];
      if (own?.never) return;
      if (own) {
        response.writeHead(own.status ?? 200, { 'cache-control': 'no-store', ...own.headers }).end(own.body ?? '');
        return;
      }
      const file = [pathname, `${pathname}.html`, `${pathname}/index.html`]
        .map((name) => path.join(folder, path.normalize(decodeURIComponent(name))))
        .find((name) => name.startsWith(folder) && statSync(name, { throwIfNoEntry: false })?.isFile());
      if (!file) {
        response
          .writeHead(404, { 'content-type': 'text/html', 'cache-control': 'no-store' })
          .end('<!doctype html><p>not here');
        return;
      }
      response
        .writeHead(200, {
          'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream',
          'cache-control': 'no-store',
          ...headers(pathname),
        })
        .end(readFileSync(file));
    })
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    seen,
    url: `http://127.0.0.1:${server.address().port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
