// What the card form does with a card at GreenPay.

import { given, type Of, once, type Row, send } from './row.js';

type Module = typeof import('../greenpay-inline.js');

export const row: Row<'greenpay', Module, Of<Module, 'GreenPay'>> = {
  load: () => import('../greenpay-inline.js'),
  needs: { holder: 'required', nickname: true, customer: false },
  charges: true,
  client: ({ GreenPay }, { public_key: publicKey }, where) => new GreenPay({ publicKey, ...given(where) }),
  tokenize: (client, session, card, extras) => client.tokenize(session, card, send(extras)),
  update: (client, session, card, extras) => client.updateToken(session, card, send(extras)),
  confirmToken: (client, session, token, how) => client.confirmToken(session, token, how),
  async pay(client, session, card, extras) {
    const outcome = await client.pay(session, card, {
      ...send(extras),
      ...(extras.kountSession && { kountSession: extras.kountSession }),
      ...(extras.store && { tokenize: true }),
      ...(session.mode === 'relay' && once(extras)),
    });
    if (session.mode !== 'direct' || outcome.id) return outcome;
    // The shop did not see this payment. If it cannot be told now, the platform's notification will tell it.
    return client.confirmPayment(session, outcome, { ...send(extras), ...once(extras) }).catch(() => outcome);
  },
};
