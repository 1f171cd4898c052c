// How long it takes to encrypt one card once everything is loaded and warm, in Node and in Chromium; docs/benchmarks.md says how it is
// measured. `npm run bench:cold` measures a page's first card.
//
//   npm run bench                -- --quick for fewer measurements, --built to measure pkg as it is
//   npm run bench -- --json      [{ place, name, bits, median_us, min_us, cpu_median_us, cpu_min_us, ratio, runs, … }]

import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import {
  CARD,
  check,
  inPkg,
  keyPair,
  launch,
  median,
  PAIR,
  PLAINTEXT,
  prepared,
  rounded,
  serve,
} from './bench-shared.mjs';
import { main, pkg, say, targetFolder } from './project.mjs';
import { bundle } from './size.mjs';

const BITS = [1024, 2048, 4096];
const quick = process.argv.includes('--quick');
/** Milliseconds: of the calls before the first measurement, and of one measurement; in a page, asking takes time too. */
const WARM = quick ? 200 : 1000;
const SLICE = quick ? { node: 10, chromium: 40 } : { node: 25, chromium: 100 };
const SLICES = quick ? 11 : 41;

/** What the machine can do: OpenSSL's own arithmetic, which no page has. */
function native(pem) {
  const key = createPublicKey(pem);
  return () => {
    const k = randomBytes(16);
    const s = randomInt(255);
    const block = Buffer.alloc(16);
    block[15] = s;
    const cipher = createCipheriv('aes-128-ctr', k, block);
    const ld = cipher.update(JSON.stringify(PLAINTEXT), 'utf8', 'hex') + cipher.final('hex');
    return {
      ld,
      lk: publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, JSON.stringify({ k: [...k], s })).toString(
        'base64',
      ),
    };
  };
}

/** `repeat(name, calls)` gives milliseconds, `[wall, processor]`, for that many calls one after the other. */
async function inNode(keys, folder) {
  const cardseal = await import(pathToFileURL(path.join(pkg, 'inline.js')));
  await cardseal.load();
  // jsencrypt chooses the width of its digits by the name of the browser, and its random numbers by whether there is a
  // window. Every browser has this name; without both, another program would be measured than the one that pages run.
  Object.assign(globalThis, { window: globalThis, self: globalThis });
  Object.defineProperty(globalThis, 'navigator', { value: { appName: 'Netscape' }, configurable: true });
  const { packer } = await import(pathToFileURL(path.join(folder, 'peers.js')));
  const rows = [];
  for (const { bits, publicKey, privateKey } of keys) {
    const ours = new cardseal.GreenPay({ publicKey });
    const theirs = packer(publicKey);
    const packs = {
      cardseal: () => ours.pack({ card: CARD }),
      [PAIR]: () => theirs(PLAINTEXT),
      'node:crypto': native(publicKey),
    };
    for (const [name, pack] of Object.entries(packs)) check(name, pack(), privateKey);
    rows.push(
      ...(await contest('node', bits, Object.keys(packs), (name, calls) => {
        const pack = packs[name];
        const began = performance.now();
        const used = process.cpuUsage();
        for (let call = 0; call < calls; call += 1) pack();
        const { user, system } = process.cpuUsage(used);
        return [performance.now() - began, (user + system) / 1000];
      })),
    );
  }
  return rows;
}

async function inChromium(keys) {
  const page = await bundle(`
    import { load, GreenPay } from ${inPkg('inline.js')};
    import { packer } from './scripts/peers.mjs';
    globalThis.prepare = async (publicKey, card, plaintext) => {
      await load();
      const ours = new GreenPay({ publicKey });
      const theirs = packer(publicKey);
      globalThis.packs = { cardseal: () => ours.pack({ card }), ${JSON.stringify(PAIR)}: () => theirs(plaintext) };
    };
    globalThis.repeat = (name, calls) => {
      const pack = globalThis.packs[name];
      const began = performance.now();
      for (let call = 0; call < calls; call += 1) pack();
      return performance.now() - began;
    };`);
  // The browser's clock is fine enough only in pages that are alone in their process.
  const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
  const server = await serve(
    new Map([
      ['/', '<!doctype html><title>bench</title><script type="module" src="/bench.js"></script>'],
      ['/bench.js', page],
    ]),
    { headers },
  );
  const browser = await launch();
  try {
    const rows = [];
    for (const { bits, publicKey, privateKey } of keys) {
      const context = await browser.newContext();
      const tab = await context.newPage();
      await tab.goto(server.url);
      await tab.evaluate(
        ([key, card, plaintext]) => globalThis.prepare(key, card, plaintext),
        [publicKey, CARD, PLAINTEXT],
      );
      for (const name of ['cardseal', PAIR])
        check(name, await tab.evaluate((which) => globalThis.packs[which](), name), privateKey);
      const used = await processor(browser);
      rows.push(
        ...(await contest('chromium', bits, ['cardseal', PAIR], async (name, calls) => {
          const before = used();
          const wall = await tab.evaluate(([which, times]) => globalThis.repeat(which, times), [name, calls]);
          return [wall, used() - before];
        })),
      );
      await context.close();
    }
    return rows;
  } finally {
    await browser.close();
    server.stop();
  }
}

/** Reads the milliseconds for which the main threads of the browser's pages ran; only Linux tells. */
async function processor(browser) {
  const devtools = await browser.newBrowserCDPSession();
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  await devtools.detach();
  const files = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => `/proc/${id}/schedstat`);
  return () =>
    files.reduce((sum, file) => sum + (existsSync(file) ? Number(readFileSync(file, 'utf8').split(' ')[0]) : NaN), 0) /
    1e6;
}

/** Slice by slice in turn, so that a slow moment of the machine meets all of them. */
async function contest(place, bits, names, repeat) {
  say(`${place}, ${bits} bits`);
  const calls = {};
  const slice = SLICE[place];
  for (const name of names) {
    const end = performance.now() + WARM;
    let times = 1;
    let took = 0;
    do {
      [took] = await repeat(name, times);
      if (took < slice) times *= 2;
    } while (performance.now() < end || took < slice / 2);
    calls[name] = Math.max(1, Math.round((times * slice) / took));
  }
  const slices = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < SLICES; round += 1) {
    for (const name of names)
      slices[name].push((await repeat(name, calls[name])).map((ms) => (ms * 1000) / calls[name]));
  }
  return names.map((name) => {
    const wall = slices[name].map(([time]) => time);
    const cpu = slices[name].map(([, time]) => time);
    const known = (value) => (Number.isFinite(value) ? rounded(value) : null);
    return {
      place,
      name,
      bits,
      median_us: rounded(median(wall)),
      min_us: rounded(Math.min(...wall)),
      cpu_median_us: known(median(cpu)),
      cpu_min_us: known(Math.min(...cpu)),
      runs: SLICES,
      calls_per_run: calls[name],
    };
  });
}

main(async () => {
  await prepared();
  const folder = path.join(targetFolder(), 'bench');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}\n');
  const peers = await bundle(`export * from './scripts/peers.mjs';`);
  writeFileSync(path.join(folder, 'peers.js'), peers);
  const keys = BITS.map((bits) => ({ bits, ...keyPair(bits) }));

  const rows = [...(await inNode(keys, folder)), ...(await inChromium(keys))];
  const fellow = (row, name) =>
    rows.find((other) => other.place === row.place && other.bits === row.bits && other.name === name);
  const ratio = (row, name, measure) => {
    const other = fellow(row, name);
    return other?.[measure] ? rounded(row[measure] / other[measure], 2) : null;
  };
  for (const row of rows) {
    row.ratio = ratio(row, PAIR, 'median_us');
    row.ratio_min = ratio(row, PAIR, 'min_us');
    row.ratio_cpu = ratio(row, PAIR, 'cpu_median_us');
    row.ratio_native = ratio(row, 'node:crypto', 'median_us');
  }
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(rows)}\n`);
    return;
  }
  const cell = (value, width = 10) => String(value ?? '').padStart(width);
  process.stdout.write(
    `\nTime to encrypt one card, in µs; the key is read beforehand. Ratios: divided by ${PAIR} in the same place with the same key.\n\n`,
  );
  process.stdout.write(
    `${''.padEnd(10)}${cell('', 5)}  ${''.padEnd(18)}${cell('wall time', 20)}${cell('processor', 20)}${cell('ratio', 30)}${cell('/ node:', 10)}\n`,
  );
  process.stdout.write(
    `${'place'.padEnd(10)}${cell('bits', 5)}  ${''.padEnd(18)}${['median', 'min', 'median', 'min', 'wall', 'wall min', 'processor', 'crypto'].map((text) => cell(text)).join('')}\n`,
  );
  for (const row of rows) {
    const times = [row.median_us, row.min_us, row.cpu_median_us, row.cpu_min_us].map((value) =>
      cell(value?.toFixed(0)),
    );
    const ratios = [row.ratio, row.ratio_min, row.ratio_cpu, row.ratio_native].map((value) => cell(value?.toFixed(2)));
    process.stdout.write(
      `${row.place.padEnd(10)}${cell(row.bits, 5)}  ${row.name.padEnd(18)}${times.join('')}${ratios.join('')}\n`,
    );
  }
  process.stdout.write(
    `\n${SLICES} measurements in turn, each of about ${SLICE.node} ms (Node) or ${SLICE.chromium} ms (Chromium).\n`,
  );
});
