// Fields of the customer that some platforms want beside the card. What is asked here is what is needed, and no more.

import { byId, make, say } from './dom.js';
import { customerWords } from './words.js';

const IDS = {
  firstName: 'first-name',
  lastName: 'last-name',
  email: 'email',
  postalCode: 'postal-code',
  country: 'country',
};
const FIELDS = Object.keys(IDS);
/** Where the shop sends to. */
const COUNTRIES = ['US', 'CA', 'CR', 'GT', 'MX', 'GB', 'IE', 'DE', 'FR', 'ES', 'AU', 'JP'];

export class CustomerForm {
  #check;
  #inputs = Object.fromEntries(FIELDS.map((field) => [field, byId(`customer-${IDS[field]}`)]));
  #left = new Set();
  #onEdit;
  /** What each field held when it was last looked at: not everything that fills fields tells of it. */
  #seen = Object.fromEntries(FIELDS.map((field) => [field, '']));

  /** `check(customer)` names what is wrong. */
  constructor(check, onEdit) {
    this.#check = check;
    const names = new Intl.DisplayNames('en', { type: 'region' });
    this.#inputs.country.append(...COUNTRIES.map((code) => make('option', { value: code }, names.of(code))));
    this.#onEdit = onEdit;
    for (const field of FIELDS) {
      const input = this.#inputs[field];
      this.#seen[field] = input.value;
      for (const event of ['input', 'change']) input.addEventListener(event, () => this.#read(field));
      input.addEventListener('blur', () => {
        this.#read(field);
        if (input.value.trim() === '' && !this.#left.has(field)) return;
        this.#left.add(field);
        this.#draw();
      });
    }
  }

  /** Whether the platform wants to know. */
  set wanted(wanted) {
    byId('customer-fields').hidden = !wanted;
    byId('customer-fields').disabled = !wanted;
  }

  get wanted() {
    return !byId('customer-fields').hidden;
  }

  /** What was typed, or null where nobody asks. */
  read() {
    return this.wanted ? Object.fromEntries(FIELDS.map((field) => [field, this.#inputs[field].value])) : null;
  }

  /** Shows every mistake, and gives how many there are; moves to the first if `focus`. */
  check({ focus }) {
    if (!this.wanted) return 0;
    for (const field of FIELDS) {
      this.#read(field);
      this.#left.add(field);
    }
    const wrong = this.#draw('never');
    if (focus && wrong.length > 0) this.#inputs[wrong[0].field].focus();
    return wrong.length;
  }

  /** While a payment is under way the fields can be read but not changed. */
  set frozen(frozen) {
    for (const field of FIELDS) {
      if (field === 'country') this.#inputs.country.disabled = frozen;
      else this.#inputs[field].readOnly = frozen;
    }
  }

  #read(field) {
    const { value } = this.#inputs[field];
    if (value === this.#seen[field]) return;
    this.#seen[field] = value;
    // As with the card: a message goes as soon as it is right, and none comes up while somebody types.
    if (this.#left.has(field)) this.#draw('later');
    this.#onEdit();
  }

  #draw(when) {
    const wrong = this.#check(this.read() ?? {});
    for (const field of FIELDS) {
      const input = this.#inputs[field];
      const problem = this.#left.has(field) && wrong.find((one) => one.field === field);
      say(byId(`${input.id}-error`), problem ? customerWords(problem) : '', when);
      if (problem) input.setAttribute('aria-invalid', 'true');
      else input.removeAttribute('aria-invalid');
    }
    return wrong;
  }
}
