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
  box.replaceChildren(...(heading ? [make('p', {}, make('strong', {}, heading))] : []), ...rest.filter(Boolean).map((item) => (typeof item === 'string' ? make('p', {}, item) : item)));
}

export const clearNotice = (box) => fillNotice(box, '');

/** Read out, but not shown. */
export function announce(words) {
  const live = byId('live');
  live.textContent = '';
  // In two steps, or the same words twice would be read once.
  setTimeout(() => { live.textContent = words; }, 30);
}

/** Asks before something that cannot be taken back. With `digits` it also asks for so many; gives them, or true, or null. */
export function ask({ heading, text, yes, no = 'Keep it', digits = 0 }) {
  const dialog = byId('ask');
  const input = byId('ask-digits');
  byId('ask-digits-row').hidden = digits === 0;
  input.disabled = digits === 0;
  input.required = digits > 0;
  input.pattern = `[0-9]{${digits}}`;
  input.maxLength = digits || 6;
  input.value = '';
  byId('ask-heading').textContent = heading;
  byId('ask-text').textContent = text;
  byId('ask-yes').textContent = yes;
  byId('ask-no').textContent = no;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener('close', () => answer(dialog.returnValue !== 'yes' ? null : digits > 0 ? input.value : true), { once: true }));
}
