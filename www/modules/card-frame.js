// The platform's own card form, in a frame of this page. What is typed there this page cannot read.

import { byId, make } from './dom.js';
import { ServerError } from './server.js';
import { codesOf, failureWords } from './words.js';

const scripts = new Map();

/** Loads the platform's script, if it is the one that the platform has named the digest of. */
function load(url, integrity) {
  const name = `${integrity} ${url}`;
  if (!scripts.has(name)) {
    const loading = new Promise((done, fail) => {
      const script = make('script', {
        src: url,
        integrity,
        crossorigin: 'anonymous',
        onload: done,
        onerror: () => fail(new ServerError('frame_script_refused')),
      });
      document.head.append(script);
    });
    loading.catch(() => scripts.delete(name));
    scripts.set(name, loading);
  }
  return scripts.get(name);
}

export class CardFrame {
  #place = byId('frame');
  #note = byId('frame-note');
  #turn = 0;
  #session = null;
  #tokenizer = null;

  /** Whether it is there, or on its way. */
  get mounted() {
    return this.#turn > 0 && !this.#place.hidden;
  }

  /** Shows a new form. `open()` gives its session, `script` is the platform's. */
  async mount(open, script) {
    this.unmount();
    const turn = ++this.#turn;
    this.#place.hidden = false;
    this.#note.hidden = false;
    this.#note.replaceChildren('Getting the form ready…');
    try {
      const session = await open();
      // Nothing of another host runs in this page unless it is what the platform says it is.
      if (!session.sri || !session.hostedTokenizationUrl || !script) throw new ServerError('platform_answer_invalid');
      await load(script, session.sri);
      if (turn !== this.#turn) return;
      const tokenizer = new globalThis.Tokenizer(session.hostedTokenizationUrl, this.#place, {
        hideCardholderName: false,
      });
      this.#tokenizer = tokenizer;
      await tokenizer.initialize();
      if (turn !== this.#turn) return;
      this.#session = session;
      this.#note.hidden = true;
      this.#place.dataset.ready = 'true';
    } catch (error) {
      if (turn !== this.#turn) return;
      const { heading, advice } = failureWords(codesOf(error));
      this.#note.replaceChildren(
        `The form of the platform could not be shown. ${heading} ${advice} `,
        make('button', { type: 'button', class: 'link', onclick: () => this.mount(open, script) }, 'Try again'),
      );
    }
  }

  unmount() {
    this.#turn += 1;
    this.#tokenizer?.destroy();
    this.#tokenizer = null;
    this.#session = null;
    delete this.#place.dataset.ready;
    this.#place.replaceChildren();
    this.#place.hidden = true;
    this.#note.hidden = true;
  }

  set frozen(frozen) {
    this.#place.inert = frozen;
  }

  /** Sends what was typed to the platform, and gives the session that it belongs to. Null if the form shows a mistake. */
  async submit() {
    const session = this.#session;
    if (!session) throw new ServerError('frame_not_ready');
    let result;
    try {
      result = await this.#tokenizer.submitTokenization({ storePermanently: true });
    } catch {
      throw new ServerError('platform_timeout');
    }
    return result?.success ? session : null;
  }
}
