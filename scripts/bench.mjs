// How long one pack takes, and how long a page waits from nothing loaded to its first packed card.
//
//   npm run bench                -- --quick for fewer runs
//   npm run bench -- --json      [{ name, bits, median_us, runs }]

import { createCipheriv, createPublicKey, constants, generateKeyPairSync, publicEncrypt, randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { ask, chromium, isRoot, main, pkg, root, say, targetFolder } from './project.mjs';
import { ensure, TO_BUILD } from './setup.mjs';
import { bundle } from './size.mjs';

const CARD = { number: '4242424242424242', expiry: { month: 12, year: 2035 }, cvc: '123', holder: 'Ana Núñez Solís', nickname: 'My first card' };
const PLAINTEXT = { card: { cardHolder: CARD.holder, expirationDate: { month: 12, year: 35 }, cardNumber: CARD.number, cvc: CARD.cvc, nickname: CARD.nickname } };
const PEERS = 'aes-js+jsencrypt';

function keys() {
  const { rsa_keys: vectors } = JSON.parse(readFileSync(path.join(root, 'tests', 'vectors', 'greenpay.json'), 'utf8'));
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 4096, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } });
  return [[1024, vectors.t1024.public_spki_pem], [2048, vectors.t2048.public_spki_pem], [4096, publicKey]];
}

function nodePacker(pem) {
  const key = createPublicKey(pem);
  return () => {
    const k = randomBytes(16);
    const s = randomInt(255);
    const block = Buffer.alloc(16);
    block[15] = s;
    const cipher = createCipheriv('aes-128-ctr', k, block);
    const ld = cipher.update(JSON.stringify(PLAINTEXT), 'utf8', 'hex') + cipher.final('hex');
    return { ld, lk: publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, JSON.stringify({ k: [...k], s })).toString('base64') };
  };
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const micros = (ms) => Math.round(ms * 10_000) / 10;

/** Round by round, so that a slow moment of the machine meets all of them. */
async function packs(runs, folder) {
  const cardseal = await import(pathToFileURL(path.join(pkg, 'node.js')));
  await cardseal.load();
  const { packer } = await import(pathToFileURL(path.join(folder, 'peers.js')));
  const rows = [];
  for (const [bits, pem] of keys()) {
    const ours = new cardseal.GreenPay({ publicKey: pem });
    const theirs = packer(pem);
    const contenders = [['cardseal', () => ours.pack({ card: CARD })], [PEERS, () => theirs(PLAINTEXT)], ['node:crypto', nodePacker(pem)]];
    const times = contenders.map(() => []);
    const warm = Math.ceil(runs / 5);
    for (let round = -warm; round < runs; round += 1) {
      contenders.forEach(([, pack], index) => {
        const began = performance.now();
        const { lk } = pack();
        const took = performance.now() - began;
        if (typeof lk !== 'string') throw new Error('a pack failed');
        if (round >= 0) times[index].push(took);
      });
    }
    contenders.forEach(([name], index) => rows.push({ name, bits, median_us: micros(median(times[index])), runs }));
  }
  return rows;
}

/** What a fresh process or page runs: everything between its two looks at the clock counts. */
const FIRST = {
  cardseal: (where, pem) => `const { load, GreenPay } = await import(${JSON.stringify(where)}); await load();
    new GreenPay({ publicKey: ${JSON.stringify(pem)} }).pack({ card: ${JSON.stringify(CARD)} });`,
  [PEERS]: (where, pem) => `const { packer } = await import(${JSON.stringify(where)});
    packer(${JSON.stringify(pem)})(${JSON.stringify(PLAINTEXT)});`,
};
FIRST['cardseal/inline'] = FIRST.cardseal;

const timed = (body, give) => `const began = performance.now(); ${body} ${give}(performance.now() - began);`;

function firstInNode(runs, folder, pem) {
  const entries = { cardseal: pathToFileURL(path.join(pkg, 'node.js')).href, 'cardseal/inline': pathToFileURL(path.join(pkg, 'inline.js')).href, [PEERS]: pathToFileURL(path.join(folder, 'peers.js')).href };
  return firsts('node', runs, entries, async (name, where) => {
    const text = ask(process.execPath, ['--input-type=module', '--eval', timed(FIRST[name](where, pem), 'console.log')], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (!text) throw new Error(`${name} failed in a fresh process`);
    return Number(text);
  });
}

async function firstInBrowser(runs, folder, pem) {
  const executablePath = chromium();
  if (!executablePath) return [];
  const files = new Map([
    ['/', ['text/html', '<!doctype html><title>bench</title>']],
    ['/cardseal.js', ['text/javascript', await bundle(`export * from ${JSON.stringify(path.join(pkg, 'index.js'))};`)]],
    ['/cardseal_bg.wasm', ['application/wasm', readFileSync(path.join(pkg, 'cardseal_bg.wasm'))]],
    ['/inline.js', ['text/javascript', await bundle(`export * from ${JSON.stringify(path.join(pkg, 'inline.js'))};`)]],
    ['/peers.js', ['text/javascript', readFileSync(path.join(folder, 'peers.js'))]],
  ]);
  const server = http.createServer((request, response) => {
    const [type, body] = files.get(request.url) ?? [];
    response.writeHead(type ? 200 : 404, { 'content-type': type ?? 'text/plain', 'cache-control': 'no-store' }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { chromium: playwright } = await import('playwright-core');
  const browser = await playwright.launch({ executablePath, args: isRoot ? ['--no-sandbox'] : [] });
  try {
    return await firsts('chromium', runs, { cardseal: '/cardseal.js', 'cardseal/inline': '/inline.js', [PEERS]: '/peers.js' }, async (name, where) => {
      // A fresh context has no cache, neither of files nor of compiled code.
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      const took = await page.evaluate(`(async () => { ${timed(FIRST[name](where, pem), 'return ')} })()`);
      await context.close();
      return took;
    });
  } finally {
    await browser.close();
    server.close();
  }
}

async function firsts(place, runs, entries, once) {
  const times = Object.fromEntries(Object.keys(entries).map((name) => [name, []]));
  // The first round warms the machine's own caches and is not counted.
  for (let round = -1; round < runs; round += 1) {
    for (const [name, where] of Object.entries(entries)) {
      const took = await once(name, where);
      if (round >= 0) times[name].push(took);
    }
  }
  return Object.entries(times).map(([name, list]) => ({ name: `${name} first card in ${place}`, bits: 2048, median_us: micros(median(list)), runs }));
}

main(async () => {
  await ensure(TO_BUILD);
  await build();
  const quick = process.argv.includes('--quick');
  const folder = path.join(targetFolder(), 'bench');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}\n');
  writeFileSync(path.join(folder, 'peers.js'), await bundle(`export * from './scripts/peers.mjs';`));
  const pem = keys()[1][1];

  say('Measuring.');
  const rows = await packs(quick ? 100 : 1000, folder);
  const first = [...(await firstInNode(quick ? 5 : 21, folder, pem)), ...(await firstInBrowser(quick ? 5 : 21, folder, pem))];

  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify([...rows, ...first])}\n`);
    return;
  }
  const against = (row, name) => (row.median_us / rows.find((other) => other.name === name && other.bits === row.bits).median_us).toFixed(2);
  process.stdout.write('\nOne pack in Node, the key parsed before; median.\n\n');
  process.stdout.write(`${'bits'.padStart(5)}  ${''.padEnd(18)}${'µs'.padStart(9)}${`/ ${PEERS}`.padStart(20)}${'/ node:crypto'.padStart(15)}\n`);
  for (const row of rows) {
    process.stdout.write(`${String(row.bits).padStart(5)}  ${row.name.padEnd(18)}${row.median_us.toFixed(0).padStart(9)}${against(row, PEERS).padStart(20)}${against(row, 'node:crypto').padStart(15)}\n`);
  }
  process.stdout.write(`\nFrom nothing loaded to the first packed card (import, load, key, pack; 2048 bits); median.\n\n`);
  for (const row of first) {
    const theirs = first.find(({ name }) => name === row.name.replace(/^\S+/, PEERS));
    process.stdout.write(`${row.name.padEnd(44)}${(row.median_us / 1000).toFixed(1).padStart(8)} ms${(row.median_us / theirs.median_us).toFixed(2).padStart(8)}\n`);
  }
  process.stdout.write(`\n${rows[0].runs} runs of a pack, ${first[0].runs} of a first card; the last column is divided by ${PEERS}.\n`);
});
