// The sandbox's stand-in for the platform's script of the same path. Class, methods and results are those that
// shops use; the messages between this script and the frame are the sandbox's own, as the platform's are not known.
(() => {
  'use strict';
  const PREFIX = 'cardseal-sandbox:';
  const PATIENCE_MS = 30000;

  class Tokenizer {
    #url;
    #target;
    #options;
    #token;
    #frame = null;
    #waiting = new Map();
    #last = 0;

    constructor(url, target, options = {}, token) {
      this.#url = new URL(url, document.baseURI);
      this.#target = target;
      this.#options = options;
      this.#token = token;
      this.receive = this.receive.bind(this);
    }

    initialize() {
      this.destroy();
      const place = typeof this.#target === 'string' ? document.getElementById(this.#target) : this.#target;
      if (!place) return Promise.reject(new Error('there is no element to put the frame into'));
      window.addEventListener('message', this.receive);
      const frame = document.createElement('iframe');
      frame.title = 'Card';
      frame.style.cssText = 'border:0;width:100%;min-height:24rem';
      frame.src = this.#url.href;
      this.#frame = frame;
      const loaded = this.#answer('ready').then((ready) => {
        if (this.#options.hideCardholderName || this.#options.hideTokenFields || this.#token) {
          this.#post({
            type: 'options',
            hideCardholderName: Boolean(this.#options.hideCardholderName),
            hideTokenFields: Boolean(this.#options.hideTokenFields),
            token: this.#token ?? null,
          });
        }
        return ready;
      });
      place.append(frame);
      return loaded;
    }

    submitTokenization(options = {}) {
      if (!this.#frame) return Promise.reject(new Error('initialize() comes first'));
      const id = `submit-${++this.#last}`;
      const answer = this.#answer(id);
      this.#post({ type: 'submit', id, storePermanently: options.storePermanently });
      return answer;
    }

    useToken(token) {
      this.#token = token;
      this.#post({ type: 'options', token: token ?? null });
    }

    destroy() {
      window.removeEventListener('message', this.receive);
      this.#frame?.remove();
      this.#frame = null;
      for (const { reject, timer } of this.#waiting.values()) {
        clearTimeout(timer);
        reject(new Error('the frame was removed'));
      }
      this.#waiting.clear();
    }

    receive(event) {
      if (!this.#frame || event.source !== this.#frame.contentWindow || event.origin !== this.#url.origin) return;
      const { type, id, result } = event.data ?? {};
      if (type !== `${PREFIX}answer`) return;
      const waiting = this.#waiting.get(id);
      if (!waiting) return;
      this.#waiting.delete(id);
      clearTimeout(waiting.timer);
      waiting.resolve(result);
    }

    #answer(id) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          this.#waiting.delete(id);
          reject(new Error('the frame does not answer'));
        }, PATIENCE_MS);
        this.#waiting.set(id, { resolve, reject, timer });
      });
    }

    #post(message) {
      this.#frame?.contentWindow?.postMessage({ ...message, type: PREFIX + message.type }, this.#url.origin);
    }
  }

  window.Tokenizer = Tokenizer;
})();
