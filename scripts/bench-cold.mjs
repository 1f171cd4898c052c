// How long a shopper's first visit waits for the first packed card: from an empty cache, on a slow telephone. The browser's
// own emulation slows its processor and its network; docs/benchmarks.md says what that covers and what it does not.
//
//   npm run bench:cold                     -- --runs 5, --cpu 1, --network fast-4g or none; --built to measure pkg as it is
//   npm run bench:cold -- --json           [{ name, median_ms, min_ms, p10_ms, p90_ms, ratio, script_ms, ready_ms, bytes, … }]

import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import {
  CARD,
  check,
  fromPkg,
  inPkg,
  keyPair,
  launch,
  median,
  option,
  PAIR,
  PLAINTEXT,
  prepared,
  quantile,
  rounded,
  serve,
} from './bench-shared.mjs';
import { main, pkg, Stop, say } from './project.mjs';
import { bundle } from './size.mjs';

/** Lighthouse's figures of its mobile presets. */
const NETWORKS = {
  'slow-4g': { latency: 150, down: 1600, up: 750 },
  'fast-4g': { latency: 40, down: 10_000, up: 5000 },
  none: undefined,
};
const BITS = 2048;
const PATIENCE = 120_000;

/** How a page begins: what is timed ends when `ld` and `lk` are in hand; only then is anything else done. */
const page = (prepare, pack) => `
  const script = performance.now();
  const { publicKey, card } = JSON.parse(document.getElementById('data').textContent);
  ${prepare}
  const ready = performance.now();
  const { ld, lk } = ${pack};
  const packed = performance.now();
  fetch('/tell' + location.pathname + location.search, { method: 'POST', body: JSON.stringify({ script, ready, packed, ld, lk }) });`;

const ours = (entry, source = '') =>
  bundle(`
  import { load, GreenPay } from ${inPkg(entry)};
  ${page(`await load(${source});`, 'new GreenPay({ publicKey }).pack({ card })')}`);

const module = (name) => `new URL('./${name}', import.meta.url)`;
const PRELOAD = (name) => `<link rel="preload" href="/${name}" as="fetch" type="application/wasm" crossorigin>`;

/** Each is a page of its own: its name, its script, what else its head holds, and what of pkg it fetches. */
async function contenders() {
  const fetched = await ours('index.js');
  const rows = [
    { name: 'cardseal', script: fetched, fetches: 'cardseal_bg.wasm' },
    { name: 'cardseal, preload', script: fetched, head: PRELOAD('cardseal_bg.wasm'), fetches: 'cardseal_bg.wasm' },
    { name: 'cardseal/inline', script: await ours('inline.js') },
  ];
  if (existsSync(path.join(pkg, 'greenpay_bg.wasm'))) {
    const alone = await ours('index.js', module('greenpay_bg.wasm'));
    rows.push(
      { name: 'GreenPay alone', script: alone, fetches: 'greenpay_bg.wasm' },
      {
        name: 'GreenPay alone, preload',
        script: alone,
        head: PRELOAD('greenpay_bg.wasm'),
        fetches: 'greenpay_bg.wasm',
      },
    );
  }
  const pair = await bundle(
    `import { packer } from './scripts/peers.mjs'; ${page('const pack = packer(publicKey);', 'pack(card)')}`,
  );
  return [...rows, { name: PAIR, script: pair, card: PLAINTEXT }];
}

async function visit(browser, server, { name, place, files }, { cpu, network }, told) {
  const context = await browser.newContext();
  try {
    const tab = await context.newPage();
    const devtools = await context.newCDPSession(tab);
    await devtools.send('Network.enable');
    await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
    if (network) {
      const bytes = (kilobits) => (kilobits * 1000) / 8;
      await devtools.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: network.latency,
        downloadThroughput: bytes(network.down),
        uploadThroughput: bytes(network.up),
      });
    }
    if (cpu > 1) await devtools.send('Emulation.setCPUThrottlingRate', { rate: cpu });
    const problems = [];
    tab.on('pageerror', (error) => problems.push(error.message));
    tab.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    server.requests.length = 0;
    const answer = told(place);
    await tab.goto(server.url + place, { waitUntil: 'commit' });
    const result = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, PATIENCE).unref())]);
    if (!result) throw new Stop(`${name} packed no card in ${PATIENCE / 1000} s: ${problems.join('; ')}`);
    // Each file once: a hint that the browser cannot use would make it fetch the module twice.
    const wanted = [...files].sort().join(' ');
    const got = server.requests
      .filter((request) => request !== '/favicon.ico')
      .sort()
      .join(' ');
    if (got !== wanted) throw new Stop(`${name} fetched ${got} instead of ${wanted}.`);
    return result;
  } finally {
    await context.close();
  }
}

main(async () => {
  const runs = Number(option('runs', '20'));
  const cpu = Number(option('cpu', '4'));
  const named = option('network', 'slow-4g');
  if (!(runs >= 1 && cpu >= 1 && named in NETWORKS))
    throw new Stop(`--runs and --cpu take a number from 1 on, --network one of ${Object.keys(NETWORKS).join(', ')}.`);
  await prepared();

  const { publicKey, privateKey } = keyPair(BITS);
  const files = new Map();
  const rows = (await contenders()).map((row, index) => {
    const place = `/${index}`;
    const data = JSON.stringify({ publicKey, card: row.card ?? CARD });
    files.set(
      place,
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>Checkout</title>${row.head ?? ''}<script type="application/json" id="data">${data}</script><script type="module" src="/${index}.js"></script>`,
    );
    files.set(`/${index}.js`, row.script);
    if (row.fetches) files.set(`/${row.fetches}`, fromPkg(row.fetches));
    return { ...row, place, files: [place, `/${index}.js`, ...(row.fetches ? [`/${row.fetches}`] : [])], results: [] };
  });

  const waiting = new Map();
  const server = await serve(files, { told: (place, result) => waiting.get(place)?.(result) });
  const told = (place) =>
    new Promise((resolve) => {
      waiting.set(`/tell${place}`, resolve);
    });
  const browser = await launch();
  try {
    // Round by round, so that a slow moment of the machine meets all of them; the first warms the machine's own caches.
    for (let round = -1; round < runs; round += 1) {
      for (let turn = 0; turn < rows.length; turn += 1) {
        const row = rows[(turn + Math.max(round, 0)) % rows.length];
        const result = await visit(browser, server, row, { cpu, network: NETWORKS[named] }, told);
        check(row.name, result, privateKey);
        if (round >= 0) row.results.push(result);
      }
      say(round < 0 ? 'The round before the first is done.' : `Round ${round + 1} of ${runs} is done.`);
    }
  } finally {
    await browser.close();
    server.stop();
  }

  const pair = median(rows.find(({ name }) => name === PAIR).results.map(({ packed }) => packed));
  const measured = rows.map(({ name, files: fetched, results }) => {
    const of = (key) => results.map((result) => result[key]);
    const packed = of('packed');
    return {
      name,
      bits: BITS,
      runs,
      cpu,
      network: named,
      median_ms: rounded(median(packed)),
      min_ms: rounded(Math.min(...packed)),
      p10_ms: rounded(quantile(packed, 0.1)),
      p90_ms: rounded(quantile(packed, 0.9)),
      ratio: rounded(median(packed) / pair, 3),
      script_ms: rounded(median(of('script'))),
      ready_ms: rounded(median(of('ready'))),
      bytes: fetched.slice(1).reduce((sum, place) => sum + server.size(place), 0),
    };
  });
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(measured)}\n`);
    return;
  }
  const cell = (value) => String(value).padStart(10);
  process.stdout.write(
    `\nFrom navigation to the first packed card, an empty cache, ms. Network ${named}, processor ÷ ${cpu}, key of ${BITS} bits.\n\n`,
  );
  process.stdout.write(
    `${''.padEnd(26)}${['median', 'ratio', 'min', 'p10', 'p90', 'script at', 'ready at', 'bytes'].map(cell).join('')}\n`,
  );
  for (const row of measured) {
    const cells = [
      row.median_ms.toFixed(0),
      row.ratio.toFixed(2),
      row.min_ms.toFixed(0),
      row.p10_ms.toFixed(0),
      row.p90_ms.toFixed(0),
      row.script_ms.toFixed(0),
      row.ready_ms.toFixed(0),
      row.bytes.toLocaleString('en'),
    ];
    process.stdout.write(`${row.name.padEnd(26)}${cells.map(cell).join('')}\n`);
  }
  process.stdout.write(`\n${runs} runs in turn, each in a new browser context. Ratio: median divided by that of ${PAIR}. Script at: the page's script
begins; ready at: the module is loaded, or the key is set; bytes: scripts and module in brotli, without the page itself.\n`);
});
