// The element `<cardseal-card-form>`. Importing this registers it; on a server the import does nothing.

import type { AuthenticateOptions } from './card-form/authenticate.js';
import type { Authenticated } from './card-form/authentication.js';
import { CardForm } from './card-form/element.js';
import type { Authentication } from './types.js';

const NAME = 'cardseal-card-form';

/** Registers the element, under another name if you like. The same name again does nothing. */
export function defineCardForm(name: string = NAME): void {
  const { customElements } = globalThis;
  if (!customElements || customElements.get(name)) return;
  // One class can have one name only.
  customElements.define(name, name === NAME ? CardForm : class extends CardForm {});
}

defineCardForm();

/**
 * Takes the customer through an authentication (3-D Secure) that your back end has begun for a stored card, as
 * {@link CardForm.authenticate} does, on a page without a card form.
 */
export async function authenticate(
  begun: Partial<Authentication>,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  // Fetched when it is needed: most pages that load this have a form.
  const { authenticate } = await import('./card-form/authenticate.js');
  return authenticate(begun, options);
}

export type { Authenticated, AuthenticationFacts } from './card-form/authentication.js';
export type {
  CallOptions as CardFormCallOptions,
  OwnMessages,
  PayOptions as CardFormPayOptions,
  SessionReason,
} from './card-form/backend.js';
export type { CardFormEvents, CardFormProperties, CardFormState, CardFormStatus } from './card-form/element.js';
export { CardsealError } from './error.js';
export type { Messages } from './languages/messages.js';
export type {
  Authentication,
  AuthenticationStatus,
  AuthenticationStep,
  Brand,
  CcBillCustomer,
  ErrorCode,
  PaymentOutcome,
  Platform,
  ServerSession,
  StoredToken,
} from './types.js';
export type { AuthenticateOptions };
export { CardForm };

declare global {
  interface HTMLElementTagNameMap {
    'cardseal-card-form': CardForm;
  }
}
