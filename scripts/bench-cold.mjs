// How long a customer's first visit waits, with an empty cache, on a slow phone: for the form, and for the request after
// the click on Pay. The browser's own emulation slows its processor and its network; docs/benchmarks.md says
// what that covers and what it does not.
//
//   npm run bench:cold                     -- --runs 5, --cpu 1, --network fast-4g or none, --press 10000; --built to measure pkg as it is
//   npm run bench:cold -- --json           [{ name, form_ms, form_ratio, later_ms, later_ratio, at_once_ms, at_once_ratio, bytes, … }]

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
import { main, Stop, say } from './project.mjs';
import { bundle, split } from './size.mjs';

/** Lighthouse's figures of its mobile presets. */
const NETWORKS = {
  'slow-4g': { latency: 150, down: 1600, up: 750 },
  'fast-4g': { latency: 40, down: 10_000, up: 5000 },
  none: undefined,
};
const BITS = 2048;
const PATIENCE = 120_000;

/**
 * A checkout page: `form` makes the inputs work, `pack` is what the press on Pay does. The press comes at once, or at a moment
 * when a person would have typed a card. What is timed ends when `ld` and `lk` are in hand; only then is anything else done.
 */
const page = (form, pack) => `
  const { publicKey, card } = JSON.parse(document.getElementById('data').textContent);
  const [number, expiry, cvc] = ['number', 'expiry', 'cvc'].map((id) => document.getElementById(id));
  ${form}
  const form = performance.now();
  const press = new URLSearchParams(location.search).get('press');
  if (press > form) await new Promise((done) => setTimeout(done, press - form));
  const pressed = performance.now();
  ${pack}
  const packed = performance.now();
  fetch('/tell' + location.pathname + location.search, { method: 'POST', body: JSON.stringify({ form, pressed, packed, ld, lk }) });`;

const OURS = (entry) => `
  import { load, GreenPay, formatCardNumberInput, formatExpiryInput, formatSecurityCodeInput, validateCard } from ${inPkg(entry)};
  ${page(
    `number.addEventListener('input', () => { formatCardNumberInput(number); formatSecurityCodeInput(cvc, number.value); });
     expiry.addEventListener('input', () => formatExpiryInput(expiry));
     cvc.addEventListener('input', () => formatSecurityCodeInput(cvc, number.value));
     load();`,
    `await load();
     if (!validateCard(card, { platform: 'greenpay' }).valid) throw new Error('the card is refused');
     const { ld, lk } = new GreenPay({ publicKey }).pack({ card });`,
  )}`;

const THEIRS = `
  import { formatCreditCard, formatDate, formatGeneral, packer, validator } from './scripts/peers-form.mjs';
  ${page(
    `number.addEventListener('input', () => { number.value = formatCreditCard(number.value); });
     expiry.addEventListener('input', () => { expiry.value = formatDate(expiry.value, { datePattern: ['m', 'y'], delimiter: ' / ' }); });
     cvc.addEventListener('input', () => { cvc.value = formatGeneral(cvc.value, { blocks: [4], numericOnly: true }); });`,
    `const { isValid } = validator.number(card.card.cardNumber);
     if (!isValid || !validator.cvv(card.card.cvc).isValid) throw new Error('the card is refused');
     const { ld, lk } = packer(publicKey)(card);`,
  )}`;

const SAME_WORK = 'same work';
const hint = (name) => `<link rel="modulepreload" href="FOLDER/${name}">`;
const PRELOAD = (name) => `<link rel="preload" href="FOLDER/${name}" as="fetch" type="application/wasm" crossorigin>`;

/** Each is a page of its own: its name, its files by their names, the first of them, and what else its head holds. */
async function contenders() {
  const rows = [];
  for (const [name, entry, module] of [
    ['cardseal/greenpay', 'greenpay.js', 'cardseal_greenpay_bg.wasm'],
    ['cardseal', 'index.js', 'cardseal_bg.wasm'],
  ]) {
    const { entry: first, atOnce, later } = await split(OURS(entry));
    const files = [...atOnce, ...later, [module, fromPkg(module)]];
    // Bundlers write the first hints by themselves: without them what is imported waits for its importer.
    const head = atOnce.filter(([file]) => file !== first).map(([file]) => hint(file));
    const more = [...later.map(([file]) => hint(file)), PRELOAD(module)];
    rows.push(
      { name, first, files, head: head.join('') },
      { name: `${name}, preload`, first, files, head: [...head, ...more].join('') },
    );
  }
  const files = [['same-work.js', await bundle(THEIRS)]];
  return [...rows, { name: SAME_WORK, first: 'same-work.js', files, card: PLAINTEXT }];
}

async function visit(browser, server, { name, place, wanted }, { cpu, network, press }, told) {
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
    await tab.goto(`${server.url}${place}?press=${press}`, { waitUntil: 'commit' });
    const result = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, PATIENCE).unref())]);
    if (!result) throw new Stop(`${name} did not encrypt a card within ${PATIENCE / 1000} s: ${problems.join('; ')}`);
    // Each file once: a hint that the browser cannot use would make it fetch the module twice.
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
  const press = Number(option('press', '10000'));
  const named = option('network', 'slow-4g');
  if (!(runs >= 1 && cpu >= 1 && press >= 0 && named in NETWORKS))
    throw new Stop(
      `--runs and --cpu take a number from 1 up, --press takes milliseconds, --network takes one of ${Object.keys(NETWORKS).join(', ')}.`,
    );
  await prepared();

  const { publicKey, privateKey } = keyPair(BITS);
  const served = new Map();
  const rows = (await contenders()).map((row, index) => {
    const place = `/${index}`;
    // Of its own, because bundles of several pages have files of the same name.
    const folder = `/files-${index}`;
    const data = JSON.stringify({ publicKey, card: row.card ?? CARD });
    served.set(
      place,
      [
        `<!doctype html><html lang="en"><meta charset="utf-8"><title>Checkout</title>`,
        (row.head ?? '').replaceAll('FOLDER', folder),
        `<script type="application/json" id="data">${data}</script>`,
        `<input id="number"><input id="expiry"><input id="cvc">`,
        `<script type="module" src="${folder}/${row.first}"></script>`,
      ].join(''),
    );
    for (const [name, body] of row.files) served.set(`${folder}/${name}`, body);
    const wanted = [place, ...row.files.map(([name]) => `${folder}/${name}`)].sort().join(' ');
    return { ...row, place, folder, wanted, results: { later: [], atOnce: [] } };
  });

  const waiting = new Map();
  const server = await serve(served, { told: (place, result) => waiting.get(place)?.(result) });
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
        for (const [when, at] of Object.entries({ atOnce: 0, later: press })) {
          const result = await visit(browser, server, row, { cpu, network: NETWORKS[named], press: at }, told);
          check(row.name, result, privateKey);
          if (round >= 0) row.results[when].push(result);
        }
      }
      say(round < 0 ? 'The warm-up round is done.' : `Round ${round + 1} of ${runs} is done.`);
    }
  } finally {
    await browser.close();
    server.stop();
  }

  const waits = ({ results: { later, atOnce } }) => ({
    form: [...later, ...atOnce].map(({ form }) => form),
    later: later.map(({ pressed, packed }) => packed - pressed),
    at_once: atOnce.map(({ packed }) => packed),
  });
  const reference = waits(rows.find(({ name }) => name === SAME_WORK));
  const measured = rows.map((row) => {
    const figures = Object.entries(waits(row)).flatMap(([name, values]) => [
      [`${name}_ms`, rounded(median(values))],
      [`${name}_p90_ms`, rounded(quantile(values, 0.9))],
      [`${name}_ratio`, rounded(median(values) / median(reference[name]), 3)],
    ]);
    const bytes = row.files.reduce((sum, [name]) => sum + server.size(`${row.folder}/${name}`), 0);
    return { name: row.name, bits: BITS, runs, cpu, network: named, press, ...Object.fromEntries(figures), bytes };
  });
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(measured)}\n`);
    return;
  }
  const cell = (value) => String(value).padStart(12);
  process.stdout.write(
    `\nA first visit with an empty cache, ms. Network ${named}, processor ÷ ${cpu}, key of ${BITS} bits. In brackets: divided by ${SAME_WORK}.\n\n`,
  );
  const heads = ['form', '', `press at ${press / 1000} s`, '', 'press at once', '', 'bytes'];
  process.stdout.write(`${''.padEnd(28)}${heads.map(cell).join('')}\n`);
  for (const row of measured) {
    const cells = ['form', 'later', 'at_once'].flatMap((name) => [
      row[`${name}_ms`].toFixed(0),
      `(${row[`${name}_ratio`].toFixed(2)})`,
    ]);
    process.stdout.write(`${row.name.padEnd(28)}${[...cells, row.bytes.toLocaleString('en')].map(cell).join('')}\n`);
  }
  process.stdout.write(`\n${runs} runs in turn, each in a new browser context; medians.
form           from the navigation to inputs that format, or will when the module arrives
press at …     from the click on Pay, after the customer has typed the card, to the encrypted card
press at once  from the navigation to the encrypted card, with a click on Pay as soon as there is a form
bytes          scripts and module with brotli, without the page itself
${SAME_WORK}      ${PAIR}, card-validator and cleave-zen: one script that encrypts, checks and formats
`);
});
