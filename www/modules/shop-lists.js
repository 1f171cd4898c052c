// The lists of saved cards and payments. They show what the server says and nothing that the page remembers.

import { isPage } from './away.js';
import { brandMark, brandName } from './brands.js';
import { announce, ask, byId, clearNotice, fillNotice, make } from './dom.js';
import { exceeds, isZero, minus, parseAmount, showMoney } from './money.js';
import { platformOf } from './platforms.js';
import * as server from './server.js';
import { codesOf, declineWords, failureWords, stateWords } from './words.js';

const when = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });
const expiryText = (expiry) =>
  expiry ? `${String(expiry.month).padStart(2, '0')} / ${String(expiry.year % 100).padStart(2, '0')}` : 'unknown';
/** More than these are folded away. */
const FIRST = 5;
/** What nobody knows yet. */
const isOpen = (status) => status === 'unknown' || status.endsWith('_unknown');
/** What can be done with a payment, by its status. */
const FOLLOW_UPS = { approved: ['void', 'refund'], authorized: ['capture', 'void'], partially_refunded: ['refund'] };
/** Some platforms have none of it, and some void only what is not captured yet. */
const followUpsOf = ({ platform, status }) => {
  const { undo = {}, voids = [status] } = platformOf(platform);
  return (FOLLOW_UPS[status] ?? []).filter((how) => how in undo && (how !== 'void' || voids.includes(status)));
};
const VERBS = { capture: 'Capture', void: 'Void', refund: 'Refund' };

export class ShopLists {
  #customer;
  #onCharge;
  #onUpdate;
  #onGo;
  #onAction;
  #money;
  #brandOf;
  #several;
  #tokens = [];
  #payments = [];
  #keys = new Map();
  /** The form is paying; a change of the list's own is under way. */
  #formBusy = false;
  #acting = 0;
  #timer = 0;

  /** `money()` gives the amount to charge and whether it can be charged on a platform; `brandOf(token)` a brand where the platform names none; `several()` whether there is more than one platform; `onCharge(token)` and `onUpdate(token)` are the form's part; `onGo(payment)` leads to the bank that waits. */
  constructor({ customer, money, brandOf, several, onCharge, onUpdate, onGo, onAction }) {
    this.#several = several;
    this.#customer = customer;
    this.#brandOf = brandOf;
    this.#money = money;
    this.#onCharge = onCharge;
    this.#onUpdate = onUpdate;
    this.#onGo = onGo;
    this.#onAction = onAction;
  }

  /**
   * Reads both lists again. While a payment is not known, they are read again by themselves. Answers may overtake each
   * other, and what was read before a card was deleted would bring it back: only the latest reading counts.
   */
  async refresh() {
    clearTimeout(this.#timer);
    const reading = ++this.#readings;
    this.#reads(true);
    try {
      const [tokens, payments] = await Promise.all([server.tokens(this.#customer), server.payments()]);
      if (reading !== this.#readings) return;
      this.#tokens = tokens.filter((token) => token.status !== 'deleted');
      this.#payments = payments;
      if (this.#unreachable) clearNotice(byId('saved-notice'));
      this.#unreachable = false;
      this.draw();
      if (
        payments.some((payment) => isOpen(payment.status)) ||
        tokens.some((token) => token.status === 'unconfirmed')
      ) {
        this.#timer = setTimeout(() => this.refresh(), 4000);
      }
    } catch (error) {
      if (reading !== this.#readings) return;
      this.#unreachable = true;
      const { heading, advice } = failureWords(codesOf(error));
      fillNotice(
        byId('saved-notice'),
        'bad',
        'The saved cards could not be read.',
        `${heading} ${advice}`,
        make('button', { type: 'button', class: 'link', onclick: () => this.refresh() }, 'Read again'),
      );
    } finally {
      if (reading === this.#readings) this.#reads(false);
    }
  }

  /** What the lists show is about to be replaced. */
  #reads(on) {
    for (const name of ['saved', 'payments']) byId(name).setAttribute('aria-busy', String(on));
  }
  #unreachable = false;
  #readings = 0;

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
    this.#formBusy = busy;
    this.#freeze();
  }

  get #busy() {
    return this.#formBusy || this.#acting > 0;
  }

  #freeze() {
    for (const button of document.querySelectorAll('#saved button, #payments button'))
      button.disabled = this.#busy || 'never' in button.dataset;
  }

  /** `more` is for those who hear the button without seeing what it stands beside. */
  #button(key, words, more, action, tone = 'small', never = false) {
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

  #card(token) {
    const brand = this.#brandOf(token);
    const name = token.nickname ?? brandName(brand);
    const saved = token.created_at ? `saved ${when.format(new Date(token.created_at))}` : '';
    const which = token.last4 ? `${name}, ending in ${token.last4}` : `${name}, ${saved}`;
    const { charge, offered } = this.#money(token.platform);
    const platform = platformOf(token.platform);
    const last = this.#payments.find((payment) => payment.token === token.id);
    return make(
      'li',
      { class: 'row', 'data-token': token.id },
      make(
        'div',
        { class: 'row-head' },
        brandMark(brand),
        make(
          'div',
          { class: 'row-words' },
          make('p', { class: 'row-name' }, name, this.#label(platform)),
          make(
            'p',
            { class: 'quiet small' },
            token.last4
              ? `${brandName(brand)} •••• ${token.last4}, expires ${expiryText(token.expiry)}`
              : `${platform.name} does not tell its digits, ${saved}`,
          ),
        ),
        token.status === 'unconfirmed' ? make('span', { class: 'chip chip-unsure' }, 'Not confirmed yet') : null,
      ),
      platform.savedNote ? make('p', { class: 'quiet small' }, platform.savedNote) : null,
      last
        ? make(
            'p',
            { class: 'quiet small' },
            `Last payment: ${showMoney(last.amount, last.currency)}, ${stateWords(last.status).words.toLowerCase()}`,
          )
        : null,
      make(
        'div',
        { class: 'row-buttons' },
        this.#button(`charge-${token.id}`, charge, `to ${which}`, () => this.#onCharge(token), 'small', !offered),
        ...(last ? followUpsOf(last) : []).map((how) =>
          this.#button(`card-${how}-${last.id}`, `${VERBS[how]} last`, `payment of ${which}`, () =>
            this.#follow(last, how),
          ),
        ),
        platform.updates ? this.#button(`update-${token.id}`, 'Update', which, () => this.#onUpdate(token)) : null,
        this.#button(`delete-${token.id}`, 'Delete', which, () => this.#delete(token, which), 'small small-danger'),
      ),
    );
  }

  #payment(payment) {
    const { words, tone } = stateWords(payment.status);
    const money = showMoney(payment.amount, payment.currency);
    const brand = payment.brand ?? this.#brandOf(this.#tokens.find((token) => token.id === payment.token));
    const facts = [
      payment.last4 ? `${brandName(brand)} •••• ${payment.last4}` : null,
      payment.created_at ? when.format(new Date(payment.created_at)) : null,
      payment.authorization ? `authorization ${payment.authorization}` : null,
    ]
      .filter(Boolean)
      .join(', ');
    const open = isOpen(payment.status);
    const waits = payment.status === 'unknown' && isPage(payment.redirect?.url);
    const followUps = followUpsOf(payment);
    return make(
      'li',
      { class: 'row', 'data-payment': payment.id, 'data-status': payment.status },
      make(
        'div',
        { class: 'row-head' },
        make(
          'div',
          { class: 'row-words' },
          make('p', { class: 'row-name' }, money, this.#label(platformOf(payment.platform))),
          make('p', { class: 'quiet small' }, facts),
          partsOf(payment),
          payment.order_reference ? make('p', { class: 'quiet small reference' }, payment.order_reference) : null,
        ),
        make('span', { class: `chip chip-${tone}` }, words),
      ),
      payment.decline
        ? make(
            'p',
            { class: 'small' },
            declineWords(payment.decline),
            payment.decline.code ? ` (code ${payment.decline.code})` : '',
          )
        : null,
      waits
        ? make('p', { class: 'small' }, 'Your bank wants you to confirm this payment on its page.')
        : payment.status === 'unknown'
          ? make(
              'p',
              { class: 'small' },
              'The bank has not answered yet. Do not pay again; this line updates automatically.',
            )
          : null,
      followUps.length > 0 || open
        ? make(
            'div',
            { class: 'row-buttons' },
            ...followUps.map((how) =>
              this.#button(`${how}-${payment.id}`, VERBS[how], money, () => this.#follow(payment, how)),
            ),
            waits
              ? this.#button(`go-${payment.id}`, 'Go to your bank', `to confirm ${money}`, () => this.#onGo(payment))
              : null,
            open
              ? this.#button(`check-${payment.id}`, 'Check again', `about ${money}`, () => this.#askAgain(payment))
              : null,
          )
        : null,
    );
  }

  /** Whose it is, where that is a question. */
  #label({ id, name }) {
    return this.#several() && make('span', { class: 'chip chip-platform', 'data-platform': id }, name);
  }

  async #follow(payment, how) {
    const platform = platformOf(payment.platform);
    const inParts = platform.parts && how !== 'void';
    const { currency } = payment;
    const most =
      how === 'refund' ? minus(payment.captured ?? payment.amount, payment.refunded ?? '0', currency) : payment.amount;
    const money = showMoney(inParts ? most : payment.amount, currency);
    const words = {
      heading: inParts ? `${VERBS[how]} up to ${money}` : `${VERBS[how]} ${money}?`,
      text: platform.undo?.[how] ?? '',
      yes: `${VERBS[how]} it`,
      no: 'Leave it',
    };
    const read = (text) => {
      const amount = parseAmount(text, currency);
      if (amount === null) throw new Error(`Type an amount above zero, such as ${most}.`);
      if (exceeds(amount, most, currency)) throw new Error(`At most ${money}.`);
      return amount;
    };
    const answer = await ask(inParts ? { ...words, amount: { value: most, read } } : words);
    if (!answer) return;
    const details = inParts ? { amount: answer } : {};
    // One key for the same wish, so that pressing again after a lost answer does it once; another one after a word.
    const wish = JSON.stringify([payment.id, how, details, payment.refunded]);
    const key = this.#keys.get(wish) ?? crypto.randomUUID();
    this.#keys.set(wish, key);
    await this.#act(
      platform,
      byId('payments-notice'),
      'payments-heading',
      async () => {
        const now = await server.follow(payment.id, how, details, key).catch(async (error) => {
          if (error.code !== 'field_missing' || error.field !== 'bin') throw error;
          const bin = await ask({
            heading: 'Which card was it?',
            yes: words.yes,
            no: 'Leave it',
            digits: 6,
            text: 'This card was not saved, so the shop knows only its last four digits. The platform also needs the first six.',
          });
          return bin && server.follow(payment.id, how, { bin }, crypto.randomUUID());
        });
        if (now) announce(`${money}: ${stateWords(now.status).words}.`);
      },
      (error) => {
        if (error.status > 0 && error.status < 500) this.#keys.delete(wish);
      },
    );
  }

  async #askAgain({ id, platform }) {
    if (platformOf(platform).answersLater) await server.refresh(id).catch(() => {}); // the list shows what came of it
    await this.refresh();
  }

  async #delete(token, which) {
    const platform = platformOf(token.platform);
    if (
      !(await ask({
        heading: 'Delete this card?',
        text: `${which}. ${platform.deleting ?? 'It is deleted at the payment platform too.'}`,
        yes: 'Delete it',
      }))
    )
      return;
    await this.#act(platform, byId('saved-notice'), 'saved-heading', async () => {
      await server.deleteToken(token.id);
      announce(`${which} was deleted.`);
    });
  }

  async #act(platform, box, heading, work, onFailure = () => {}) {
    clearNotice(box);
    this.#onAction();
    this.#acting += 1;
    this.#freeze();
    try {
      await work();
      byId(heading).focus({ preventScroll: true }); // the pressed button goes away
    } catch (error) {
      onFailure(error);
      const { heading: what, advice } = failureWords(codesOf(error), platform);
      fillNotice(box, 'bad', what, advice);
    } finally {
      this.#acting -= 1;
      this.#freeze();
      await this.refresh();
    }
  }
}

/** How much of a payment was taken and given back, where that is not simply all or nothing. */
function partsOf({ platform, amount, captured, refunded, currency, status }) {
  if (
    !platformOf(platform).parts ||
    captured === undefined ||
    captured === null ||
    ['unknown', 'declined', 'failed', 'voided'].includes(status)
  )
    return null;
  const parts = [`captured ${showMoney(captured, currency)} of ${showMoney(amount, currency)}`];
  if (refunded && !isZero(refunded)) parts.push(`refunded ${showMoney(refunded, currency)}`);
  return make('p', { class: 'small parts' }, parts.join(', '));
}
