// The function for pages that have no card form, because the card is stored already.

import { speak } from '../languages/index.js';
import { onlyKnown, SENDING } from '../read.js';
import type { Authentication, Platform } from '../types.js';
import { type Authenticated, type AuthenticationFacts, authenticateIn } from './authentication.js';
import type { CallOptions, OwnMessages } from './backend.js';
import { loadTokenizer } from './tokenizer.js';

export interface AuthenticateOptions extends CallOptions {
  platform: Platform;
  /** Base URL of the Cardseal server. Default: the page's own origin. */
  server?: string;
  /** The language of what is around the bank's page. Default: that of the page. */
  lang?: string;
  messages?: OwnMessages;
  theme?: 'auto' | 'light' | 'dark';
  /** Is told how far it is. */
  onchange?: (facts: AuthenticationFacts) => void;
}

/** See `authenticate` of card-form.ts. */
export async function authenticate(
  begun: Partial<Authentication>,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  onlyKnown(options, () => {}, ...SENDING, 'platform', 'server', 'lang', 'messages', 'theme', 'onchange');
  const { platform, server = '', lang, messages, theme = 'auto', onchange, signal, timeoutMs } = options;
  const tokenizer = await loadTokenizer(platform);
  try {
    const texts = await speak(lang ?? (document.documentElement.lang || 'en'), messages);
    return await authenticateIn(
      { document, texts, theme, style: {} },
      begun,
      (ask, how) => tokenizer.authentication(ask, { ...how, server }),
      { ...(signal && { signal }), ...(timeoutMs === undefined ? {} : { timeoutMs }) },
      (facts) => onchange?.(facts),
    );
  } finally {
    tokenizer.free();
  }
}
