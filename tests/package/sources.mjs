// What may have become of `crypto` in a page: each makes a replacement of the real one. The functions stand alone,
// because the browser tests send them to pages and workers as text.

export const BROKEN = {
  'no crypto': () => undefined,
  'crypto is null': () => null,
  'no getRandomValues': (real) => ({ subtle: real.subtle }),
  'getRandomValues is no function': () => ({ getRandomValues: 'native code' }),
  'getRandomValues throws': () => ({
    getRandomValues() {
      throw new DOMException('no entropy', 'OperationError');
    },
  }),
  'getRandomValues throws a text': () => ({
    getRandomValues() {
      throw 'no entropy';
    },
  }),
  'getRandomValues throws nothing': () => ({
    getRandomValues() {
      throw undefined;
    },
  }),
  'crypto throws when it is read': () => ({
    get getRandomValues() {
      throw new TypeError('not for you');
    },
  }),
  'getRandomValues fills nothing': () => ({ getRandomValues: (array) => array }),
  'getRandomValues fills with zeros': () => ({ getRandomValues: (array) => array.fill(0) }),
  'getRandomValues fills another array': (real) => ({
    getRandomValues: (array) => real.getRandomValues(new Uint8Array(array.length)),
  }),
  'getRandomValues fills the first half': (real) => ({
    getRandomValues(array) {
      real.getRandomValues(array.subarray(0, array.length >> 1));
      return array;
    },
  }),
  'getRandomValues fills the second half': (real) => ({
    getRandomValues(array) {
      real.getRandomValues(array.subarray(array.length >> 1));
      return array;
    },
  }),
  'getRandomValues fills the first byte': (real) => ({
    getRandomValues(array) {
      real.getRandomValues(array.subarray(0, 1));
      return array;
    },
  }),
  'getRandomValues works for the key alone': (real) => {
    let calls = 0;
    return {
      getRandomValues(array) {
        if (calls++ % 2 > 0) throw new Error('no more');
        return real.getRandomValues(array);
      },
    };
  },
  'getRandomValues fills the key alone': (real) => ({
    getRandomValues: (array) => (array.length === 16 ? real.getRandomValues(array) : array),
  }),
};
