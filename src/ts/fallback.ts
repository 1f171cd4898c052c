// The module as JavaScript, in a separate file that only engines without WebAssembly fetch.

import type { Fallback } from './load.js';

export const fallback = (): Promise<Fallback> => import('./cardseal_fallback.js');
