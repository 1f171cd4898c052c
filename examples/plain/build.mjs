// Puts the page and the files of the package into dist/, as any web server can serve them.

import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = path.join(import.meta.dirname, 'dist');
const cardseal = path.dirname(fileURLToPath(import.meta.resolve('cardseal/package.json')));

rmSync(dist, { recursive: true, force: true });
for (const name of ['index.html', 'style.css', 'favicon.svg'])
  cpSync(path.join(import.meta.dirname, name), path.join(dist, name));
cpSync(path.join(cardseal, 'pkg'), path.join(dist, 'cardseal'), { recursive: true });
