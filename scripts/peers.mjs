// What the size and the speed are compared with: the two libraries of the platform's own sample, and the
// packing that a page writes around them. Entry of a bundle; not part of the package.

import aesjs from 'aes-js';
import JSEncrypt from 'jsencrypt';

/** Takes the key once, as our class does; a page that sets it for every card is slower. */
export function packer(publicKey) {
  const rsa = new JSEncrypt();
  rsa.setPublicKey(publicKey);
  return (card) => {
    const k = Array.from(crypto.getRandomValues(new Uint8Array(16)));
    const s = crypto.getRandomValues(new Uint8Array(1))[0];
    const ctr = new aesjs.ModeOfOperation.ctr(k, new aesjs.Counter(s));
    const ld = aesjs.utils.hex.fromBytes(ctr.encrypt(aesjs.utils.utf8.toBytes(JSON.stringify(card))));
    return { ld, lk: rsa.encrypt(JSON.stringify({ k, s })) };
  };
}
