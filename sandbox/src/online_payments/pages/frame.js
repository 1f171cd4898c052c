// The page inside the frame: does what the script around it asks for. Without a frame the form works as it is.
(() => {
  'use strict';
  if (window.parent === window) return;
  const PREFIX = 'cardseal-sandbox:';
  const form = document.querySelector('form');
  form.querySelector('button[value=pay]').hidden = true;
  const answer = (origin, id, result) => window.parent.postMessage({ type: `${PREFIX}answer`, id, result }, origin);
  const hide = (name, hidden) => {
    const field = form.elements.namedItem(name);
    if (field) field.closest('label').hidden = hidden;
  };

  const submit = async ({ id, storePermanently }, origin) => {
    const body = new URLSearchParams(new FormData(form));
    if (storePermanently === true) body.set('storePermanently', 'true');
    if (storePermanently === false) body.delete('storePermanently');
    let result;
    try {
      // Not form.action: that is the button of this name.
      const response = await fetch(form.getAttribute('action'), {
        method: 'POST',
        body,
        headers: { accept: 'application/json' },
      });
      result = await response.json();
    } catch {
      result = { success: false, error: { message: 'The card could not be sent' } };
    }
    document.querySelector('.wrong').textContent = result.success ? '' : result.error.message;
    answer(origin, id, result);
  };

  window.addEventListener('message', (event) => {
    if (event.source !== window.parent) return;
    const message = event.data ?? {};
    if (message.type === `${PREFIX}submit`) submit(message, event.origin);
    if (message.type === `${PREFIX}options`) {
      if ('hideCardholderName' in message) hide('cardholderName', message.hideCardholderName);
      if ('hideTokenFields' in message) hide('storedCard', message.hideTokenFields);
      const stored = form.elements.namedItem('storedCard');
      if ('token' in message && stored) stored.value = message.token ?? '';
    }
  });
  // Whoever is around: it says nothing but that the frame is there.
  answer('*', 'ready', { success: true });
})();
