// Compiled only, never run: the card form is used the way a page uses it, under `strict`.

import {
  type Brand,
  CardForm,
  type CardFormCallOptions,
  type CardFormEvents,
  type CardFormPayOptions,
  type CardFormState,
  type CardFormStatus,
  CardsealError,
  defineCardForm,
  type Messages,
  type OwnMessages,
  type PaymentOutcome,
  type ServerSession,
  type SessionReason,
  type StoredToken,
} from 'cardseal/card-form';

defineCardForm();
defineCardForm('shop-card');

const found: CardForm | null = document.querySelector('cardseal-card-form');
const form: CardForm = found ?? document.createElement('cardseal-card-form');

form.platform = 'greenpay';
form.server = 'https://pay.shop.example';
form.customer = 'customer-7';
form.name = 'card_token';
form.required = true;
form.disabled = false;
form.holder = 'optional';
form.nickname = true;
form.acceptedBrands = ['visa', 'mastercard'];
form.customerDetails = { email: 'ana@shop.example' };
form.theme = 'dark';
form.fieldsUrl = 'https://fields.shop.example/card-fields.html';
form.openSession = async (why: SessionReason): Promise<ServerSession> =>
  (await fetch(`/session?why=${why}`)).json() as Promise<ServerSession>;

const own: OwnMessages = { de: { labels: { holder: 'Name' } }, tlh: { form: 'chaw’' } };
form.messages = own;
declare const all: Messages;
form.messages = { en: all };
declare const session: ServerSession;
form.session = session;
form.session = JSON.stringify(session);
form.session = null;
// @ts-expect-error: no such platform
form.platform = 'nopay';

const state: CardFormState = form.state;
const brand: Brand | null = form.brand;
const brands: Brand[] = form.brands;
const facts: [string | null, StoredToken | null, HTMLFormElement | null, ValidityState, string, boolean] = [
  form.last4,
  form.token,
  form.form,
  form.validity,
  form.validationMessage,
  form.willValidate,
];
// @ts-expect-error: only the form says what state it is in
form.state = 'done';

form.addEventListener('statechange', ({ detail }) => {
  const status: CardFormStatus = detail;
  console.log(status.state, status.valid, state, brand, brands, facts);
});
form.addEventListener('failure', ({ detail: { error, message } }) => console.log(error.code, message));
form.addEventListener('token', (event: CardFormEvents['token']) => console.log(event.detail.token.id));
form.addEventListener('payment', ({ detail }) => console.log(detail.outcome.status));
form.addEventListener('sessionexpired', () => form.clear());
form.addEventListener('click', ({ clientX }) => console.log(clientX));
form.addEventListener('other', (event) => console.log(event.type));

const options: CardFormCallOptions = { signal: AbortSignal.timeout(1000), timeoutMs: 1000 };
const paying: CardFormPayOptions = { ...options, store: true };
try {
  const token: StoredToken = await form.tokenize(options);
  const outcome: PaymentOutcome = await form.pay(paying);
  console.log(token.last4, outcome.redirect?.url);
} catch (error) {
  if (error instanceof CardsealError) console.log(error.problems);
}
const valid: [boolean, boolean, boolean] = [form.checkValidity(), form.reportValidity(), await form.check()];
form.focus();
console.log(valid, form instanceof CardForm);
