// Watches `fetch`, so that the panel shows what really went out and not what somebody believes went out.
// Nothing of it outlives the page, and the answers are shown with card numbers masked should one ever appear.

const base64Parts = (digits) => {
  // The three ways a text can lie on base64's 3-byte grid, without the characters that depend on neighbours.
  const parts = [];
  for (const shift of [0, 1, 2]) {
    const text = btoa('\0'.repeat(shift) + digits);
    parts.push(text.slice(shift === 0 ? 0 : 4, Math.floor(((shift + digits.length) * 8) / 6) & ~3));
  }
  return parts;
};

/** Whether a text holds the digits in clear, spaced, as hex or as base64. */
function holdsDigits(text, digits) {
  const packed = text.replace(/(\d)[\s-]+(?=\d)/g, '$1');
  const hex = Array.from(digits, (digit) => `3${digit}`).join('');
  return (
    packed.includes(digits) ||
    text.toLowerCase().includes(hex) ||
    base64Parts(digits).some((part) => text.includes(part))
  );
}

const luhn = (digits) => {
  let sum = 0;
  for (let at = digits.length - 1, double = false; at >= 0; at--, double = !double) {
    const digit = Number(digits[at]) * (double ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
};

const masked = (text) =>
  text.replace(/(?<![0-9a-zA-Z])\d(?:[ -]?\d){12,18}(?![0-9a-zA-Z])/g, (run) =>
    luhn(run.replace(/\D/g, '')) ? run.replace(/\d/g, '•') : run,
  );

const lastFour = (text) => '•'.repeat(Math.max(text.length - 4, 0)) + text.slice(-4);
/** Names under which platforms take a card in clear, and how much of each may be seen. */
const hidden = (text) => '•'.repeat(text.length);
const CARD_FIELDS = { number: lastFour, cardNum: lastFour, cvv: hidden, cvv2: hidden, cvc: hidden };
const beginning = (text) => `${text.slice(0, 6)}… (${text.length} characters)`;

/** A JSON text without what nobody should read over a shoulder: card numbers, security codes, access tokens, `secrets`. */
function withoutSecrets(text, secrets) {
  let changed = false;
  let value;
  try {
    value = JSON.parse(text, (key, inner) => {
      if (typeof inner !== 'string') return inner;
      const hide =
        key === 'access_token' || secrets.includes(key)
          ? beginning
          : /^[\d\s-]+$/.test(inner)
            ? CARD_FIELDS[key]
            : undefined;
      if (!hide) return inner;
      changed = true;
      return hide(inner);
    });
  } catch {
    return text;
  }
  return changed ? JSON.stringify(value) : text;
}

/** What the panel keeps of one request. The body is kept without card data, whatever was sent. */
function describe(request, digits, clear, secrets) {
  const { url, body } = request;
  const headers = { ...request.headers };
  const around = [url, ...Object.entries(headers).flat()].join('\n');
  // Null where the page cannot read the number: then nothing is said of it.
  const cardNumberFound =
    digits === null
      ? undefined
      : digits.length < 12
        ? null
        : holdsDigits(clear ? around : `${around}\n${body}`, digits);
  const [, scheme, credentials] = /^(\S+) (.+)$/.exec(headers.authorization ?? '') ?? [];
  if (credentials) headers.authorization = `${scheme} ${beginning(credentials)}`;
  return {
    ...request,
    headers,
    body: withoutSecrets(body, secrets),
    bytes: new TextEncoder().encode(body).length,
    clear,
    cardNumberFound,
    status: null,
    answer: null,
    failed: null,
    milliseconds: null,
  };
}

/**
 * Puts itself before `globalThis.fetch`. `cardDigits` gives the digits that must not go out, or null if the page cannot read them; `takesClearCard(url)`
 * names the platform whose format wants them in clear at that address, if any; `secrets()` are names of members that are
 * not shown; `onSend` gets each request as it is; `onChange` gets each record when it starts and again when it ends. Reading is recorded only where `callOf(url)`
 * has words for it: reading lists is not.
 */
export function watch({ cardDigits, takesClearCard, secrets, callOf, onSend, onChange }) {
  const original = globalThis.fetch.bind(globalThis);
  globalThis.fetch = async (input, init = {}) => {
    const source = input instanceof Request ? input : null;
    const method = (init.method ?? source?.method ?? 'GET').toUpperCase();
    const there = new URL(source?.url ?? String(input), location.href);
    if (method === 'HEAD' || (method === 'GET' && !callOf(there))) return original(input, init);
    const headers = Object.fromEntries(new Headers(init.headers ?? source?.headers));
    const body = typeof init.body === 'string' ? init.body : source ? await source.clone().text() : '';
    const url = there.href;
    onSend({ method, url, headers, body });
    const record = describe({ method, url, headers, body }, cardDigits(), takesClearCard(url), secrets());
    onChange(record);
    const started = performance.now();
    try {
      const response = await original(input, init);
      record.status = response.status;
      record.answer = withoutSecrets(masked(await response.clone().text()), secrets());
      return response;
    } catch (error) {
      record.failed =
        error?.name === 'TimeoutError' || error?.name === 'AbortError'
          ? 'No answer in time.'
          : 'No answer: the connection failed.';
      throw error;
    } finally {
      record.milliseconds = Math.round(performance.now() - started);
      onChange(record);
    }
  };
}
