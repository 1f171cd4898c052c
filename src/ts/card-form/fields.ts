// The fields: labels, live formatting, brand marks, the choice of a brand, messages, the summary of mistakes. They stand
// in the light DOM, because browsers and password managers do not fill what is in a shadow tree. The page and the frame
// use them alike. Nothing here knows a session or a network.

import { candidateBrands, formatCardNumberInput, formatExpiryInput, formatSecurityCodeInput } from '../form.js';
import { english, fill, plural, type Texts } from '../languages/index.js';
import { isLoaded } from '../module.js';
import type {
  Brand,
  CardField,
  CardInput,
  CcBillCustomer,
  CustomerProblem,
  Problem,
  ProblemCode,
  Validation,
} from '../types.js';
import { type CustomerField, type Facts, type FieldName, NOTHING } from './backend.js';
import { brandMark, brandName } from './brands.js';
import { COUNTRIES } from './countries.js';

const CARD_FIELDS: readonly CardField[] = ['number', 'expiry', 'cvc', 'holder', 'nickname'];
const CUSTOMER_FIELDS: readonly CustomerField[] = ['firstName', 'lastName', 'email', 'postalCode', 'country'];
const FIELDS: readonly FieldName[] = [...CARD_FIELDS, ...CUSTOMER_FIELDS];

/** How many digits are enough to ask which brands a card has, and how many of them are of interest. */
const ENOUGH_DIGITS = 6;
const MOST_DIGITS = 8;

/** Attributes of each field's input. */
const INPUTS: Record<FieldName, Record<string, string>> = {
  number: { name: 'cardnumber', autocomplete: 'cc-number', inputmode: 'numeric', placeholder: '1234 1234 1234 1234' },
  expiry: { name: 'cc-exp', autocomplete: 'cc-exp', inputmode: 'numeric' },
  cvc: { name: 'cvc', autocomplete: 'cc-csc', inputmode: 'numeric', placeholder: '123' },
  holder: { name: 'ccname', autocomplete: 'cc-name', autocapitalize: 'words' },
  nickname: { name: 'nickname', autocomplete: 'off', autocapitalize: 'sentences' },
  firstName: { name: 'fname', autocomplete: 'given-name', autocapitalize: 'words' },
  lastName: { name: 'lname', autocomplete: 'family-name', autocapitalize: 'words' },
  email: { name: 'email', autocomplete: 'email', inputmode: 'email' },
  postalCode: { name: 'postal', autocomplete: 'postal-code', autocapitalize: 'characters' },
  country: { name: 'country', autocomplete: 'country' },
};

/** What is right in one field decides what is in another: how long the code is, and how postal codes look. */
const DECIDES: Partial<Record<FieldName, FieldName>> = { number: 'cvc', country: 'postalCode' };

/** Digits are written from left to right in every language. */
const DIGITS: readonly FieldName[] = ['number', 'expiry', 'cvc'];

/** Tells the tools that record what people do on a page to leave this out. */
const PRIVATE = {
  'data-private': '',
  'data-sentry-mask': '',
  'data-hj-suppress': '',
  'data-dd-privacy': 'hidden',
  'data-clarity-mask': 'true',
  class: 'fs-exclude ph-no-capture rr-block',
};

/** What is asked, and what is checked. */
export interface Rules {
  holder: 'required' | 'optional' | 'hidden';
  nickname: boolean;
  customer: readonly CustomerField[];
  acceptedBrands: readonly Brand[];
  required: boolean;
  /** Null while the platform's code is not there. */
  validate: ((card: Partial<CardInput>) => Validation) | null;
  checkCustomer: ((customer: Partial<CcBillCustomer>) => CustomerProblem[]) | null;
}

/** What the fields tell. */
export interface FieldsHost {
  changed(facts: Facts): void;
  edited(): void;
  submitted(): void;
  /** The button that the form shows beside a message, or after the card was taken, was pressed. */
  pressed(action: 'retry' | 'change'): void;
  /** The first digits are others now. Empty while there are too few. */
  began(digits: string): void;
}

/** When a screen reader reads a message: at once; later, because somebody is typing; or not, because the focus moves. */
type When = 'now' | 'later' | 'never';

interface Wrong {
  field: FieldName;
  words: string;
  isWarning: boolean;
}

interface Row {
  row: HTMLElement;
  label: HTMLLabelElement;
  input: HTMLInputElement | HTMLSelectElement;
  hint: HTMLElement;
  note: HTMLElement;
}

let forms = 0;

/** `make('p', { class: 'note' }, child, 'text')`. Text only ever goes in as text. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export class Fields {
  /** What belongs into the page. */
  readonly root: HTMLElement;
  readonly #host: FieldsHost;
  readonly #id = `cardseal-${++forms}`;
  readonly #form: HTMLFormElement;
  readonly #summary = make('div', { class: 'cardseal-summary', tabindex: '-1', role: 'group', hidden: '' });
  readonly #marks = make('span', { class: 'cardseal-marks' });
  readonly #choice = make('fieldset', { class: 'cardseal-choice', hidden: '' });
  readonly #notice = make('div', { class: 'cardseal-notice', role: 'alert' });
  readonly #status = make('p', { class: 'cardseal-status', role: 'status' });
  readonly #done = make('div', { class: 'cardseal-done', tabindex: '-1', role: 'group', hidden: '' });
  readonly #rows: Record<FieldName, Row>;
  readonly #left = new Set<FieldName>();
  readonly #heard = new WeakMap<HTMLElement, string>();
  /** What each field held when it was last read: not everything that fills fields tells of it. */
  readonly #seen: Partial<Record<FieldName, string>> = {};
  #texts: Texts = english();
  #dir: 'ltr' | 'rtl' | null = null;
  #rules: Rules = {
    holder: 'required',
    nickname: false,
    customer: [],
    acceptedBrands: [],
    required: false,
    validate: null,
    checkCustomer: null,
  };
  #brands: Brand[] = [];
  #choices: readonly Brand[] = [];
  #chosen: Brand | null = null;
  #began = '';
  #facts: Facts = NOTHING;
  #busy = false;
  #disabled = false;
  #taken: { brand: string | null; last4: string | null } | null = null;
  #countriesOf = '';

  constructor(host: FieldsHost) {
    this.#host = host;
    this.#rows = Object.fromEntries(FIELDS.map((field) => [field, this.#row(field)])) as Record<FieldName, Row>;
    const { number, expiry, cvc, holder, nickname, firstName, lastName, email, postalCode, country } = this.#rows;
    this.#marks.id = `${this.#id}-marks`;
    const pair = (...rows: Row[]): HTMLElement =>
      make('div', { class: 'cardseal-pair' }, ...rows.map(({ row }) => row));
    // Made by calls, a form can stand inside the page's own. Its inputs belong to it, so that the page's form never
    // submits a card, and browsers fill it as one.
    this.#form = make(
      'form',
      { class: 'cardseal-form', autocomplete: 'on', novalidate: '' },
      this.#summary,
      number.row,
      this.#choice,
      pair(expiry, cvc),
      holder.row,
      nickname.row,
      pair(firstName, lastName),
      email.row,
      pair(postalCode, country),
    );
    this.root = make('div', { class: 'cardseal' }, this.#form, this.#done, this.#notice, this.#status);
    this.#listen();
    this.#draw();
  }

  // ------------------------------------------------------------------------------------------ what is asked

  set rules(rules: Rules) {
    const changed = (Object.keys(rules) as (keyof Rules)[]).some((name) => !same(rules[name], this.#rules[name]));
    if (!changed) return;
    const loaded = !this.#rules.validate && rules.validate;
    this.#rules = rules;
    for (const field of FIELDS) {
      const shown = this.#shows(field);
      const { row, input } = this.#rows[field];
      row.hidden = !shown;
      input.disabled = !shown || this.#disabled;
      input.required = shown && !this.#isOptional(field);
      if (!shown) {
        this.#left.delete(field);
        this.#note(field, undefined);
      }
    }
    for (const pair of this.#form.querySelectorAll<HTMLElement>('.cardseal-pair')) {
      pair.hidden = [...pair.children].every((row) => (row as HTMLElement).hidden);
    }
    this.#draw();
    if (loaded) {
      this.#format('number');
      this.#format('expiry');
      this.#remember();
    }
    this.#showAll('later');
    this.#tell();
  }

  set texts(texts: Texts) {
    if (texts === this.#texts) return;
    this.#texts = texts;
    this.#draw();
    this.#showAll('never');
    this.#tell();
  }

  /** How the page sets it, if it does. */
  set dir(dir: 'ltr' | 'rtl' | null) {
    this.#dir = dir;
    this.root.dir = dir ?? this.#texts.dir;
  }

  set theme(theme: string) {
    this.root.setAttribute('data-theme', theme);
  }

  set disabled(disabled: boolean) {
    this.#disabled = disabled;
    for (const field of FIELDS) this.#rows[field].input.disabled = disabled || !this.#shows(field);
    this.#choice.disabled = disabled || this.#busy;
    this.root.toggleAttribute('data-disabled', disabled);
    for (const button of this.#done.querySelectorAll('button')) button.disabled = disabled;
  }

  /** The brands to choose from, the default first. One or none: there is no choice. */
  set choices(brands: readonly Brand[]) {
    const accepted = brands.filter((brand) => this.#accepts(brand));
    const choices = accepted.length > 1 ? accepted : [];
    if (choices.join() === this.#choices.join()) return;
    this.#choices = choices;
    if (!this.#chosen || !choices.includes(this.#chosen)) this.#chosen = choices[0] ?? null;
    this.#drawChoice();
    this.#drawMarks();
    this.#tell();
  }

  get choice(): Brand | null {
    return this.#choices.length > 0 ? this.#chosen : null;
  }

  // ------------------------------------------------------------------------------------------ what was typed

  get facts(): Facts {
    return this.#facts;
  }

  /** The input to which a browser may tie a message of its own. */
  get anchor(): HTMLElement {
    const wrong = this.#wrong().find(({ isWarning }) => !isWarning);
    return this.#rows[wrong?.field ?? 'number'].input;
  }

  /** What was typed. Whoever asks lets go of it as soon as it is encrypted. */
  read(): CardInput {
    const text = (field: CardField): string => this.#rows[field].input.value;
    return {
      number: text('number'),
      expiry: text('expiry'),
      cvc: text('cvc'),
      holder: this.#shows('holder') ? text('holder').trim() : '',
      ...(this.#shows('nickname') && text('nickname').trim() && { nickname: text('nickname').trim() }),
    };
  }

  readCustomer(): Partial<CcBillCustomer> {
    return Object.fromEntries(
      this.#rules.customer.map((field) => [field, this.#rows[field].input.value.trim()]),
    ) as Partial<CcBillCustomer>;
  }

  /** Reads what a browser may have filled in without telling. */
  refresh(): void {
    for (const field of FIELDS) this.#read(field);
  }

  /** Marks every mistake; the summary of them gets the focus. True if there is none. */
  report(): boolean {
    this.refresh();
    for (const field of FIELDS) if (this.#shows(field)) this.#left.add(field);
    this.#showAll('never');
    const wrong = this.#wrong().filter(({ isWarning }) => !isWarning);
    this.#summarise(wrong);
    this.#tell();
    return wrong.length === 0;
  }

  /** Marks mistakes that came back with an error. */
  mark(problems: readonly (Problem | CustomerProblem)[]): void {
    const wrong = problems
      .filter(({ field }) => (FIELDS as readonly string[]).includes(field) && this.#shows(field as FieldName))
      .map((problem) => ({ field: problem.field as FieldName, words: this.#words(problem), isWarning: false }));
    for (const one of wrong) {
      this.#left.add(one.field);
      this.#note(one.field, one, 'never');
    }
    this.#summarise(wrong);
    this.#tell();
  }

  clear(): void {
    for (const field of FIELDS) {
      const { input } = this.#rows[field];
      if (input.value !== '') input.value = '';
      this.#note(field, undefined);
    }
    this.#left.clear();
    this.#summarise([]);
    this.#remember();
    this.#choices = [];
    this.#chosen = null;
    this.#brands = [];
    this.#began = '';
    this.#drawChoice();
    this.#drawMarks();
    this.#tell();
  }

  focus(): void {
    if (this.#taken) this.#done.querySelector('button')?.focus();
    else this.#rows.number.input.focus();
  }

  get hasFocus(): boolean {
    const { activeElement } = this.root.getRootNode() as Document | ShadowRoot;
    // In a frame an input stays the active one while the focus is in the page around it.
    return this.root.contains(activeElement) && (window.parent === window || document.hasFocus());
  }

  // ------------------------------------------------------------------------------------------ what it says

  /** While a call is under way the fields can be read but not changed. */
  set busy(busy: boolean) {
    this.#busy = busy;
    for (const field of FIELDS) {
      const { input } = this.#rows[field];
      if (input instanceof HTMLInputElement) input.readOnly = busy;
      else input.toggleAttribute('aria-disabled', busy);
    }
    this.#choice.disabled = busy || this.#disabled;
    this.#form.setAttribute('aria-busy', String(busy));
    this.#status.textContent = busy ? this.#texts.messages.states.busy : '';
  }

  /** Says what went wrong with the last call. Empty: nothing. */
  notice(words: string, retry = false): void {
    this.#notice.replaceChildren();
    if (!words) return;
    this.#notice.append(make('p', {}, words));
    if (retry) this.#notice.append(this.#button('retry'));
  }

  /** Shows the card that was taken in place of the fields; null shows the fields again. */
  set taken(card: { brand: string | null; last4: string | null } | null) {
    const focused = this.hasFocus;
    this.#taken = card;
    this.#form.hidden = card !== null;
    this.#status.classList.toggle('cardseal-unseen', card !== null);
    if (!card) this.#status.textContent = '';
    this.#done.hidden = card === null;
    this.#drawDone();
    if (!focused || !card) return;
    // The focus says it.
    this.#status.textContent = '';
    this.#done.focus();
  }

  // ------------------------------------------------------------------------------------------ inside

  #row(field: FieldName): Row {
    const id = `${this.#id}-${field}`;
    const attributes = {
      id,
      ...PRIVATE,
      ...(field === 'country' ? {} : { type: 'text', autocorrect: 'off', spellcheck: 'false', autocapitalize: 'off' }),
      ...(DIGITS.includes(field) ? { dir: 'ltr' } : {}),
      ...INPUTS[field],
      enterkeyhint: 'next',
      'aria-describedby': `${field === 'number' ? `${this.#id}-marks ` : ''}${id}-hint ${id}-note`,
    };
    const input = field === 'country' ? make('select', attributes) : make('input', attributes);
    input.classList.add('cardseal-input');
    const label = make('label', { for: id });
    const hint = make('p', { class: 'cardseal-hint', id: `${id}-hint`, hidden: '' });
    const note = make('p', { class: 'cardseal-note', id: `${id}-note`, 'aria-live': 'polite' });
    const control = make('div', { class: 'cardseal-control' }, input);
    if (field === 'number') control.append(this.#marks);
    const row = make('div', { class: 'cardseal-field', 'data-field': field }, label, control, hint, note);
    return { row, label, input, hint, note };
  }

  #listen(): void {
    for (const field of FIELDS) {
      const { input } = this.#rows[field];
      for (const event of ['input', 'change', 'compositionend']) {
        input.addEventListener(event, () => this.#read(field));
      }
      input.addEventListener('focus', () => this.#tell());
      input.addEventListener('blur', () => {
        this.#read(field);
        // Tabbing past an empty field is no mistake yet.
        if (input.value.trim() !== '' || this.#left.has(field)) {
          this.#left.add(field);
          this.#showAll('now', field);
          const other = DECIDES[field];
          if (other && this.#left.has(other)) this.#showAll('now', other);
        }
        this.#tell();
      });
    }
    // A country is chosen by a key as well; while a call is under way it stays.
    this.#rows.country.input.addEventListener('mousedown', (event) => this.#busy && event.preventDefault());
    this.#form.addEventListener('keydown', (event) => {
      if (this.#busy && event.target === this.#rows.country.input && event.key !== 'Tab') event.preventDefault();
      if (event.key !== 'Enter' || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
      event.preventDefault();
      this.#host.submitted();
    });
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    // The page's form and its listeners have no business with what is typed here.
    for (const event of ['submit', 'reset', 'input', 'change', 'beforeinput', 'invalid']) {
      this.#form.addEventListener(event, (inner) => inner.stopPropagation());
    }
    this.#summary.addEventListener('click', (event) => {
      const field = (event.target as HTMLElement).closest('a')?.getAttribute('data-field') as
        | FieldName
        | null
        | undefined;
      if (!field) return;
      event.preventDefault();
      this.#rows[field].input.focus();
    });
    this.#choice.addEventListener('change', (event) => {
      this.#chosen = (event.target as HTMLInputElement).value as Brand;
      this.#drawMarks();
      this.#host.edited();
      this.#tell();
    });
  }

  #shows(field: FieldName): boolean {
    if (field === 'holder') return this.#rules.holder !== 'hidden';
    if (field === 'nickname') return this.#rules.nickname;
    return (
      (CARD_FIELDS as readonly FieldName[]).includes(field) || this.#rules.customer.includes(field as CustomerField)
    );
  }

  #isOptional(field: FieldName): boolean {
    return field === 'nickname' || (field === 'holder' && this.#rules.holder === 'optional');
  }

  #accepts(brand: Brand): boolean {
    const { acceptedBrands } = this.#rules;
    return acceptedBrands.length === 0 || acceptedBrands.includes(brand);
  }

  /** Formats what is in a field, if it is another text than before. */
  #read(field: FieldName): void {
    const { input } = this.#rows[field];
    if (input.value === (this.#seen[field] ?? '')) return;
    this.#format(field);
    this.#remember();
    // While somebody corrects a field, its message goes as soon as it is right.
    for (const one of [field, DECIDES[field]]) {
      if (one && this.#left.has(one)) this.#showAll('later', one);
    }
    this.#host.edited();
    this.#tell();
  }

  #format(field: FieldName): void {
    const { number, expiry, cvc } = this.#rows;
    if (field === 'number') {
      const brands = formatCardNumberInput(number.input as HTMLInputElement);
      this.#brands = brands.length > 0 || !isLoaded() ? brands : candidateBrands(this.#digits());
      this.#begin();
      this.#drawMarks();
    }
    // The code's length depends on the number.
    if (field === 'number' || field === 'cvc') {
      formatSecurityCodeInput(cvc.input as HTMLInputElement, number.input.value);
    }
    if (field === 'expiry') formatExpiryInput(expiry.input as HTMLInputElement);
  }

  #digits(): string {
    return this.#rows.number.input.value.replace(/\D/g, '');
  }

  #begin(): void {
    const digits = this.#digits();
    const began = digits.length < ENOUGH_DIGITS ? '' : digits.slice(0, MOST_DIGITS);
    if (began === this.#began) return;
    this.#began = began;
    if (began === '') this.choices = [];
    this.#host.began(began);
  }

  #remember(): void {
    for (const field of FIELDS) this.#seen[field] = this.#rows[field].input.value;
  }

  /** What is wrong, in the order of the fields; and what may be. */
  #wrong(): Wrong[] {
    const { validate, checkCustomer } = this.#rules;
    if (!validate) return [];
    const { problems, warnings, brands } = validate(this.read());
    const found: Wrong[] = [];
    const add = (list: readonly Problem[], isWarning: boolean): void => {
      for (const problem of list) {
        if (!this.#shows(problem.field)) continue;
        if (problem.code === 'holder_missing' && this.#rules.holder !== 'required') continue;
        if (found.some(({ field }) => field === problem.field)) continue;
        found.push({ field: problem.field, words: this.#words(problem), isWarning });
      }
    };
    const [likeliest] = brands;
    if (likeliest && !brands.some((brand) => this.#accepts(brand)) && this.#digits().length >= ENOUGH_DIGITS) {
      const words = fill(this.#texts.messages.brandNotAccepted, { brand: brandName(likeliest) ?? likeliest });
      found.push({ field: 'number', words, isWarning: false });
    }
    add(problems, false);
    if (
      this.#rules.holder === 'required' &&
      this.read().holder === '' &&
      !found.some(({ field }) => field === 'holder')
    )
      found.push({ field: 'holder', words: this.#texts.messages.problems.holder_missing, isWarning: false });
    for (const problem of checkCustomer?.(this.readCustomer()) ?? []) {
      const field = problem.field as CustomerField;
      if (!this.#rules.customer.includes(field) || found.some((one) => one.field === field)) continue;
      found.push({ field, words: this.#words(problem), isWarning: false });
    }
    add(warnings, true);
    return found.sort((one, other) => FIELDS.indexOf(one.field) - FIELDS.indexOf(other.field));
  }

  #words(problem: Problem | CustomerProblem): string {
    const { problems, customerProblems } = this.#texts.messages;
    return (
      (problems as Record<string, string>)[problem.code as ProblemCode] ??
      (customerProblems as Record<string, string>)[problem.code] ??
      problem.message
    );
  }

  /** Shows the message of one field, or of all that somebody has left. A warning shows where nothing is wrong. */
  #showAll(when: When, only?: FieldName): void {
    const wrong = this.#wrong();
    for (const field of only ? [only] : this.#left) {
      if (this.#left.has(field))
        this.#note(
          field,
          wrong.find((one) => one.field === field),
          when,
        );
    }
    if (!this.#summary.hidden && when === 'later') this.#summarise(this.#shown(wrong), false);
  }

  #shown(wrong: Wrong[]): Wrong[] {
    return wrong.filter(({ field, isWarning }) => !isWarning && this.#left.has(field));
  }

  #note(field: FieldName, wrong: Wrong | undefined, when: When = 'now'): void {
    const { input, note } = this.#rows[field];
    this.#say(note, wrong?.words ?? '', when);
    note.classList.toggle('cardseal-warning', wrong?.isWarning === true);
    if (wrong && !wrong.isWarning) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
  }

  #say(note: HTMLElement, words: string, when: When): void {
    if (note.textContent === words && (when !== 'now' || this.#heard.get(note) === words)) return;
    note.setAttribute('aria-live', when === 'now' ? 'polite' : 'off');
    // A new text node, even with the same words: that is what makes them be read.
    note.textContent = words;
    if (when !== 'later') this.#heard.set(note, words);
    else if (!words) this.#heard.delete(note);
  }

  #summarise(wrong: readonly Wrong[], focus = true): void {
    this.#summary.hidden = wrong.length === 0;
    this.#summary.replaceChildren();
    if (wrong.length === 0) return;
    const title = make('p', { id: `${this.#id}-summary` });
    title.textContent = plural(this.#texts.tag, this.#texts.messages.summary, wrong.length);
    const list = make('ul');
    for (const { field, words } of wrong) {
      // What is said of a customer's detail does not name it.
      const name = (CUSTOMER_FIELDS as readonly FieldName[]).includes(field) ? this.#texts.messages.labels[field] : '';
      const text = name ? `${name} – ${words}` : words;
      const link = make('a', { href: `#${this.#rows[field].input.id}`, 'data-field': field }, text);
      list.append(make('li', {}, link));
    }
    this.#summary.setAttribute('aria-labelledby', title.id);
    this.#summary.append(title, list);
    if (focus) this.#summary.focus();
  }

  #button(action: 'retry' | 'change'): HTMLButtonElement {
    const button = make('button', { type: 'button', class: 'cardseal-button' }, this.#texts.messages.actions[action]);
    button.addEventListener('click', () => this.#host.pressed(action));
    return button;
  }

  #draw(): void {
    const { messages, tag, dir } = this.#texts;
    // A page that watches languages, as the element itself does, hears of changes alone.
    if (this.root.lang !== tag) this.root.lang = tag;
    this.root.dir = this.#dir ?? dir;
    this.#form.setAttribute('aria-label', messages.form);
    for (const field of FIELDS) {
      const { label } = this.#rows[field];
      label.textContent = messages.labels[field];
      if (this.#isOptional(field)) {
        label.append(' ', make('span', { class: 'cardseal-optional' }, messages.optional));
      }
    }
    this.#rows.expiry.input.setAttribute('placeholder', messages.placeholders.expiry);
    this.#hint('nickname', messages.hints.nickname);
    this.#drawCountries();
    this.#drawChoice();
    this.#drawMarks();
    this.#drawDone();
    if (this.#busy) this.#status.textContent = messages.states.busy;
    this.#last();
  }

  /** The key of a telephone's keyboard says what it does. */
  #last(): void {
    const shown = FIELDS.filter((field) => this.#shows(field));
    for (const field of shown) {
      this.#rows[field].input.setAttribute('enterkeyhint', field === shown.at(-1) ? 'done' : 'next');
    }
  }

  #hint(field: FieldName, words: string): void {
    const { hint } = this.#rows[field];
    if (hint.textContent !== words) hint.textContent = words;
    hint.hidden = words === '';
  }

  #drawCountries(): void {
    const { tag } = this.#texts;
    if (!this.#rules.customer.includes('country') || this.#countriesOf === tag) return;
    this.#countriesOf = tag;
    const select = this.#rows.country.input;
    const { value } = select;
    const names = new Intl.DisplayNames([tag, 'en'], { type: 'region' });
    const order = new Intl.Collator(tag).compare;
    const options = COUNTRIES.map((code) => [code, names.of(code) ?? code] as const)
      .sort(([, one], [, other]) => order(one, other))
      .map(([code, name]) => make('option', { value: code }, name));
    select.replaceChildren(make('option', { value: '' }), ...options);
    select.value = value;
  }

  #drawMarks(): void {
    const brands = this.choice ? [this.choice] : this.#brands.slice(0, 3);
    const four = brands.length > 0 && brands.every((brand) => brand === 'amex');
    const { hints } = this.#texts.messages;
    this.#hint('cvc', four ? hints.cvcFour : hints.cvc);
    this.#rows.cvc.input.setAttribute('placeholder', four ? '1234' : '123');
    const shown = brands.join() || 'card';
    if (this.#marks.getAttribute('data-brands') === shown) return;
    this.#marks.setAttribute('data-brands', shown);
    this.#marks.replaceChildren(
      ...(brands.length > 0 ? brands.map((brand) => brandMark(brand, brandName(brand))) : [brandMark(null)]),
    );
  }

  #drawChoice(): void {
    this.#choice.hidden = this.#choices.length === 0;
    this.#choice.replaceChildren();
    if (this.#choices.length === 0) return;
    const { labels, hints } = this.#texts.messages;
    const hint = make('p', { class: 'cardseal-hint', id: `${this.#id}-brand-hint` }, hints.brand);
    const radios = this.#choices.map((brand) => {
      const radio = make('input', { type: 'radio', name: `${this.#id}-brand`, value: brand });
      radio.checked = brand === this.#chosen;
      return make('label', { class: 'cardseal-brand' }, radio, brandMark(brand), brandName(brand) ?? brand);
    });
    this.#choice.setAttribute('aria-describedby', hint.id);
    this.#choice.append(make('legend', {}, labels.brand), hint, make('div', { class: 'cardseal-brands' }, ...radios));
  }

  #drawDone(): void {
    this.#done.replaceChildren();
    if (!this.#taken) return;
    const { messages } = this.#texts;
    const { brand, last4 } = this.#taken;
    const name = brandName(brand);
    const words = last4 ? fill(messages.states.done, { brand: name ?? messages.card, last4 }) : (name ?? messages.card);
    const change = this.#button('change');
    change.disabled = this.#disabled;
    const said = make('span', { id: `${this.#id}-taken` }, words);
    this.#done.setAttribute('aria-labelledby', said.id);
    this.#done.append(brandMark(name ? (brand as Brand) : null), said, change);
    // Said to those who do not see it, and who may have pressed a button elsewhere.
    this.#status.textContent = words;
  }

  /** Tells the host what is new. */
  #tell(): void {
    const next = this.#found();
    if (JSON.stringify(next) === JSON.stringify(this.#facts)) return;
    this.#facts = next;
    this.#host.changed(next);
  }

  #found(): Facts {
    const shown = FIELDS.filter((field) => this.#shows(field));
    const wrong = this.#wrong().filter(({ isWarning }) => !isWarning);
    const loaded = this.#rules.validate !== null;
    const isRight = (field: FieldName): boolean => loaded && !wrong.some((one) => one.field === field);
    const { activeElement } = this.root.getRootNode() as Document | ShadowRoot;
    // Details that the shopper was asked for do not make a form begun that has no card.
    const typed = (field: FieldName): boolean => this.#rows[field].input.value.trim() !== '';
    return {
      loaded,
      empty: !shown.some(typed),
      valid: loaded && wrong.length === 0,
      marked: shown.some((field) => this.#rows[field].input.hasAttribute('aria-invalid')),
      brand: this.choice ?? this.#brands[0] ?? null,
      brands: this.#choices.length > 0 ? [...this.#choices] : [...this.#brands],
      last4: isRight('number') && typed('number') ? this.#digits().slice(-4) : null,
      fields: Object.fromEntries(shown.map((field) => [field, isRight(field)])),
      focused: shown.find((field) => this.#rows[field].input === activeElement) ?? null,
      message: wrong[0]?.words ?? '',
    };
  }
}

const same = (one: unknown, other: unknown): boolean =>
  one === other || (Array.isArray(one) && Array.isArray(other) && one.join() === other.join());
