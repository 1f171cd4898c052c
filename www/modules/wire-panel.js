// The panel "What leaves the browser".

import { byId, make } from './dom.js';

const WHAT = [
  [/^POST \/v1\/sessions$/, 'The page asks the shop for a session'],
  [/^POST \/v1\/tokens$/, 'The encrypted card goes to the shop’s server, which passes it on'],
  [/^POST \/v1\/payments$/, 'The payment is requested'],
  [/^POST \/v1\/payments\/[^/]+\/capture$/, 'An authorized payment is captured'],
  [/^POST \/v1\/payments\/[^/]+\/void$/, 'A payment is voided'],
  [/^POST \/v1\/payments\/[^/]+\/refund$/, 'A payment is refunded'],
  [/^POST \/v1\/payments\/[^/]+\/resolve$/, 'A payment is settled by hand'],
  [/^POST \/v1\/events\/[^/]+\/replay$/, 'An event is sent again'],
  [/^POST \/v1\/payments\/[^/]+\/refresh$/, 'The shop is asked to check a payment with the platform'],
  [/^DELETE \/v1\/tokens\/[^/]+$/, 'A saved card is deleted'],
];

export class WirePanel {
  #origin = location.origin;
  #shown = new Map();
  /** Of earlier actions: their answers come too late. */
  #gone = new WeakSet();
  #sealedIn;
  #callOf;
  #wordsOf;

  /** `sealedIn(body)` gives name, explanation and text of each sealed part, or null; `wordsOf(body)` words for where it goes, if not as usual; `callOf(url)` words for a call to a platform. */
  constructor({ sealedIn, wordsOf, callOf }) {
    this.#sealedIn = sealedIn;
    this.#wordsOf = wordsOf;
    this.#callOf = callOf;
  }

  /**
   * A new action begins: what the last one sent makes room. A session opened meanwhile belongs to the new one, with what
   * was asked of the platform since.
   */
  begin() {
    const all = [...this.#shown.keys()];
    const isOwn = ({ url }) => new URL(url).origin === this.#origin;
    const at = all.findLastIndex(isOwn);
    const last = all[at];
    const isOpened = last && last.failed === null && (last.status ?? 200) < 300;
    const opened = isOpened && new URL(last.url).pathname === '/v1/sessions' ? all.slice(at) : [];
    for (const record of this.#shown.keys()) if (!opened.includes(record)) this.#gone.add(record);
    this.#shown.clear();
    byId('wire').replaceChildren();
    byId('wire-empty').hidden = false;
    for (const record of opened) this.show(record);
  }

  /** A request started, or its answer came. */
  show(record) {
    if (this.#gone.has(record)) return;
    const before = this.#shown.get(record);
    const step = before?.dataset.step ?? String(this.#shown.size + 1);
    const built = this.#build(record, step);
    if (before) {
      built.open = before.open;
      before.replaceWith(built);
    } else {
      byId('wire').append(built);
      byId('wire-empty').hidden = true;
    }
    this.#shown.set(record, built);
  }

  #build(record, step) {
    const url = new URL(record.url);
    const own = url.origin === this.#origin;
    const body = parsed(record.body);
    const sealed = this.#sealedIn(body);
    const what =
      WHAT.find(([pattern]) => own && pattern.test(`${record.method} ${url.pathname}`))?.[1] ??
      (sealed ? 'The encrypted card goes straight to the payment platform' : 'A request');
    const heading = record.clear
      ? `The card goes straight to ${record.clear}, and to no one else`
      : !own
        ? (this.#callOf(url) ?? 'The encrypted card goes straight to the payment platform')
        : sealed && this.#wordsOf(body)
          ? this.#wordsOf(body)
          : body?.answer
            ? 'The platform’s answer goes to the shop'
            : sealed && url.pathname === '/v1/payments'
              ? 'The encrypted card goes to the shop’s server to be charged'
              : what;

    return make(
      'details',
      { class: 'step', 'data-step': step, open: sealed !== null || record.clear !== null },
      make(
        'summary',
        {},
        make('span', { class: 'step-number', 'aria-hidden': 'true' }, step),
        make(
          'span',
          { class: 'step-words' },
          make('span', { class: 'step-what' }, heading),
          make('span', { class: 'step-url' }, `${record.method} ${own ? url.pathname : record.url}`),
        ),
        statusChip(record),
      ),
      make(
        'div',
        { class: 'step-body' },
        ...proof(record),
        sealed
          ? make(
              'dl',
              { class: 'sealed-parts' },
              ...sealed.flatMap(([name, explained, text]) => [
                make('dt', {}, make('code', {}, name), ' ', make('span', { class: 'quiet' }, explained)),
                make('dd', {}, make('code', { class: 'blob' }, text)),
              ]),
            )
          : null,
        part('Address', record.url),
        part(
          'Headers',
          Object.entries(record.headers)
            .map(([name, value]) => `${name}: ${value}`)
            .join('\n') || 'none of its own',
        ),
        record.method === 'GET'
          ? null
          : part(
              `Body, ${record.bytes} bytes${record.clear ? ', shown with number and security code masked' : ''}`,
              body === undefined ? record.body || 'empty' : JSON.stringify(body, null, 2),
            ),
        answer(record),
      ),
    );
  }
}

function statusChip(record) {
  if (record.failed) return make('span', { class: 'chip chip-bad' }, 'No answer');
  if (record.status === null) return make('span', { class: 'chip' }, 'Waiting…');
  return make('span', { class: `chip ${record.status < 300 ? 'chip-good' : 'chip-bad'}` }, String(record.status));
}

function proof(record) {
  const { clear, cardNumberFound } = record;
  const clearWords =
    clear &&
    make(
      'p',
      { class: 'proof proof-clear' },
      `${clear} accepts the card as plain JSON: only TLS protects it on its way, and whoever runs this page could read it. This request goes from the browser to ${new URL(record.url).host} and never touches the shop’s server. Number and security code are masked here, not in what was sent.`,
    );
  const search =
    cardNumberFound === undefined
      ? make(
          'p',
          { class: 'proof proof-plain' },
          'Your card number is in the frame, where this page cannot read it, so this request was not searched for it.',
        )
      : cardNumberFound === null
        ? make('p', { class: 'proof proof-plain' }, 'No card number was on the page when this was sent.')
        : cardNumberFound
          ? make(
              'p',
              { class: 'proof proof-bad' },
              'Your card number was found in this request. That must never happen: please report it.',
            )
          : make(
              'p',
              { class: 'proof' },
              clear
                ? 'Checked address and headers for your card number too: not found.'
                : 'Checked address, headers and body for your card number, also as hex and base64: not found.',
            );
  return [clearWords, search];
}

function part(name, text) {
  return make('div', { class: 'part' }, make('h3', {}, name), make('pre', { tabindex: '0', 'aria-label': name }, text));
}

function answer(record) {
  if (record.failed) return part('Answer', record.failed);
  if (record.status === null) return null;
  const value = parsed(record.answer);
  return part(
    `Answer, status ${record.status}, after ${record.milliseconds} ms`,
    value === undefined ? record.answer || 'empty' : JSON.stringify(value, null, 2),
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
