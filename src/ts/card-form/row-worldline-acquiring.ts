// What the card form does with a card at Worldline Acquiring.

import { given, type Of, once, type Row, send } from './row.js';

type Module = typeof import('../worldline-acquiring-inline.js');

export const row: Row<'worldline_acquiring', Module, Of<Module, 'WorldlineAcquiring'>> = {
  load: () => import('../worldline-acquiring-inline.js'),
  needs: { holder: 'optional', nickname: false, customer: false },
  client: ({ WorldlineAcquiring }, _, where) => new WorldlineAcquiring(given(where)),
  tokenize: (client, session, card, extras) => client.tokenize(session, card, send(extras)),
  pay: (client, session, card, extras) => client.pay(session, card, { ...send(extras), ...once(extras) }),
};
