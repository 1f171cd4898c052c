// Lists of what the server has: the saved cards of the checkout, and all lists of the desk. They show what the server says
// and nothing that the page remembers.

import { brandMark } from './brands.js';
import { announce, byId, clearNotice, fillNotice, make } from './dom.js';
import { platformOf } from './platforms.js';
import { cardWords } from './stored-card.js';
import { codesOf, failureWords } from './words.js';

/** The head of a row: `name` and what stands beside it, `lines` below them, and what `chip` says, `[words, tone]`. */
export function rowHead({ mark = null, name, lines, chip = null }) {
  const line = (text) => (typeof text === 'string' ? make('p', { class: 'quiet small' }, text) : text);
  return make(
    'div',
    { class: 'row-head' },
    mark,
    make('div', { class: 'row-words' }, make('p', { class: 'row-name', tabindex: '-1' }, ...name), ...lines.map(line)),
    chip && make('span', { class: `chip chip-${chip[1]}` }, chip[0]),
  );
}

/** That of a stored card, with more lines. */
export function tokenHead(board, token, brand, ...more) {
  const platform = platformOf(token.platform);
  const { name, facts } = cardWords(token, brand, platform);
  return rowHead({
    mark: brandMark(brand),
    name: [name, board.label(platform)],
    lines: [facts, ...more],
    chip: token.status === 'unconfirmed' ? ['Not confirmed yet', 'unsure'] : null,
  });
}

/** More than these are folded away. */
const FIRST = 5;

export class Board {
  #lists;
  #read;
  #pause;
  #trouble;
  #several;
  #onAction;
  #facts = null;
  /** The page's form is paying; a change of a list's own is under way. */
  #formBusy = false;
  #acting = 0;
  #timer = 0;
  #readings = 0;
  #unreachable = false;
  #unfolded = new Set();

  /**
   * `lists` are, by the id of their element, functions that make the rows of what `read()` gave; `pause(facts)` says after
   * how many milliseconds it is read again by itself, if at all; `trouble` names what could not be read and where to say so;
   * `several()` whether there is more than one platform; `onAction()` is told before a change.
   */
  constructor({ lists, read, pause, trouble, several, onAction }) {
    this.#lists = Object.entries(lists);
    this.#read = read;
    this.#pause = pause;
    this.#trouble = trouble;
    this.#several = several;
    this.#onAction = onAction;
  }

  /** What was read last. */
  get facts() {
    return this.#facts;
  }

  /**
   * Reads everything again. Answers may overtake each other, and what was read before a card was deleted would bring it
   * back: only the latest reading counts.
   */
  async refresh() {
    clearTimeout(this.#timer);
    const reading = ++this.#readings;
    this.#reads(true);
    const box = byId(this.#trouble.box);
    try {
      const facts = await this.#read();
      if (reading !== this.#readings) return;
      this.#facts = facts;
      if (this.#unreachable) clearNotice(box);
      this.#unreachable = false;
      this.draw();
      const pause = this.#pause(facts);
      if (pause) this.#timer = setTimeout(() => this.refresh(), pause);
    } catch (error) {
      if (reading !== this.#readings) return;
      this.#unreachable = true;
      const { heading, advice } = failureWords(codesOf(error));
      fillNotice(
        box,
        'bad',
        this.#trouble.words,
        `${heading} ${advice}`,
        make('button', { type: 'button', class: 'link', onclick: () => this.refresh() }, 'Read again'),
      );
    } finally {
      if (reading === this.#readings) this.#reads(false);
    }
  }

  /** What the lists show is about to be replaced. */
  #reads(on) {
    for (const [name] of this.#lists) byId(name).setAttribute('aria-busy', String(on));
  }

  /** Draws again, for example because the amount on the buttons changed. */
  draw() {
    if (!this.#facts) return;
    const focused = document.activeElement?.dataset?.key;
    for (const [name, rows] of this.#lists) this.#fill(name, rows(this.#facts));
    if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #fill(name, rows) {
    const more = byId(`${name}-more`);
    const shown = this.#unfolded.has(name) || !more ? rows : rows.slice(0, FIRST);
    byId(name).replaceChildren(...shown);
    const empty = byId(`${name}-empty`);
    if (empty) empty.hidden = rows.length > 0;
    if (!more) return;
    more.hidden = shown.length === rows.length;
    more.textContent = `Show all ${rows.length}`;
    more.onclick = () => {
      this.#unfolded.add(name);
      this.draw();
      const next = byId(name).children[FIRST];
      (next?.querySelector('button:enabled') ?? next?.querySelector('.row-name'))?.focus();
    };
  }

  set busy(busy) {
    this.#formBusy = busy;
    this.#freeze();
  }

  get #busy() {
    return this.#formBusy || this.#acting > 0;
  }

  #freeze() {
    for (const [name] of this.#lists)
      for (const button of byId(name).querySelectorAll('button'))
        button.disabled = this.#busy || 'never' in button.dataset;
  }

  /** `more` is for those who hear the button without seeing what it stands beside. */
  button(key, words, more, action, { tone = 'small', never = false } = {}) {
    return make(
      'button',
      {
        type: 'button',
        class: tone,
        'data-key': key,
        'data-never': never,
        disabled: this.#busy || never,
        onclick: action,
      },
      words,
      make('span', { class: 'visually-hidden' }, ` ${more}`),
    );
  }

  /** Whose it is, where that is a question. */
  label({ id, name }) {
    return this.#several() && make('span', { class: 'chip chip-platform', 'data-platform': id }, name);
  }

  /** Changes something: freezes the lists, says in the `box` what went wrong, and reads them again. */
  async act({ platform, box, heading }, work, onFailure = () => {}) {
    clearNotice(byId(box));
    this.#onAction();
    this.#acting += 1;
    this.#freeze();
    try {
      const words = await work();
      if (words) announce(words);
      byId(heading).focus({ preventScroll: true }); // the pressed button goes away
    } catch (error) {
      onFailure(error);
      const { heading: what, advice } = failureWords(codesOf(error), platformOf(platform));
      fillNotice(byId(box), 'bad', what, advice);
    } finally {
      this.#acting -= 1;
      this.#freeze();
      await this.refresh();
    }
  }
}
