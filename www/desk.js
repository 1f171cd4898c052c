// The merchant's desk. It makes the calls that a shop's back office makes, and never sees a card.

import { onChange, tellOf } from './modules/changes.js';
import { openDesk } from './modules/desk.js';
import { byId, fillNotice, make } from './modules/dom.js';
import { readDemo } from './modules/start.js';
import { callOf, firstOf, state } from './modules/state.js';
import { brandOfDigits } from './modules/stored-card.js';
import { watch } from './modules/traffic.js';
import { WirePanel } from './modules/wire-panel.js';

void start();

async function start() {
  const panel = new WirePanel({ sealedIn: () => null, wordsOf: () => null, callOf });
  watch({
    cardDigits: () => '',
    takesClearCard: () => null,
    secrets: () => firstOf((platform) => platform.secrets) ?? [],
    callOf,
    onSend: () => {},
    onChange: (record) => {
      panel.show(record);
      tellOf(record);
    },
  });
  try {
    await readDemo();
  } catch (error) {
    fillNotice(
      byId('desk-notice'),
      'bad',
      'This page did not load.',
      `${error.message}. `,
      make('button', { type: 'button', class: 'link', onclick: () => location.reload() }, 'Load the page again'),
    );
    return;
  }
  const names = await brands();
  const desk = openDesk({
    brandOf: (token) => token?.brand ?? brandOfDigits(names, token?.bin ?? ''),
    several: () => state.platforms.length > 1,
    onAction: () => panel.begin(),
  });
  onChange(() => void desk.refresh());
  addEventListener('focus', () => void desk.refresh());
  await desk.refresh();
  byId('desk').dataset.ready = 'true';
}

/** What names the brand of a card by its first digits. Without the package a card has no brand here. */
async function brands() {
  try {
    const cardseal = await import('/pkg/index.js');
    await cardseal.load();
    return cardseal;
  } catch {
    return {};
  }
}
