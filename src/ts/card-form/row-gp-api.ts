// What the card form does with a card at Global Payments GP API.

import { given, type Of, type Row, send } from './row.js';

type Module = typeof import('../gp-api-inline.js');

export const row: Row<'gp_api', Module, Of<Module, 'GpApi'>> = {
  load: () => import('../gp-api-inline.js'),
  needs: { holder: 'optional', nickname: false, customer: false },
  client: ({ GpApi }, _, where) => new GpApi(given(where)),
  tokenize: (client, session, card, extras) => client.tokenize(session, card, send(extras)),
  confirmToken: (client, session, token, how) => client.confirmToken(session, token, how),
  async authentication({ GpApi }, ask, how) {
    const client = new GpApi(given(how));
    try {
      if (ask.what === 'read') return client.readAuthentication(ask.answer);
      if (ask.what === 'result') return await client.authenticationResult(ask.id, send(how));
      return await client.initiateAuthentication(ask.id, ask.browser, send(how));
    } finally {
      client.free();
    }
  },
};
