// The shopper's saved cards.

import { Board, tokenHead } from './board.js';
import { ask, make } from './dom.js';
import { isPassing } from './keeping.js';
import { platformOf } from './platforms.js';
import * as server from './server.js';
import { cardWords } from './stored-card.js';

const PAUSE_MS = 4000;

/**
 * `money(platform)` gives what the Pay button says and whether it can be pressed; `brandOf(token)` a brand where the platform
 * names none; `onPay(token)` and `onUpdate(token)` are the form's part.
 */
export function savedCards({ customer, money, brandOf, several, onPay, onUpdate, onAction }) {
  const board = new Board({
    lists: { saved: (tokens) => tokens.map(row) },
    read: async () =>
      (await server.tokens(customer)).filter(({ id, status }) => status !== 'deleted' && !isPassing(id)),
    pause: (tokens) => tokens.some(({ status }) => status === 'unconfirmed') && PAUSE_MS,
    trouble: { box: 'saved-notice', words: 'The saved cards could not be read.' },
    several,
    onAction,
  });

  function row(token) {
    const brand = brandOf(token);
    const platform = platformOf(token.platform);
    const { which } = cardWords(token, brand, platform);
    const { words, offered } = money(token.platform);
    return make(
      'li',
      { class: 'row', 'data-token': token.id },
      tokenHead(board, token, brand),
      platform.savedNote ? make('p', { class: 'quiet small' }, platform.savedNote) : null,
      make(
        'div',
        { class: 'row-buttons' },
        board.button(`pay-${token.id}`, words, `with ${which}`, () => onPay(token), { never: !offered }),
        platform.updates ? board.button(`update-${token.id}`, 'Update', which, () => onUpdate(token)) : null,
        board.button(`delete-${token.id}`, 'Delete', which, () => remove(token, which), { tone: 'small small-danger' }),
      ),
    );
  }

  async function remove(token, which) {
    const { deleting = 'It is deleted at the payment platform too.' } = platformOf(token.platform);
    const answer = await ask({ heading: 'Delete this card?', text: `${which}. ${deleting}`, yes: 'Delete it' });
    if (!answer) return;
    await board.act({ platform: token.platform, box: 'saved-notice', heading: 'saved-heading' }, async () => {
      await server.deleteToken(token.id);
      return `${which} was deleted.`;
    });
  }

  return board;
}
