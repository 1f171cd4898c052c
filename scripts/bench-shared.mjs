// What both measurements use: the card, the keys, the check that a packed card is right, and a server on loopback.

import { constants, createDecipheriv, createPrivateKey, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { brotliCompressSync, constants as zlib } from 'node:zlib';
import { build } from './build.mjs';
import { chromium, isRoot, pkg, Stop, say } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';

export const CARD = {
  number: '4242424242424242',
  expiry: { month: 12, year: 2035 },
  cvc: '123',
  holder: 'Ana Núñez Solís',
  nickname: 'My first card',
};
/** The same card in the platform's own form, which a page without the package writes by itself. */
export const PLAINTEXT = {
  card: {
    cardHolder: CARD.holder,
    expirationDate: { month: 12, year: 35 },
    cardNumber: CARD.number,
    cvc: CARD.cvc,
    nickname: CARD.nickname,
  },
};
export const PAIR = 'aes-js+jsencrypt';

export const keyPair = (modulusLength) =>
  generateKeyPairSync('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

/** What is inside; throws if it cannot be opened. By hand, because some builds of Node refuse this padding. */
export function unpack({ ld, lk }, privateKey) {
  const block = privateDecrypt(
    { key: createPrivateKey(privateKey), padding: constants.RSA_NO_PADDING },
    Buffer.from(lk, 'base64'),
  );
  const end = block.indexOf(0, 2);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new Error('the padding of lk is wrong');
  const { k, s } = JSON.parse(block.subarray(end + 1).toString('utf8'));
  const counter = Buffer.alloc(16);
  counter[15] = s;
  const cipher = createDecipheriv('aes-128-ctr', Buffer.from(k), counter);
  return cipher.update(ld, 'hex', 'utf8') + cipher.final('utf8');
}

/** A contender that does less than the others would look fast. */
export function check(name, packed, privateKey) {
  const inside = unpack(packed, privateKey);
  if (inside !== JSON.stringify(PLAINTEXT)) throw new Stop(`${name} packed another text than the others.`);
}

export const median = (values) => quantile(values, 0.5);

export function quantile(values, at) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * at;
  const low = Math.floor(place);
  return sorted[low] + (sorted[Math.ceil(place)] - sorted[low]) * (place - low);
}

export const rounded = (value, digits = 1) => Number(value.toFixed(digits));

/** `--name value` from the command line. */
export function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
}

/** Builds pkg, unless `--built` says that what lies there is to be measured. */
export async function prepared() {
  if (process.argv.includes('--built')) return;
  await ensure([...TO_BUILD, 'browser']);
  await build();
}

export async function launch() {
  const executablePath = chromium();
  if (!executablePath) throw new Stop('Chromium is missing; `npm run setup` installs it.');
  const { chromium: playwright } = await import('playwright-core');
  const args = [
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-quic',
    '--no-first-run',
    '--disable-gpu',
  ];
  if (isRoot) args.push('--no-sandbox');
  const browser = await playwright.launch({ executablePath, args });
  say(`Chromium ${browser.version()}, Node ${process.versions.node}.`);
  return browser;
}

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

/** Compressed once, as strongly as it goes: what a host of static files does at deployment. */
export const compressed = (body) =>
  brotliCompressSync(body, {
    params: {
      [zlib.BROTLI_PARAM_QUALITY]: 11,
      [zlib.BROTLI_PARAM_LGWIN]: 24,
      [zlib.BROTLI_PARAM_SIZE_HINT]: body.length,
    },
  });

/**
 * Serves `files`, a map of paths to bodies, in brotli. `requests` are the paths asked for; what is posted to a path that
 * begins with /tell/ goes to `told`.
 */
export async function serve(files, { headers = {}, told = () => {} } = {}) {
  const stored = new Map([...files].map(([place, body]) => [place, compressed(Buffer.from(body))]));
  const requests = [];
  const server = http.createServer((request, response) => {
    const place = request.url.split('?')[0];
    if (request.method === 'POST' && place.startsWith('/tell/')) {
      let text = '';
      request
        .setEncoding('utf8')
        .on('data', (chunk) => {
          text += chunk;
        })
        .on('end', () => {
          response.writeHead(204).end();
          told(place, JSON.parse(text));
        });
      return;
    }
    requests.push(place);
    const body = stored.get(place);
    if (!body || !/\bbr\b/.test(request.headers['accept-encoding'] ?? '')) {
      response.writeHead(body ? 406 : 404).end();
      return;
    }
    response
      .writeHead(200, {
        'content-type': TYPES[path.extname(place) || '.html'],
        'content-encoding': 'br',
        'content-length': body.length,
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'accept-encoding',
        'x-content-type-options': 'nosniff',
        ...headers,
      })
      .end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    size: (place) => stored.get(place).length,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const fromPkg = (name) => readFileSync(path.join(pkg, name));
export const inPkg = (name) => JSON.stringify(path.join(pkg, name));
