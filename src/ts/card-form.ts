// The element `<cardseal-card-form>`. Importing this registers it; on a server the import does nothing.

import { CardForm } from './card-form/element.js';

const NAME = 'cardseal-card-form';

/** Registers the element, under another name if you like. The same name again does nothing. */
export function defineCardForm(name: string = NAME): void {
  const { customElements } = globalThis;
  if (!customElements || customElements.get(name)) return;
  // One class can have one name only.
  customElements.define(name, name === NAME ? CardForm : class extends CardForm {});
}

defineCardForm();

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
  Brand,
  CcBillCustomer,
  ErrorCode,
  PaymentOutcome,
  Platform,
  ServerSession,
  StoredToken,
} from './types.js';
export { CardForm };

declare global {
  interface HTMLElementTagNameMap {
    'cardseal-card-form': CardForm;
  }
}
