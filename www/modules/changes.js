// Tells the demo's other pages in this browser that something has changed at the server, so that they read it again.

const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('cardseal-demo') : null;

/** A record of `traffic.js` that has ended, and that may have changed something. */
export function tellOf({ status, failed, url }) {
  if ((status !== null || failed) && new URL(url).origin === location.origin) channel?.postMessage('changed');
}

export function onChange(listener) {
  channel?.addEventListener('message', () => listener());
}
