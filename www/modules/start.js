// What the page shows before the form is ready: the demo's banner, and why the module did not load.

import { byId, make } from './dom.js';
import { offered } from './platforms.js';
import * as server from './server.js';
import { state } from './state.js';

/** Asks the server what the demo offers, and says so in the banner. */
export async function readDemo() {
  try {
    state.demo = await server.demo();
    const all = Object.values(state.demo.platforms ?? {});
    byId('demo-sandbox').hidden = !(all.length > 0 ? all.every((one) => one.sandbox) : state.demo.sandbox);
  } catch {
    // The page works without it. If the server is down, the lists say so.
  }
  state.platforms = await offered(state.demo);
  [state.platform] = state.platforms;
}

export function showLoadFailure(error) {
  const blocked = webAssemblyBlocked();
  const [heading, ...advice] =
    typeof WebAssembly !== 'object'
      ? [
          'This browser cannot run WebAssembly.',
          'This page needs it to check and encrypt your card, so you cannot pay here. Please use a newer browser.',
        ]
      : blocked
        ? [
            'This page’s security policy blocks WebAssembly.',
            'For the shop: the Content-Security-Policy header lacks ',
            make('code', {}, "'wasm-unsafe-eval'"),
            ' in ',
            make('code', {}, 'script-src'),
            '. Nothing else needs to change.',
          ]
        : [
            'The part of this page that encrypts your card did not load.',
            'Check your connection and try again. For the shop: ',
            make('code', {}, '/pkg/'),
            ' must serve the built package (',
            make('code', {}, 'npm run build'),
            '), and the policy must allow ',
            make('code', {}, "script-src 'self'"),
            ' and ',
            make('code', {}, "connect-src 'self'"),
            '.',
          ];
  const box = make(
    'div',
    { class: 'notice notice-bad', role: 'alert', id: 'load-failure', 'data-code': error?.code ?? 'import_failed' },
    make('p', {}, make('strong', {}, heading)),
    make('p', {}, ...advice),
    make('p', {}, 'Nothing was sent and nothing was charged.'),
    make('button', { type: 'button', class: 'link', onclick: () => location.reload() }, 'Load the page again'),
  );
  // Not in the form, which stays disabled.
  byId('pay-form').before(box);
}

/** Compiles an empty module, the smallest there is. */
function webAssemblyBlocked() {
  try {
    return !new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  } catch {
    return true;
  }
}
