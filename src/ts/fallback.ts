// The module as JavaScript, for engines without WebAssembly: a file of its own, fetched only there.

import type { Fallback } from './load.js';

export const fallback = (): Promise<Fallback> => import('./cardseal_fallback.js');
