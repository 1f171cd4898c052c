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
// Reads and writes PNG.
import { PNG } from 'pngjs';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'snapshots');
const UPDATE = process.env.UPDATE_SNAPSHOTS === '1';

/**
 * What a browser decides is how letters and curves are smoothed, and where half a pixel goes. So a pixel may be found
 * beside its place, and two things are compared: what has one colour over a length that no letter has, such as edges and
 * areas, has to have that colour; and of all else, squares have to be as light or dark as they were.
 *
 * Firefox's picture of the same form differs from Chromium's by 189 pixels of the first kind, by 28 of 255 in one square,
 * and by a pixel of height. A gap of 4 pixels more is 528 of the first kind.
 */
const LINE = 24;
const SQUARE = 8;
const ALLOWED = { shade: 4, pixels: 300, square: 32, height: 2 };
const NEAR = [0, -1, 1].flatMap((y) => [0, -1, 1].map((x) => [x, y]));

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

/** Which pixels belong to a line or an area. */
function lines({ width, height, data }) {
  const found = new Uint8Array(width * height);
  const mark = (rows, length, place) => {
    for (let row = 0; row < rows; row++) {
      for (let from = 0; from < length; ) {
        const colour = data.readUInt32BE(place(row, from) * 4);
        let to = from;
        while (to < length && data.readUInt32BE(place(row, to) * 4) === colour) to++;
        if (to - from >= LINE) for (let at = from; at < to; at++) found[place(row, at)] = 1;
        from = to;
      }
    }
  };
  mark(height, width, (y, x) => y * width + x);
  mark(width, height, (x, y) => y * width + x);
  return found;
}

/** How many pixels of lines and areas of one picture are not in the other, where they stand there or beside it. */
function strangers(one, other, paint) {
  const { width, height, data } = one;
  const found = lines(one);
  let count = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 4;
      if (!found[at / 4]) continue;
      const isThere = NEAR.some(([dx, dy]) => {
        const [column, line] = [x + dx, y + dy];
        // What one picture has more of in height is said by its size.
        if (line >= other.height) return true;
        if (column < 0 || line < 0 || column >= other.width) return false;
        const there = (line * other.width + column) * 4;
        return [0, 1, 2].every((part) => Math.abs(data[at + part] - other.data[there + part]) <= ALLOWED.shade);
      });
      if (isThere) continue;
      count += 1;
      paint?.(x, y);
    }
  }
  return count;
}

/** The most that the colours of a square differ in the middle, from 0 to 255. */
function shades(one, other, paint) {
  const width = Math.min(one.width, other.width);
  const height = Math.min(one.height, other.height);
  let most = 0;
  for (let top = 1; top + SQUARE < height; top += SQUARE) {
    for (let left = 1; left + SQUARE < width; left += SQUARE) {
      const differences = NEAR.map(([dx, dy]) => {
        const sums = [0, 0, 0];
        for (let y = top; y < top + SQUARE; y++) {
          for (let x = left; x < left + SQUARE; x++) {
            const here = (y * one.width + x) * 4;
            const there = ((y + dy) * other.width + x + dx) * 4;
            for (const part of [0, 1, 2]) sums[part] += one.data[here + part] - other.data[there + part];
          }
        }
        return Math.max(...sums.map(Math.abs)) / SQUARE ** 2;
      });
      const least = Math.min(...differences);
      most = Math.max(most, least);
      if (least > ALLOWED.square) for (let at = 0; at < SQUARE; at++) paint?.(left + at, top + at);
    }
  }
  return most;
}

/** What makes two pictures different to the eye, as sentences; `paint` gets the places. */
export function differences(now, then, paint) {
  const found = [];
  if (now.width !== then.width || Math.abs(now.height - then.height) > ALLOWED.height) {
    return [`it is ${now.width} x ${now.height} pixels and was ${then.width} x ${then.height}`];
  }
  const gone = strangers(then, now, paint);
  const come = strangers(now, then, paint);
  if (Math.max(gone, come) > ALLOWED.pixels) found.push(`${gone} pixels of lines and areas are gone, ${come} are new`);
  const shade = shades(now, then, paint);
  if (shade > ALLOWED.square) found.push(`a square differs by ${Math.round(shade)} of 255`);
  return found;
}

export const picture = (name) => PNG.sync.read(readFileSync(path.join(folder, `${name}.png`)));
export const decoded = (bytes) => PNG.sync.read(bytes);

/** The picture is the committed one, or nearly. */
export function assertPicture(name, bytes) {
  const file = path.join(folder, `${name}.png`);
  if (UPDATE) {
    mkdirSync(folder, { recursive: true });
    // Without what makes photographs smaller and pages larger.
    const smaller = { colorType: 2, deflateLevel: 9, deflateStrategy: 0, filterType: 0 };
    writeFileSync(file, PNG.sync.write(decoded(bytes), smaller));
    return;
  }
  const rewrite = 'UPDATE_SNAPSHOTS=1 writes the pictures anew';
  assert.ok(existsSync(file), `${file} is missing: ${rewrite}`);
  const now = decoded(bytes);
  const diff = new PNG({ width: now.width, height: now.height });
  now.data.copy(diff.data);
  const found = differences(now, picture(name), (x, y) => {
    if (y < diff.height) diff.data.writeUInt32BE(0xff00ffff, (y * diff.width + x) * 4);
  });
  if (found.length === 0) return;
  const out = mkdtempSync(path.join(os.tmpdir(), 'cardseal-snapshot-'));
  writeFileSync(path.join(out, `${name}.now.png`), bytes);
  writeFileSync(path.join(out, `${name}.diff.png`), PNG.sync.write(diff));
  assert.fail(`${name} looks different: ${found.join('; ')}. See ${out}, and compare with ${file}; ${rewrite}.`);
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
