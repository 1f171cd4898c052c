// Random bytes for what the browser itself encrypts.

import { failure } from "./error.js";

/** Fills bytes from the browser's secure source; whether it did. The module calls it, too. */
export function fill(bytes) {
  try {
    return !!crypto.getRandomValues(bytes);
  } catch {
    return false;
  }
}

/** Bytes of the browser's secure source; it fails, and nothing weaker is taken instead. */
export function random(length) {
  const bytes = new Uint8Array(length);
  // A source that was replaced by something that fills nothing, or not all: eight zeros in a row are no chance.
  if (!fill(bytes) || /(^|,)0(,0){7}(,|$)/.test(bytes)) throw failure("random_unavailable");
  return bytes;
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
