// What every entry exports in addition to `load` and the classes of its platforms.

export { CardsealError } from './error.js';
export {
  candidateBrands,
  formatCardNumber,
  formatCardNumberInput,
  formatExpiry,
  formatExpiryInput,
  formatSecurityCode,
  formatSecurityCodeInput,
  validateCard,
} from './form.js';
export type { Fallback, LoadOptions, LoadSource } from './load.js';
export { openSession, openSessionRequest } from './session.js';
