// What the card form does with a card at Global Payments GP API.

import { given, type Of, type Row, send } from './row.js';

type Module = typeof import('../gp-api-inline.js');

export const row: Row<'gp_api', Module, Of<Module, 'GpApi'>> = {
  load: () => import('../gp-api-inline.js'),
  needs: { holder: 'optional', nickname: false, customer: false },
  client: ({ GpApi }, _, where) => new GpApi(given(where)),
  tokenize: (client, session, card, extras) => client.tokenize(session, card, send(extras)),
  confirmToken: (client, session, token, how) => client.confirmToken(session, token, how),
};
