// For Node: the module is read from disk.
import { readFile } from "node:fs/promises";
import { loader } from "./api.js";

export const load = loader(() => readFile(new URL("./cardseal_bg.wasm", import.meta.url)));
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
