// GP API alone, with its module inside this file.

import * as glue from './cardseal_gp_api.js';
import bytes from './cardseal_gp_api_bg.wasm.js';
import { cardseal_gp_api } from './integrity.js';
import { loader } from './load.js';

export const load = /* @__PURE__ */ loader(() => glue, bytes, cardseal_gp_api);
export { GpApi } from './client-gp-api.js';
export * from './common.js';
export type * from './types.js';
