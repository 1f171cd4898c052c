// The card fields: live formatting, brand marks, and errors that come when a person leaves a field, not while typing.

import { byId, make, say } from './dom.js';
import { brandName, hasBrandMark, problemWords } from './words.js';

const FIELDS = ['number', 'expiry', 'cvc', 'holder', 'nickname'];

export class CardForm {
  #cardseal;
  #inputs = Object.fromEntries(FIELDS.map((field) => [field, byId(`card-${field}`)]));
  #notes = Object.fromEntries(FIELDS.map((field) => [field, byId(`card-${field}-error`)]));
  #left = new Set();
  #kind = 'tokenize';
  #platform = null;
  #firstNickname = this.#inputs.nickname.value;
  #brands = [];
  #onEdit;
  /** What each field held when it was last looked at: not everything that fills fields tells of it. */
  #seen = Object.fromEntries(FIELDS.map((field) => [field, '']));

  constructor(cardseal, { platform, onEdit }) {
    this.#cardseal = cardseal;
    this.#onEdit = onEdit;
    this.platform = platform;
    for (const field of FIELDS) {
      const input = this.#inputs[field];
      for (const event of ['input', 'change']) input.addEventListener(event, () => this.#read(field));
      input.addEventListener('blur', () => {
        this.#read(field);
        if (input.value.trim() === '' && !this.#left.has(field)) return; // tabbing past an empty field is no mistake yet
        this.#left.add(field);
        const found = this.#validate();
        this.#show(field, found);
        // The code's length depends on the number.
        if (field === 'number' && this.#left.has('cvc')) this.#show('cvc', found);
      });
    }
    // A browser may fill fields before or without an input event, and may bring them back from its cache.
    addEventListener('pagehide', () => this.clear());
    this.#format('number');
    this.#format('expiry');
    this.#remember();
  }

  /** `tokenize`, `update` or `payment`: only a card that is kept has a name. */
  set kind(kind) {
    this.#kind = kind;
    this.#drawNickname();
  }

  /** Whose rules hold. What was typed stays; messages by other rules go. */
  set platform(platform) {
    this.#platform = platform;
    byId('card-holder-optional').hidden = !platform.holderOptional;
    this.#inputs.holder.required = !platform.holderOptional;
    for (const field of FIELDS) this.#note(field, null);
    this.#left.clear();
    this.#drawNickname();
  }

  get #named() {
    return this.#kind !== 'payment' && this.#platform.hasNickname;
  }

  #drawNickname() {
    byId('nickname-row').hidden = !this.#named;
    this.#inputs.nickname.disabled = !this.#named;
    if (!this.#named) this.#note('nickname', null);
  }

  /** Digits of the number as typed, for the panel's search; never stored. */
  get digits() {
    return this.#inputs.number.value.replace(/\D/g, '');
  }

  /** The likeliest brand of the number, or null. */
  get brand() {
    return this.#brands[0] ?? null;
  }

  /** What was typed. The caller lets go of it as soon as it is encrypted. */
  read() {
    const card = Object.fromEntries(FIELDS.map((field) => [field, this.#inputs[field].value]));
    card.holder = card.holder.trim();
    card.nickname = card.nickname.trim();
    if (!this.#named) delete card.nickname;
    return card;
  }

  /** Checks everything, shows every mistake and moves to the first. */
  check() {
    for (const field of FIELDS) {
      this.#read(field);
      this.#left.add(field);
    }
    const found = this.#validate();
    for (const field of FIELDS) this.#show(field, found, 'never');
    if (found.problems.length > 0) this.#inputs[found.problems[0].field].focus();
    return found.problems;
  }

  /** Shows mistakes that came back with an error. */
  mark(problems) {
    for (const field of FIELDS) {
      if (!problems.some((problem) => problem.field === field)) continue;
      this.#left.add(field);
      this.#show(field, { problems, warnings: [] }, 'never');
    }
    this.#inputs[problems[0]?.field]?.focus();
  }

  fill({ number, expiry, cvc, holder }) {
    Object.entries({ number, expiry, cvc, holder }).forEach(([field, value]) => {
      this.#inputs[field].value = value;
      this.#inputs[field].dispatchEvent(new Event('input', { bubbles: true }));
      this.#left.delete(field);
      this.#note(field, null);
    });
  }

  set nickname(name) {
    this.#inputs.nickname.value = name;
  }

  clear() {
    for (const field of FIELDS) {
      this.#inputs[field].value = field === 'nickname' ? this.#firstNickname : '';
      this.#note(field, null);
    }
    this.#left.clear();
    this.#showBrands([]);
    this.#remember();
  }

  /** While a payment is under way the fields can be read but not changed. */
  set frozen(frozen) {
    for (const input of Object.values(this.#inputs)) input.readOnly = frozen;
  }

  focus() {
    this.#inputs.number.focus();
  }

  /** Formats what is in a field, if it is another text than before. */
  #read(field) {
    const input = this.#inputs[field];
    if (input.value === this.#seen[field]) return;
    this.#format(field);
    this.#remember();
    // While somebody corrects a field its message goes as soon as it is right.
    if (this.#left.has(field)) this.#show(field, this.#validate(), 'later');
    this.#onEdit(field);
  }

  #format(field) {
    const { number, expiry, cvc } = this.#inputs;
    if (field === 'number') this.#showBrands(this.#cardseal.formatCardNumberInput(number));
    // The code's length depends on the number.
    if (field === 'number' || field === 'cvc') this.#cardseal.formatSecurityCodeInput(cvc, number.value);
    if (field === 'expiry') this.#cardseal.formatExpiryInput(expiry);
  }

  #remember() {
    for (const field of FIELDS) this.#seen[field] = this.#inputs[field].value;
  }

  #validate() {
    return this.#cardseal.validateCard(this.read(), { platform: this.#platform.id, kind: this.#kind });
  }

  /** A warning shows where nothing is wrong. */
  #show(field, { problems, warnings }, when) {
    const own = (list) => list.find((problem) => problem.field === field);
    const problem = own(problems);
    this.#note(field, problem ?? own(warnings) ?? null, when, !problem);
  }

  #note(field, problem, when, isWarning = false) {
    const input = this.#inputs[field];
    const note = this.#notes[field];
    say(note, problem ? problemWords(problem) : '', when);
    note.classList.toggle('note-warning', Boolean(problem) && isWarning);
    if (problem && !isWarning) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  }

  #showBrands(brands) {
    if (brands.join() === this.#brands.join() && byId('card-brands').childElementCount > 0) return;
    this.#brands = brands;
    byId('card-brands').replaceChildren(
      ...(brands.length > 0 ? brands.map((brand) => brandMark(brand)) : [brandMark(null)]),
    );
    const four = brands.length > 0 && brands.every((brand) => brand === 'amex');
    byId('card-cvc-hint').textContent = four ? '4 digits on the front' : '3 digits on the back';
    this.#inputs.cvc.placeholder = four ? '1234' : '123';
  }
}

/** A lettered badge that says the brand's name to those who cannot see it. */
export function brandMark(brand) {
  if (!hasBrandMark(brand)) return make('span', { class: 'brand brand-card', 'aria-hidden': 'true' });
  return make('span', { class: `brand brand-${brand}`, role: 'img', 'aria-label': brandName(brand) });
}
