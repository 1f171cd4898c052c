// RSA public keys in every form that people paste: SPKI or PKCS #1; PEM with any line ends, on one line or many, or bare
// base64, wrapped or not, or hex; blanks around and between, and a literal `\n` as a badly quoted setting has it. The rule of
// src/crypto/public_key.rs, which the server uses; the module reads the bytes.

import { call } from "./core.js";
import { failure } from "./error.js";
import { text } from "./value.js";

/** Hex as bytes, a character each. */
const unhex = (text) => text.replace(/../g, (byte) => String.fromCharCode(parseInt(byte, 16)));

/** The bytes of the key, a character each. */
function der(value) {
  const lines = value.replace(/\\[nr]/g, "\n").trim();
  if (!lines) throw failure("key_missing");
  let body = lines;
  if (lines.startsWith("-----BEGIN ")) {
    const [, label, inside, end] = /^-----BEGIN (.*?)-----([^]*?)-----END (.*?)-----$/.exec(lines) ?? [];
    const begun = label ?? /^-----BEGIN (.*?)-----/.exec(lines)?.[1];
    if (/PRIVATE KEY$/.test(begun)) throw failure("key_is_private");
    if (begun === "CERTIFICATE") throw failure("key_is_certificate");
    if (!/^(RSA )?PUBLIC KEY$/.test(label) || end !== label) throw failure("key_malformed");
    body = inside;
  }
  const compact = body.replace(/[\t\n\f\r ]/g, "");
  if (/^([\da-f]{2})*$/i.test(compact)) return unhex(compact);
  const digits = compact.replace(/=+$/, "");
  try {
    const bytes = atob(digits);
    // As strict as the server: no bits are left over.
    if (btoa(bytes).replace(/=/g, "") === digits) return bytes;
  } catch {
    // Not base64.
  }
  throw failure("key_malformed");
}

/** The module keeps one key, the one that it read last; a page has no second one, as a rule. */
let kept;
function read(bytes) {
  const facts = call(["key", bytes]);
  kept = bytes;
  return facts;
}

/** Reads a key; returns its facts. */
export function readKey(value) {
  const given = text(value, "publicKey");
  if (given === undefined) throw failure("key_missing");
  const bytes = der(given);
  const [bits, n, e] = read(bytes);
  return { bytes, bits: +bits, n: btoa(unhex(n)), e: btoa(unhex(e)) };
}

/** Sees to it that the next call is with this key. */
export function useKey({ bytes }) {
  if (kept !== bytes) read(bytes);
}
