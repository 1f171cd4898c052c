// The lists of saved cards and payments. They show what the server says and nothing that the page remembers.

import { announce, ask, byId, clearNotice, fillNotice, make } from './dom.js';
import { brandMark } from './card-form.js';
import { showMoney } from './money.js';
import * as server from './server.js';
import { brandName, codesOf, declineWords, failureWords, stateWords } from './words.js';

const when = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });
const expiryText = (expiry) => (expiry ? `${String(expiry.month).padStart(2, '0')} / ${String(expiry.year % 100).padStart(2, '0')}` : 'unknown');
/** More than these are folded away. */
const FIRST = 5;
const OPEN = new Set(['unknown', 'void_unknown', 'refund_unknown']);

export class ShopLists {
  #customer;
  #onCharge;
  #onUpdate;
  #onAction;
  #money;
  #brandOf;
  #tokens = [];
  #payments = [];
  #busy = false;
  #timer = 0;

  /** `money()` gives the amount to charge; `brandOf(token)` a brand where the platform names none; `onCharge(token)` and `onUpdate(token)` are the form's part. */
  constructor({ customer, money, brandOf, onCharge, onUpdate, onAction }) {
    this.#customer = customer;
    this.#brandOf = brandOf;
    this.#money = money;
    this.#onCharge = onCharge;
    this.#onUpdate = onUpdate;
    this.#onAction = onAction;
  }

  /** Reads both lists again. While a payment is not known, they are read again by themselves. */
  async refresh() {
    clearTimeout(this.#timer);
    try {
      const [tokens, payments] = await Promise.all([server.tokens(this.#customer), server.payments()]);
      this.#tokens = tokens.filter((token) => token.status !== 'deleted');
      this.#payments = payments;
      if (this.#unreachable) clearNotice(byId('saved-notice'));
      this.#unreachable = false;
      this.draw();
      if (payments.some((payment) => OPEN.has(payment.status)) || tokens.some((token) => token.status === 'unconfirmed')) {
        this.#timer = setTimeout(() => this.refresh(), 4000);
      }
    } catch (error) {
      this.#unreachable = true;
      const { heading, advice } = failureWords(codesOf(error));
      fillNotice(byId('saved-notice'), 'bad', 'The saved cards could not be read.', `${heading} ${advice}`,
        make('button', { type: 'button', class: 'link', onclick: () => this.refresh() }, 'Read again'));
    }
  }
  #unreachable = false;

  /** Draws again, for example because the amount on the charge buttons changed. */
  draw() {
    const focused = document.activeElement?.dataset?.key;
    this.#fill('saved', this.#tokens, (token) => this.#card(token));
    this.#fill('payments', this.#payments, (payment) => this.#payment(payment));
    if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #fill(name, items, row) {
    const more = byId(`${name}-more`);
    const shown = this.#unfolded.has(name) ? items : items.slice(0, FIRST);
    byId(name).replaceChildren(...shown.map(row));
    byId(`${name}-empty`).hidden = items.length > 0;
    more.hidden = shown.length === items.length;
    more.textContent = `Show all ${items.length}`;
    more.onclick = () => {
      this.#unfolded.add(name);
      this.draw();
      byId(name).children[FIRST]?.querySelector('button')?.focus();
    };
  }
  #unfolded = new Set();

  set busy(busy) {
    this.#busy = busy;
    for (const button of document.querySelectorAll('#saved button, #payments button')) button.disabled = busy;
  }

  /** `more` is for those who hear the button without seeing what it stands beside. */
  #button(key, words, more, action, tone = 'small') {
    return make('button', { type: 'button', class: tone, 'data-key': key, disabled: this.#busy, onclick: action }, words, make('span', { class: 'visually-hidden' }, ` ${more}`));
  }

  #card(token) {
    const brand = this.#brandOf(token);
    const name = token.nickname ?? brandName(brand);
    const which = `${name}, ending in ${token.last4 ?? 'unknown'}`;
    const { amount, currency } = this.#money();
    const price = amount ? showMoney(amount, currency) : null;
    const last = this.#payments.find((payment) => payment.token === token.id);
    return make('li', { class: 'row', 'data-token': token.id },
      make('div', { class: 'row-head' },
        brandMark(brand),
        make('div', { class: 'row-words' },
          make('p', { class: 'row-name' }, name),
          make('p', { class: 'quiet small' }, `${brandName(brand)} •••• ${token.last4 ?? '????'}, expires ${expiryText(token.expiry)}`)),
        token.status === 'unconfirmed' ? make('span', { class: 'chip chip-unsure' }, 'Not confirmed yet') : null),
      last ? make('p', { class: 'quiet small' }, `Last payment: ${showMoney(last.amount, last.currency)}, ${stateWords(last.status).words.toLowerCase()}`) : null,
      make('div', { class: 'row-buttons' },
        this.#button(`charge-${token.id}`, price ? `Charge ${price}` : 'Charge', `to ${which}`, () => this.#onCharge(token)),
        last?.status === 'approved' ? this.#button(`card-void-${last.id}`, 'Void last', `payment of ${which}`, () => this.#undo(last, 'void')) : null,
        last?.status === 'approved' ? this.#button(`card-refund-${last.id}`, 'Refund last', `payment of ${which}`, () => this.#undo(last, 'refund')) : null,
        this.#button(`update-${token.id}`, 'Update', which, () => this.#onUpdate(token)),
        this.#button(`delete-${token.id}`, 'Delete', which, () => this.#delete(token, which), 'small small-danger')));
  }

  #payment(payment) {
    const { words, tone } = stateWords(payment.status);
    const money = showMoney(payment.amount, payment.currency);
    const brand = payment.brand ?? this.#brandOf(this.#tokens.find((token) => token.id === payment.token));
    const facts = [
      payment.last4 ? `${brandName(brand)} •••• ${payment.last4}` : null,
      payment.created_at ? when.format(new Date(payment.created_at)) : null,
      payment.authorization ? `authorization ${payment.authorization}` : null,
    ].filter(Boolean).join(', ');
    const open = OPEN.has(payment.status);
    return make('li', { class: 'row', 'data-payment': payment.id, 'data-status': payment.status },
      make('div', { class: 'row-head' },
        make('div', { class: 'row-words' },
          make('p', { class: 'row-name' }, money),
          make('p', { class: 'quiet small' }, facts),
          payment.order_reference ? make('p', { class: 'quiet small reference' }, payment.order_reference) : null),
        make('span', { class: `chip chip-${tone}` }, words)),
      payment.decline ? make('p', { class: 'small' }, declineWords(payment.decline), payment.decline.code ? ` (code ${payment.decline.code})` : '') : null,
      payment.status === 'unknown' ? make('p', { class: 'small' }, 'The bank’s answer has not come yet. Do not pay again; this line changes by itself.') : null,
      payment.status === 'approved' || open ? make('div', { class: 'row-buttons' },
        payment.status === 'approved' ? this.#button(`void-${payment.id}`, 'Void', money, () => this.#undo(payment, 'void')) : null,
        payment.status === 'approved' ? this.#button(`refund-${payment.id}`, 'Refund', money, () => this.#undo(payment, 'refund')) : null,
        open ? this.#button(`check-${payment.id}`, 'Ask again now', `about ${money}`, () => this.refresh()) : null) : null);
  }

  async #undo(payment, how) {
    const money = showMoney(payment.amount, payment.currency);
    const words = how === 'void'
      ? { heading: `Void ${money}?`, text: 'The payment is taken back as if it had never been made. Possible for about three hours.', yes: 'Void it' }
      : { heading: `Refund ${money}?`, text: 'The whole amount goes back to the card. Possible for about seven days, and not with every bank.', yes: 'Refund it' };
    if (!(await ask({ ...words, no: 'Leave it' }))) return;
    await this.#act(byId('payments-notice'), `payments-heading`, async () => {
      const undone = await server.undo(payment.id, how).catch(async (error) => {
        if (error.code !== 'field_missing' || error.field !== 'bin') throw error;
        const bin = await ask({
          heading: 'Which card was it?', yes: words.yes, no: 'Leave it', digits: 6,
          text: 'This card was not saved, so the shop knows its last four digits only. The platform also wants the first six.',
        });
        return bin && server.undo(payment.id, how, bin);
      });
      if (undone) announce(`${money}: ${stateWords(undone.status).words}.`);
    });
  }

  async #delete(token, which) {
    if (!(await ask({ heading: 'Delete this card?', text: `${which}. It is deleted at the payment platform too.`, yes: 'Delete it' }))) return;
    await this.#act(byId('saved-notice'), 'saved-heading', async () => {
      await server.deleteToken(token.id);
      announce(`${which} was deleted.`);
    });
  }

  async #act(box, heading, work) {
    clearNotice(box);
    this.#onAction();
    this.busy = true;
    try {
      await work();
      byId(heading).focus({ preventScroll: true }); // the pressed button goes away
    } catch (error) {
      const { heading: what, advice } = failureWords(codesOf(error));
      fillNotice(box, 'bad', what, advice);
    } finally {
      this.busy = false;
      await this.refresh();
    }
  }
}
