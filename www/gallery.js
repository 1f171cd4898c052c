// A tool for looking: the card form in every state, with every brand, platform and language. Nothing here asks a server:
// the sessions are this page's own, and so are the answers.
//
//   /gallery.html?lang=de&theme=dark&look=shop&width=320px&only=states&pieces=valid,invalid

import { make } from '/modules/dom.js';
import { ROWS } from '/pkg/rows.js';

const params = new URLSearchParams(location.search);
const body = document.body;
const gallery = document.getElementById('gallery');

const VISA = { number: '4242424242424242', expiry: '1230', cvc: '123', holder: 'Ana Núñez' };
/** A number of each brand, or enough of one. None of them is anybody's. */
const NUMBERS = {
  visa: '4242424242424242',
  mastercard: '5555555555554444',
  amex: '378282246310005',
  discover: '6011111111111117',
  diners: '36256000000725',
  jcb: '3566000000000000',
  unionpay: '6200000000000005',
  verve: '5060990580000217',
  rupay: '8200000000000003',
  troy: '9792000000000001',
  maestro: '6759649826438453',
  elo: '6362970000457013',
  mir: '2200000000000004',
  hipercard: '6062826786276634',
  bancontact: '6703444444444449',
  dankort: '5019717010103742',
};
const PLATFORMS = Object.keys(ROWS);
/** What each failure is an answer to. */
const FAILURES = {
  rejected: [422, 'platform_rejected'],
  declined: [402, 'card_declined'],
  attempts: [429, 'too_many_attempts'],
  wait: [429, 'rate_limited'],
  platform: [503, 'platform_unavailable'],
  shop: [409, 'platform_setup'],
  offline: null,
};

// --------------------------------------------------------------------------------------------- the server's part

const HOST = 'https://payment.preprod.direct.worldline-solutions.com';
let sessions = 0;
/** What a session's calls are answered with. */
const answers = new Map();
/** The public key of nobody's. */
const key = crypto.subtle
  .generateKey(
    { name: 'RSA-OAEP', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' },
    true,
    ['encrypt', 'decrypt'],
  )
  .then(({ publicKey }) => crypto.subtle.exportKey('spki', publicKey))
  .then((bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))));

/** A session as the server opens them, whose card gets `answer`. */
async function session(platform, answer, { over = false, kind = 'tokenize' } = {}) {
  const id = `ses_gallery${++sessions}`;
  answers.set(id, answer);
  const now = Date.now() - (over ? 7_200_000 : 0);
  return {
    id,
    platform,
    kind,
    mode: 'relay',
    created_at: new Date(now).toISOString(),
    expires_at: new Date(now + 3_600_000).toISOString(),
    expires_in: 3600,
    ...(platform === 'greenpay' && { public_key: await key }),
    ...(platform === 'online_payments' && {
      clientSessionId: id,
      customerId: 'gallery',
      clientApiUrl: `${HOST}/client`,
      assetUrl: null,
    }),
  };
}

const json = (status, value) =>
  new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json' } });

const { fetch } = globalThis;
globalThis.fetch = async (input, init = {}) => {
  const url = new URL(String(input), location.href);
  // Two brands on one card.
  if (url.pathname.endsWith('/services/getIINdetails'))
    return json(200, {
      paymentProductId: 1,
      countryCode: 'FR',
      isAllowedInContext: true,
      coBrands: [
        { paymentProductId: 1, isAllowedInContext: true },
        { paymentProductId: 130, isAllowedInContext: true },
      ],
    });
  if (!['/v1/tokens', '/v1/payments'].includes(url.pathname)) {
    if (url.origin === location.origin && (init.method ?? 'GET') === 'GET') return fetch(input, init);
    return json(503, { code: 'platform_unavailable', detail: 'this is a gallery' });
  }
  const answer = answers.get(JSON.parse(init.body).session);
  if (answer === null) throw new TypeError('this is a gallery');
  const [status, code] = answer ?? [201];
  if (status !== 201) return json(status, { code, detail: code, status });
  return json(201, {
    id: 'tok_00000000000000000000000000000000',
    platform: 'greenpay',
    brand: 'visa',
    bin: '424242',
    last4: '4242',
    expiry: { month: 12, year: 2030 },
    holder: null,
    nickname: null,
    status: 'active',
  });
};

// ------------------------------------------------------------------------------------------------------ the forms

/** A form, ready, with what `prepare(form)` did to it. */
function piece(name, attributes, prepare = () => {}, lang = null) {
  const form = make('cardseal-card-form', { platform: 'greenpay', required: true, ...attributes });
  form.openSession ??= () => session(form.platform ?? 'greenpay', undefined);
  const ground = make('div', { class: 'ground', lang }, form);
  form.addEventListener('ready', () => void prepare(form), { once: true });
  if (attributes.platform === null) void prepare(form);
  return make('article', { class: 'piece', 'data-piece': name }, make('h3', {}, name), ground);
}

function type(form, card) {
  for (const [field, text] of Object.entries(card)) {
    const input = form.querySelector(`[data-field="${field}"] :is(input, select)`);
    if (!input) continue;
    input.value = text;
    input.dispatchEvent(new Event('input', { bubbles: true }));
  }
}

/** Presses, as a page does, without moving the reader's focus. */
const press = (form) =>
  form.tokenize().then(
    () => {},
    () => {},
  );
const answered = (answer, options) => async (form) => {
  form.openSession = () => session('greenpay', answer, options);
  type(form, VISA);
  await press(form);
};
/** Shows every mistake; the summary gets the focus then, and the reader is not to be led there. */
const checked = async (form) => {
  const [x, y] = [scrollX, scrollY];
  await form.check();
  document.activeElement?.blur();
  scrollTo(x, y);
};
const wrong = async (form) => {
  type(form, { number: '42424242', expiry: '0120', cvc: '1', holder: '' });
  await checked(form);
};

const STATES = {
  loading: [{ platform: null }, (form) => Object.assign(form, { openSession: () => new Promise(() => {}) })],
  empty: [{}],
  typing: [{}, (form) => type(form, { number: '4242 42' })],
  valid: [{}, (form) => type(form, VISA)],
  invalid: [{}, wrong],
  busy: [
    {},
    (form) => {
      form.openSession = () => new Promise(() => {});
      type(form, VISA);
      void press(form);
    },
  ],
  done: [{}, answered(undefined)],
  failed: [{}, answered(FAILURES.rejected)],
  expired: [{}, answered(undefined, { over: true })],
  disabled: [{ disabled: true }],
  'a warning': [
    {},
    (form) => {
      type(form, { ...VISA, number: '4242424242424241' });
      const input = form.querySelector('[name="cardnumber"]');
      input.dispatchEvent(new Event('blur'));
    },
  ],
  'a brand that is not accepted': [
    { 'accepted-brands': 'visa mastercard' },
    (form) => {
      type(form, { number: NUMBERS.amex });
      form.querySelector('[name="cardnumber"]').dispatchEvent(new Event('blur'));
    },
  ],
};

const GROUPS = {
  states: {
    title: 'States',
    text: 'What the attribute data-state says, and some more.',
    pieces: () => Object.entries(STATES).map(([name, [attributes, prepare]]) => piece(name, attributes, prepare)),
  },
  choice: {
    title: 'A card of two brands',
    text: 'The customer chooses the brand; what the platform would take is the default.',
    pieces: () => [
      piece('online_payments, Visa and Cartes Bancaires', { platform: 'online_payments' }, (form) => {
        type(form, { ...VISA, number: '4035501000000008' });
      }),
      piece('the same, with mistakes', { platform: 'online_payments' }, async (form) => {
        type(form, { number: '4035501000000008', cvc: '1' });
        await checked(form);
      }),
    ],
  },
  platforms: {
    title: 'Platforms',
    text: 'What each platform needs, and no more.',
    pieces: () => [
      ...PLATFORMS.map((platform) => piece(platform, { platform })),
      piece('greenpay, with a name for the card', { nickname: true }),
      piece('ccbill, with mistakes', { platform: 'ccbill' }, async (form) => {
        type(form, { ...VISA, email: 'ana', postalCode: '1', country: 'US' });
        await checked(form);
      }),
      piece('gp_api, without a name on the card', { platform: 'gp_api', holder: 'hidden' }),
    ],
  },
  failures: {
    title: 'Failures',
    text: 'What the shopper is told when a call does not work.',
    pieces: () => [
      ...Object.entries(FAILURES).map(([name, answer]) => piece(name, {}, answered(answer))),
      piece('outcome_unknown', {}, async (form) => {
        form.session = await session('greenpay', null, { kind: 'payment' });
        type(form, VISA);
        await form.pay().catch(() => {});
      }),
    ],
  },
  brands: {
    title: 'Brands',
    text: 'Every mark, and every mark that could still be meant.',
    pieces: () => [
      ...Object.entries(NUMBERS).map(([brand, number]) =>
        piece(brand, { platform: 'gp_api', holder: 'hidden' }, (form) => type(form, { number })),
      ),
      piece('several', { platform: 'gp_api', holder: 'hidden' }, (form) => type(form, { number: '6' })),
    ],
  },
  languages: {
    title: 'Languages',
    text: 'Each is fetched when a form speaks it.',
    pieces: (tags) => tags.map((tag) => piece(`${tag} · ${nameOf(tag)}`, {}, wrong, tag)),
  },
};

const names = new Intl.DisplayNames('en', { type: 'language' });
const nameOf = (tag) => names.of(tag);

// ------------------------------------------------------------------------------------------------------- the page

const [{ TAGS }] = await Promise.all([import('/pkg/languages/index.js'), import('/pkg/card-form.js')]);

/** What the bar says goes for every form. */
function apply() {
  const { lang, theme, look, width } = Object.fromEntries(new FormData(document.getElementById('bar')));
  document.documentElement.lang = lang;
  body.dataset.theme = theme;
  body.dataset.look = look;
  document.documentElement.style.colorScheme = theme === 'auto' ? 'light dark' : theme;
  body.style.setProperty('--column', width);
}

document.getElementById('lang').append(...TAGS.map((tag) => make('option', { value: tag }, `${tag} · ${nameOf(tag)}`)));
for (const select of document.querySelectorAll('#bar select')) {
  const wanted = params.get(select.name);
  if ([...select.options].some(({ value }) => value === wanted)) select.value = wanted;
  select.addEventListener('change', () => {
    params.set(select.name, select.value);
    history.replaceState(null, '', `?${params}`);
    apply();
  });
}
apply();

for (const [name, { title, text, pieces }] of Object.entries(GROUPS)) {
  if (params.has('only') && params.get('only') !== name) continue;
  const shelf = make('div', { class: 'shelf' });
  const group = make(
    'section',
    { class: 'group', 'aria-label': title },
    make('h2', {}, title),
    make('p', { class: 'quiet' }, text),
    shelf,
  );
  gallery.append(group);
  // Seventy forms at once would take a while: each shelf is filled when somebody comes near.
  new IntersectionObserver(
    (entries, observer) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      const wanted = params.get('pieces')?.split(',');
      shelf.append(...pieces(TAGS).filter(({ dataset }) => !wanted || wanted.includes(dataset.piece)));
    },
    { rootMargin: '400px' },
  ).observe(group);
}
