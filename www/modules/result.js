// What stands in the place of the form after a payment.

import { announce, byId, clearNotice, make } from './dom.js';
import { drawFields, drawFrame } from './drawing.js';
import { notice, payForm, state } from './state.js';
import { codesOf, failureWords } from './words.js';

let timer = 0;
/** Counts what was shown, so that a late answer about an earlier result changes nothing. */
let shown = 0;

/**
 * Shows a result. `check(pressed, left)` asks for news and returns whether there are any; `left()` says whether another
 * result is shown by now. With `automatic`, it is asked again and again. `go` leads to the bank.
 */
export function showResult({
  tone,
  heading,
  text,
  lines,
  go = null,
  check = null,
  automatic = true,
  next = 'Make another payment',
}) {
  clearTimeout(timer);
  const result = byId('result');
  const own = ++shown;
  const left = () => own !== shown;
  payForm.hidden = true;
  drawFields();
  drawFrame();
  result.hidden = false;
  result.dataset.tone = tone;
  byId('result-heading').textContent = heading;
  byId('result-text').textContent = text;
  byId('result-lines').replaceChildren(
    ...lines
      .filter(([, value]) => value)
      .map(([name, value]) =>
        make('div', { class: name === 'Order' && 'order' }, make('dt', {}, name), make('dd', {}, value)),
      ),
  );
  byId('result-next').textContent = next;
  byId('result-go').hidden = !go;
  byId('result-go').onclick = go;
  const button = byId('result-check');
  button.hidden = check === null;
  button.disabled = false;
  const run = async (pressed) => {
    clearTimeout(timer);
    button.disabled = pressed;
    try {
      const known = await check(pressed, left);
      if (left()) {
        if (known) await state.lists.refresh();
        return;
      }
      if (known) return;
      if (pressed) announce('Still no answer from the bank.');
    } catch (error) {
      if (left()) return;
      if (pressed) announce(`${failureWords(codesOf(error)).heading} Please check again in a moment.`);
      if (pressed) byId('result-text').textContent = `${text} (${failureWords(codesOf(error)).heading})`;
    }
    button.disabled = false;
    if (automatic && !result.hidden) timer = setTimeout(() => run(false), 3000);
  };
  button.onclick = check ? () => run(true) : null;
  if (check && automatic) timer = setTimeout(() => run(false), 2000);
  result.focus();
  announce(`${heading}. ${text}`);
}

/** Shows the form again. */
export function showForm() {
  clearTimeout(timer);
  shown += 1;
  byId('result').hidden = true;
  payForm.hidden = false;
  drawFields();
  drawFrame();
  clearNotice(notice);
}
