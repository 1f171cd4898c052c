// For browsers and bundlers: the module lies beside this file.
import { loader } from "./api.js";

export const load = loader(() => new URL("./cardseal_bg.wasm", import.meta.url));
export {
  CardsealError,
  GreenPay,
  candidateBrands,
  formatCardNumber,
  formatCardNumberInput,
  formatExpiry,
  formatExpiryInput,
  formatSecurityCode,
  formatSecurityCodeInput,
  openSession,
  openSessionRequest,
  validateCard,
} from "./api.js";
