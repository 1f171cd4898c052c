// Compact JWE with RSA-OAEP and A256CBC-HS512 (RFC 7516, RFC 7518), by the browser's own cryptography: the same in
// WebAssembly would be most of what a platform adds to a page.

import { CardsealError } from "./error.js";
import { random } from "./random.js";

export const utf8 = (text) => new TextEncoder().encode(text);
/** Of base64 text. */
export const bytesOf = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt());
const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
export const base64url = (bytes) => base64(bytes).replace(/[+/=]/g, (char) => ({ __proto__: null, "+": "-", "/": "_" })[char] ?? "");

/** JSON for a header. */
export const encoded = (value) => base64(utf8(JSON.stringify(value)));

/** Does `work` with the browser's cryptography. What it throws is typed, and `secrets`, which it may add to, are wiped. */
export async function encrypted(secrets, work) {
  try {
    return await work(crypto.subtle);
  } catch (cause) {
    if (cause instanceof CardsealError) throw cause;
    const message = globalThis.isSecureContext === false ? "a page without https has no cryptography" : "the card could not be encrypted";
    throw new CardsealError({ code: "encryption_failed", message, cause });
  } finally {
    for (const bytes of secrets) bytes.fill(0);
  }
}

/** Encrypts a text of a few kilobytes. */
export async function jwe({ keyId: kid, publicKey }, text) {
  const [cek, iv] = [random(64), random(16)];
  const plain = utf8(text);
  return encrypted([cek, plain], async (subtle) => {
    const header = base64url(utf8(JSON.stringify({ alg: "RSA-OAEP", enc: "A256CBC-HS512", kid })));
    const key = (format, bytes, algorithm, use) => subtle.importKey(format, bytes, { __proto__: null, ...algorithm }, false, [use]);
    const [rsa, hmac, aes] = await Promise.all([
      // The platform's receivers take SHA-1 here and nothing else; for OAEP it is as good as any.
      key("spki", bytesOf(publicKey), { name: "RSA-OAEP", hash: "SHA-1" }, "encrypt"),
      key("raw", cek.subarray(0, 32), { name: "HMAC", hash: "SHA-512", length: 256 }, "sign"),
      key("raw", cek.subarray(32), { name: "AES-CBC" }, "encrypt"),
    ]);
    const wrapped = await subtle.encrypt({ __proto__: null, name: "RSA-OAEP", label: new Uint8Array() }, rsa, cek);
    const cipher = await subtle.encrypt({ __proto__: null, name: "AES-CBC", iv }, aes, plain);
    // The header's length in bits as a 64-bit number; it never needs more than the last two bytes.
    const bits = 8 * header.length;
    const signed = await new Blob([header, iv, cipher, Uint8Array.of(0, 0, 0, 0, 0, 0, bits >> 8, bits)]).arrayBuffer();
    const tag = await subtle.sign({ __proto__: null, name: "HMAC" }, hmac, signed);
    return [header, ...[wrapped, iv, cipher, tag.slice(0, 32)].map(base64url)].join(".");
  });
}
