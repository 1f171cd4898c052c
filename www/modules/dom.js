// Small ways to build elements. Text only ever goes in as text.

export const byId = (id) => document.getElementById(id);

/** `make('li', { class: 'row', hidden: true }, child, 'text')` */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A box that stays in the document; a screen reader reads what is put into it. */
export function fillNotice(box, tone, heading, ...rest) {
  box.className = tone ? `notice notice-${tone}` : 'notice';
  box.replaceChildren(
    ...(heading ? [make('p', {}, make('strong', {}, heading))] : []),
    ...rest.filter(Boolean).map((item) => (typeof item === 'string' ? make('p', {}, item) : item)),
  );
}

export const clearNotice = (box) => fillNotice(box, '');

const heard = new WeakMap();

/**
 * Puts words below a field. A screen reader reads them `now`, once; or `later`, because somebody is typing in that field; or
 * `never`, where the focus moves to a field and its words are read with it, and the others are counted.
 */
export function say(note, words, when = 'now') {
  if (note.textContent === words && (when !== 'now' || heard.get(note) === words)) return;
  note.setAttribute('aria-live', when === 'now' ? 'polite' : 'off');
  // A new text node, even with the same words: that is what makes them be read.
  note.textContent = words;
  if (when !== 'later') heard.set(note, words);
  else if (!words) heard.delete(note);
}

/** Read out, but not shown. */
export function announce(words) {
  const live = byId('live');
  live.textContent = '';
  // In two steps, or the same words twice would be read once.
  setTimeout(() => {
    live.textContent = words;
  }, 30);
}

/**
 * Asks before something that cannot be taken back, or with the tone `good` for something that is wanted. Where the page's
 * dialog has the fields, it may ask for more: with `digits` for so many, which it gives; with `amount`, `{ value, read(text) }`,
 * for what `read` makes of the text, as soon as that throws no message; with `choices`, values with their words, for one of
 * them. Otherwise it gives true. Null if the answer is no.
 */
export function ask({
  heading,
  text,
  yes,
  no = 'Keep it',
  tone = 'danger',
  digits = 0,
  amount = null,
  choices = null,
}) {
  const dialog = byId('ask');
  if (byId('ask-digits')) askMore(digits, amount, choices);
  byId('ask-heading').textContent = heading;
  byId('ask-text').textContent = text;
  byId('ask-yes').textContent = yes;
  byId('ask-yes').className = tone;
  byId('ask-no').textContent = no;
  dialog.returnValue = 'no';

  let read = null;
  const form = dialog.querySelector('form');
  const onSubmit = (event) => {
    if (amount === null || event.submitter?.value !== 'yes') return;
    try {
      read = amount.read(byId('ask-amount').value);
    } catch (problem) {
      event.preventDefault();
      showPart(problem.message);
      byId('ask-amount').focus();
    }
  };
  // Enter would press the first button of the form, which is No.
  const onKey = (event) => {
    if (event.key !== 'Enter' || event.target.localName !== 'input') return;
    event.preventDefault();
    byId('ask-yes').click();
  };
  form.addEventListener('submit', onSubmit);
  form.addEventListener('keydown', onKey);
  dialog.showModal();
  return new Promise((answer) =>
    dialog.addEventListener(
      'close',
      () => {
        form.removeEventListener('submit', onSubmit);
        form.removeEventListener('keydown', onKey);
        if (dialog.returnValue !== 'yes') answer(null);
        else if (digits > 0) answer(byId('ask-digits').value);
        else if (choices) answer(dialog.querySelector('[name="choice"]:checked').value);
        else answer(amount ? read : true);
      },
      { once: true },
    ),
  );
}

/** Shows the fields of what is asked, and hides the others. */
function askMore(digits, amount, choices) {
  const input = byId('ask-digits');
  byId('ask-digits-row').hidden = digits === 0;
  input.disabled = digits === 0;
  input.required = digits > 0;
  input.pattern = `[0-9]{${digits}}`;
  input.maxLength = digits || 6;
  input.value = '';
  const part = byId('ask-amount');
  byId('ask-amount-row').hidden = amount === null;
  part.disabled = amount === null;
  part.value = amount?.value ?? '';
  showPart('');
  byId('ask-choices').hidden = choices === null;
  for (const old of byId('ask-choices').querySelectorAll('.radio')) old.remove();
  byId('ask-choices').append(
    ...(choices ?? []).map(([value, words]) =>
      make(
        'div',
        { class: 'radio' },
        make('input', { type: 'radio', name: 'choice', id: `choice-${value}`, value, required: true }),
        make('label', { for: `choice-${value}` }, words),
      ),
    ),
  );
}

function showPart(words) {
  byId('ask-amount-error').textContent = words;
  if (words) byId('ask-amount').setAttribute('aria-invalid', 'true');
  else byId('ask-amount').removeAttribute('aria-invalid');
}
