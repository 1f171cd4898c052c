// Stands for your own web server: serves dist/ (or the folder that is named), passes /v1 on to Cardseal, takes orders.
//
//   PORT=5000 CARDSEAL_SERVER=http://127.0.0.1:8080 node serve.mjs [folder]

import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';

const folder = path.resolve(process.argv[2] ?? path.join(import.meta.dirname, 'dist'));
const cardseal = process.env.CARDSEAL_SERVER ?? 'http://127.0.0.1:8080';
const port = Number(process.env.PORT ?? 5000);

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/**
 * With GreenPay this is all; other platforms need their host in `connect-src`: docs/csp.md. Only `'wasm-unsafe-eval'` is for
 * Cardseal.
 */
const POLICY = {
  'content-security-policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'self'; frame-ancestors 'none'",
};

http
  .createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    if (pathname.startsWith('/v1/')) {
      const { method, headers } = request;
      const onward = http.request(cardseal + request.url, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.writeHead(502).end());
      request.pipe(onward);
      return;
    }
    if (request.method === 'POST' && pathname === '/order') {
      // What arrives is the customer's email address and `card_token`. Your back end charges that token.
      request.resume().on('end', () => {
        response.writeHead(200, { 'content-type': TYPES['.html'], ...POLICY });
        response.end(
          '<!doctype html><html lang="en"><title>Thank you</title><link rel="icon" href="favicon.svg">' +
            '<h1>Thank you for your order.</h1></html>',
        );
      });
      return;
    }
    const file = path.join(folder, pathname === '/' ? 'index.html' : path.normalize(pathname));
    try {
      const body = readFileSync(file);
      response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream', ...POLICY });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  })
  .listen(port, '127.0.0.1', () => process.stdout.write(`http://localhost:${port}/\n`));
