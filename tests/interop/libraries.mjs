// Other people's code, as the platform and its integrators use it.

import { constants, createDecipheriv, createPrivateKey, privateDecrypt, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import vm from 'node:vm';

const require = createRequire(import.meta.url);

export const vectors = JSON.parse(readFileSync(new URL('../vectors/greenpay.json', import.meta.url), 'utf8'));

const v2 = require('aes-js-2');
const v3 = require('aes-js-3-0');
const current = require('aes-js');

/** Each version with its own names for the same things, and its own idea of UTF-8. */
export const AES = {
  'aes-js 2.1.1': { ...v2, fromUtf8: v2.util.convertBytesToString, toUtf8: v2.util.convertStringToBytes },
  'aes-js 3.0.0': { ...v3, fromUtf8: v3.utils.utf8.fromBytes, toUtf8: v3.utils.utf8.toBytes },
  'aes-js 3.1.2': { ...current, fromUtf8: current.utils.utf8.fromBytes, toUtf8: current.utils.utf8.toBytes },
};

/** `jsencrypt` is made for pages: it gets the few globals of one that it looks at, and Node's secure source. */
function jsencrypt(name) {
  const file = require.resolve(name);
  const module = { exports: {} };
  const page = {
    module,
    exports: module.exports,
    crypto: webcrypto,
    console,
    Uint8Array,
    Uint32Array,
    setTimeout,
    addEventListener() {},
    removeEventListener() {},
    navigator: { appName: 'Netscape', appVersion: '5.0', userAgent: '' },
    location: { protocol: 'https:' },
  };
  Object.assign(page, { window: page, self: page });
  vm.runInNewContext(readFileSync(file, 'utf8'), page, { filename: file });
  const found = module.exports.JSEncrypt ?? module.exports.default ?? module.exports;
  if (typeof found !== 'function') throw new Error(`${name} exports no constructor`);
  return found;
}

export const JSENCRYPT = { 'jsencrypt 2.3.1': jsencrypt('jsencrypt-2'), 'jsencrypt 3.5.4': jsencrypt('jsencrypt') };

/** The platform's published sample, written anew: one AES key, one small counter, both in the wrapped JSON. */
export function packLikeTheSample(aes, Rsa, publicKey, object) {
  const byte = () => Math.floor(Math.random() * 255);
  const pair = { k: Array.from({ length: 16 }, byte), s: byte() };
  const ctr = new aes.ModeOfOperation.ctr(pair.k, new aes.Counter(pair.s));
  const ld = Buffer.from(ctr.encrypt(aes.toUtf8(JSON.stringify(object)))).toString('hex');
  const rsa = new Rsa();
  rsa.setPublicKey(publicKey);
  return { ld, lk: rsa.encrypt(JSON.stringify(pair)) };
}

/** RSAES-PKCS1-v1_5 by hand: recent Node refuses to remove this padding itself. */
export function unwrap(privatePem, lk) {
  const key = createPrivateKey(privatePem);
  const size = Math.ceil(key.asymmetricKeyDetails.modulusLength / 8);
  const sealed = Buffer.from(lk, 'base64');
  if (sealed.toString('base64') !== lk || sealed.length !== size) throw new Error('lk is not base64 of one RSA block');
  const block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, sealed);
  const end = block.indexOf(0, 2);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new Error('lk has no padding of type 2');
  return block.subarray(end + 1).toString('latin1');
}

/** What each receiver reads; they differ in arithmetic and in UTF-8. */
export const OPENERS = {
  ...Object.fromEntries(
    Object.entries(AES).map(([name, aes]) => [
      name,
      (k, s, ld) => {
        const ctr = new aes.ModeOfOperation.ctr(k, new aes.Counter(s));
        return aes.fromUtf8(ctr.decrypt([...Buffer.from(ld, 'hex')]));
      },
    ]),
  ),
  'node:crypto': (k, s, ld) => {
    const block = Buffer.alloc(16);
    if (Array.isArray(s)) block.set(s);
    else block.writeUInt32BE(s, 12);
    const cipher = createDecipheriv('aes-128-ctr', Buffer.from(k), block);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Buffer.concat([cipher.update(ld, 'hex'), cipher.final()]),
    );
  },
};
