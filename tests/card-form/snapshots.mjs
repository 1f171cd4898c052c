// Pictures and texts that are committed beside the tests, and compared with what the form gives now.
//
//   UPDATE_SNAPSHOTS=1 node --test tests/card-form/visual.test.mjs      writes them anew; look at each before you commit it

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
// Pictures are the same to the eye, not to the byte: pixelmatch knows smoothed edges, and pngjs reads and writes PNG.
import pixelmatch from 'pixelmatch';
import { PNG } from 'pngjs';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'snapshots');
const UPDATE = process.env.UPDATE_SNAPSHOTS === '1';

/** How different two pixels may be, as edges of letters and curves are, and how many may be more than that. */
const THRESHOLD = 0.2;
const TOLERANCE = 0.004;

/** Rendering that depends on the machine as little as it can. */
export const STEADY = [
  '--font-render-hinting=none',
  '--disable-lcd-text',
  '--disable-font-subpixel-positioning',
  '--force-color-profile=srgb',
  '--force-device-scale-factor=1',
  '--disable-partial-raster',
];

const require = createRequire(import.meta.url);

/** Machines have different fonts, so the tests bring one (Rubik) with Latin, Hebrew and Arabic letters. Nothing is fetched. */
export const FONT = [400, 600]
  .flatMap((weight) =>
    [
      ['latin', 'U+0-24F,U+2000-22FF'],
      ['hebrew', 'U+590-5FF'],
      ['arabic', 'U+600-6FF'],
    ].map(([script, range]) => {
      const file = require.resolve(`@fontsource/rubik/files/rubik-${script}-${weight}-normal.woff2`);
      const data = readFileSync(file).toString('base64');
      return `@font-face{font-family:Rubik;font-weight:${weight};unicode-range:${range};src:url(data:font/woff2;base64,${data})}`;
    }),
  )
  .join('\n');

/** The picture is the committed one, or nearly. */
export function assertPicture(name, bytes) {
  const file = path.join(folder, `${name}.png`);
  if (UPDATE) {
    mkdirSync(folder, { recursive: true });
    // Without what makes photographs smaller and pages larger.
    const smaller = { colorType: 2, deflateLevel: 9, deflateStrategy: 0, filterType: 0 };
    writeFileSync(file, PNG.sync.write(PNG.sync.read(bytes), smaller));
    return;
  }
  const rewrite = 'UPDATE_SNAPSHOTS=1 writes the pictures anew';
  assert.ok(existsSync(file), `${file} is missing: ${rewrite}`);
  const [now, then] = [PNG.sync.read(bytes), PNG.sync.read(readFileSync(file))];
  const differing = (text, diff) => {
    const out = mkdtempSync(path.join(os.tmpdir(), 'cardseal-snapshot-'));
    writeFileSync(path.join(out, `${name}.now.png`), bytes);
    if (diff) writeFileSync(path.join(out, `${name}.diff.png`), PNG.sync.write(diff));
    const shown = path.join(out, `${name}.${diff ? 'diff' : 'now'}.png`);
    assert.fail(`${name} looks different: ${text}. See ${shown}, and compare with ${file}; ${rewrite}.`);
  };
  const size = ({ width, height }) => `${width} x ${height}`;
  if (size(now) !== size(then)) differing(`it is ${size(now)} pixels and was ${size(then)}`);
  const diff = new PNG({ width: now.width, height: now.height });
  const count = pixelmatch(now.data, then.data, diff.data, now.width, now.height, { threshold: THRESHOLD });
  const share = count / (now.width * now.height);
  if (share > TOLERANCE) differing(`${count} pixels, ${(share * 100).toFixed(2)} %`, diff);
}

/** The text is the committed one. */
export function assertText(name, text) {
  const file = path.join(folder, `${name}.txt`);
  if (UPDATE) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, text);
    return;
  }
  assert.ok(existsSync(file), `${file} is missing: UPDATE_SNAPSHOTS=1 writes it`);
  assert.equal(text, readFileSync(file, 'utf8'), `${file}; UPDATE_SNAPSHOTS=1 writes it anew`);
}
