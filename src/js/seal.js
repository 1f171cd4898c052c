// Sealing to the merchant's own key: compact JWE with ECDH-ES on P-256, used directly, and A256GCM (RFC 7516; RFC 7518, 4.6).

import { base64url, bytesOf, encrypted, utf8 } from "./jwe.js";
import { hex, random } from "./random.js";

const CURVE = { __proto__: null, name: "ECDH", namedCurve: "P-256" };

/** Of base64url text. */
const decoded = (text) => bytesOf(text.replace(/-/g, "+").replace(/_/g, "/"));

/** Whether it is a point of the curve. WebKit does not look. */
export function onCurve(...point) {
  const p = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
  const [x, y] = point.map((text) => BigInt(`0x${hex(decoded(text))}`));
  return x < p && y < p && (y * y - x * x * x + 3n * x - 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn) % p === 0n;
}

/** Seals a text to a key, for one session; `exp` is in seconds since 1970. */
export async function seal({ kid, x, y }, sid, exp, text) {
  // More than the vector needs, so that a source that fills half of it is found out.
  const iv = random(24).subarray(0, 12);
  const secrets = [utf8(text)];
  const secret = (buffer) => secrets[secrets.push(new Uint8Array(buffer)) - 1];
  return encrypted(secrets, async (subtle) => {
    const [receiver, own] = await Promise.all([
      subtle.importKey("raw", Uint8Array.of(4, ...decoded(x), ...decoded(y)), CURVE, false, []),
      subtle.generateKey(CURVE, false, ["deriveBits"]),
    ]);
    const epk = await subtle.exportKey("raw", own.publicKey);
    const coordinate = (at) => base64url(epk.slice(at, at + 32));
    const header = base64url(utf8(JSON.stringify({
      alg: "ECDH-ES", enc: "A256GCM", kid,
      epk: { kty: "EC", crv: "P-256", x: coordinate(1), y: coordinate(33) },
      apv: base64url(utf8(sid)), typ: "cardseal-card+jwe", exp, sid,
    })));
    // Concat KDF, one round: its number, what was agreed on, then each with its length the algorithm, nobody and the
    // session, and the bits wanted.
    const hashed = secret(utf8(
      `\0\0\0\x01${"\0".repeat(32)}\0\0\0\x07A256GCM\0\0\0\0\0\0\0${String.fromCharCode(sid.length)}${sid}\0\0\x01\0`,
    ));
    hashed.set(secret(await subtle.deriveBits({ __proto__: null, name: "ECDH", public: receiver }, own.privateKey, 256)), 4);
    const aes = await subtle.importKey(
      "raw", secret(await subtle.digest({ __proto__: null, name: "SHA-256" }, hashed)),
      { __proto__: null, name: "AES-GCM" }, false, ["encrypt"],
    );
    const sealed = await subtle.encrypt(
      { __proto__: null, name: "AES-GCM", iv, additionalData: utf8(header), tagLength: 128 }, aes, secrets[0],
    );
    return `${header}..${[iv, sealed.slice(0, -16), sealed.slice(-16)].map(base64url).join(".")}`;
  });
}
