// The page's own sentences for stable codes. The package and the server bring English messages too, but those
// are for developers; a shop writes to its customers in its own words and language.

const PROBLEMS = {
  number_missing: 'Type the card number.',
  number_not_digits: 'A card number has only digits.',
  number_too_short: 'The card number is not complete.',
  number_too_long: 'The card number has too many digits.',
  number_length: 'The card number has too few or too many digits.',
  number_check_digit: 'Please compare this number with your card: a digit may be wrong.',
  expiry_missing: 'Type the expiry date.',
  expiry_malformed: 'Type month and year, for example 08 / 29.',
  expiry_month: 'The month must be 01 to 12.',
  expiry_past: 'This card has expired.',
  expiry_too_far: 'This year is too far in the future. Please check it.',
  cvc_missing: 'Type the security code.',
  cvc_not_digits: 'A security code has only digits.',
  cvc_length: 'The security code is not complete.',
  holder_missing: 'Type the name as it appears on the card.',
  holder_too_short: 'Type the whole name, at least 5 letters.',
  holder_too_long: 'This name is too long.',
  holder_characters: 'This name contains a character that cannot be used.',
  holder_is_card_number: 'This looks like a card number. Type the name here.',
  nickname_too_short: 'Use at least 6 characters.',
  nickname_too_long: 'Use 49 characters at most.',
  nickname_characters: 'This name contains a character that cannot be used.',
  nickname_is_card_number: 'This looks like a card number. Choose another name.',
};

/** One sentence for one thing wrong with a card. */
export function problemWords(problem) {
  return PROBLEMS[problem.code] ?? problem.message;
}

const CUSTOMER_PROBLEMS = {
  missing: {
    firstName: 'Type your first name.',
    lastName: 'Type your last name.',
    email: 'Type your email address.',
    postalCode: 'Type your postal code.',
    country: 'Choose your country.',
  },
  malformed: { email: 'This is not an email address.', postalCode: 'This is not a postal code in that country.' },
};
const CUSTOMER_WORDS = {
  missing: 'Please fill this in.',
  malformed: 'Please check this.',
  too_long: 'This is too long.',
  characters: 'Please write this without accents: the platform accepts only plain letters.',
  is_card_number: 'This looks like a card number. It belongs in the field above.',
};

/** One sentence for one thing wrong with the customer's details. */
export function customerWords({ field, code, message }) {
  return CUSTOMER_PROBLEMS[code]?.[field] ?? CUSTOMER_WORDS[code] ?? message;
}

const DECLINES = {
  insufficient_funds: 'There is not enough money on the card.',
  expired_card: 'The bank says that this card has expired.',
  card_lost_or_stolen: 'The bank has blocked this card. Please call the number on its back.',
  refer_to_issuer: 'The bank wants to speak with you first. Please call the number on the back of the card.',
  do_not_honor: 'The bank said no and gave no reason.',
  invalid_card: 'The bank does not know this card.',
  invalid_amount: 'The bank does not accept this amount.',
  invalid_transaction: 'The bank does not allow this kind of payment.',
  invalid_merchant: 'The bank does not accept payments to this shop.',
  invalid_terminal: 'The bank does not accept payments to this shop at the moment.',
  bank_not_supported: 'This bank cannot be reached for this kind of payment.',
  wrong_pin: 'The bank asks for a PIN, which cannot be typed online.',
  not_permitted: 'The bank does not permit this payment with this card.',
  issuer_unavailable: 'The bank did not answer. You can try again in a few minutes.',
  system_error: 'The bank has a technical problem. You can try again in a few minutes.',
  timed_out_and_reversed: 'The bank took too long, and the payment was reversed.',
  authentication_required: 'The bank wants you to confirm this payment, which this shop does not support yet.',
  authentication_failed: 'The bank asked you to confirm this payment, and that failed.',
  fraud_suspected: 'The payment was stopped by a fraud check.',
  suspected_fraud: 'The payment was stopped by a fraud check.',
  rejected_by_issuer: 'The bank does not allow this payment with this card.',
  technical: 'The payment platform has a technical problem. You can try again in a few minutes.',
  cancelled_by_customer: 'The payment was cancelled before it was made.',
  bank_unreachable: 'The bank could not be reached. You can try again in a few minutes.',
  bank_error: 'The bank has a technical problem. You can try again in a few minutes.',
  try_again_later: 'The payment platform is busy. You can try again in a few minutes.',
  card_type_not_accepted: 'The shop does not accept this kind of card.',
  card_not_accepted: 'The shop does not accept this card.',
  prepaid_refused: 'The shop does not accept prepaid cards.',
  too_many_attempts: 'This card was tried too often today.',
  invalid_expiry: 'The bank has a different expiry date for this card.',
  invalid_address: 'The bank has a different address for this card.',
  security_code_needed: 'The bank needs the security code of this card.',
  capture_refused: 'The bank held the amount, but did not pay it out.',
  declined: 'The bank said no.',
};

/** Why a payment was declined. */
export function declineWords(decline) {
  return DECLINES[decline?.reason] ?? DECLINES.declined;
}

// [heading, what to do]. What has happened to the money is said by the caller, who knows how far it got.
const FAILURES = {
  customer_invalid: ['Some of your details are not right.', 'Please look at the fields marked above.'],
  card_invalid: ['Some card details are not right.', 'Please look at the fields marked above.'],
  network_failed: ['We cannot reach the shop.', 'Check your connection and press the button again.'],
  server_unreachable: ['We cannot reach the shop.', 'Check your connection and press the button again.'],
  request_timeout: ['The answer took too long.', 'Please press the button again.'],
  request_aborted: ['The request was stopped.', 'Please press the button again.'],
  rate_limited: ['Too many attempts in a short time.', 'Please wait a minute, then press the button again.'],
  too_many_attempts: ['Too many cards were tried.', 'Please wait a minute, then reload the page.'],
  session_expired: ['This page was open for too long.', 'We have renewed it. Please press the button again.'],
  session_used: ['This page was out of date.', 'We have renewed it. Please press the button again.'],
  session_not_found: ['This page was out of date.', 'We have renewed it. Please press the button again.'],
  page_open: [
    'You have not finished on the payment platform’s page yet.',
    'Please finish there, or start a new payment here.',
  ],
  page_cancelled: ['You left the payment platform’s page without paying.', 'You can pay whenever you like.'],
  session_host_refused: [
    'The shop tried to send your card to an address that does not belong to the payment platform.',
    'Nothing was sent. Please tell the shop.',
  ],
  session_wrong_kind: ['This page was out of date.', 'We have renewed it. Please press the button again.'],
  platform_unavailable: [
    'The payment platform cannot be reached.',
    'This is not your fault. Please try again in a few minutes.',
  ],
  platform_busy: ['The payment platform is very busy.', 'Nothing was sent to it. Please try again in a moment.'],
  platform_timeout: [
    'The payment platform did not answer in time.',
    'This is not your fault. Please try again in a few minutes.',
  ],
  platform_answer_invalid: [
    'The payment platform answered with something we do not understand.',
    'Please try again in a few minutes.',
  ],
  answer_malformed: ['We got an answer that we do not understand.', 'Please try again in a few minutes.'],
  signature_invalid: [
    'The answer did not have the payment platform’s signature, so we do not trust it.',
    'We did not use it. Please tell the shop.',
  ],
  platform_rejected: ['The payment platform refused the card.', 'Please check the details, or use another card.'],
  card_declined: ['Your bank declined the card.', 'Nothing was charged. Please use another card.'],
  platform_setup: [
    'The shop cannot accept cards at the moment.',
    'This is not your fault, and another card will not help. Please tell the shop.',
  ],
  not_decryptable: [
    'The payment platform could not decrypt the card.',
    'The shop’s key is wrong. Please tell the shop; trying again will not help.',
  ],
  sealed_expired: ['This page was out of date.', 'We have renewed it. Please press the button again.'],
  sealed_key_unknown: ['This page was out of date.', 'We have renewed it. Please press the button again.'],
  sealed_changed: [
    'The encrypted card was changed on its way.',
    'Please try again. If it happens again, tell the shop.',
  ],
  sealed_not_a_card: ['The shop could not use these card details.', 'Please check them, or use another card.'],
  invalid_pan: [
    'The payment platform does not know this card number.',
    'Please check the number, or use another card.',
  ],
  invalid_card_token: ['The payment platform no longer knows this saved card.', 'Please pay with a new card.'],
  invalid_session_token: ['This page was out of date.', 'Please press the button again.'],
  merchant_unknown: [
    'The payment platform does not know this shop.',
    'Please tell the shop; trying again will not help.',
  ],
  terminal_unknown: ['The shop does not accept this currency.', 'Please choose another one.'],
  too_late: ['It is too late for this.', 'A payment can be voided for only a few hours, and refunded for a few days.'],
  transaction_not_found: ['The payment platform does not know this payment.', 'Please tell the shop.'],
  token_not_found: ['This saved card is gone.', 'The list has been refreshed.'],
  token_deleted: ['This saved card was deleted.', 'The list has been refreshed.'],
  token_belongs_elsewhere: [
    'This card belongs to another customer or another page.',
    'It was not used. Please reload the page and type the card again.',
  ],
  token_unconfirmed: ['The payment platform has not confirmed this card yet.', 'Please try again in a moment.'],
  order_reference_used: ['This order was already paid.', 'Please look at the list of payments.'],
  partial_refund_not_offered: ['The payment platform refunds whole payments only.', ''],
  field_invalid: ['The shop’s server does not accept what was typed.', 'Please check the fields.'],
  payment_not_found: ['This payment does not exist.', 'The list has been refreshed.'],
  payment_state: ['This cannot be done with the payment as it is now.', 'The list has been refreshed.'],
  amount_invalid: ['The shop does not accept this amount.', 'Please change it.'],
  currency_not_supported: ['The shop does not accept this currency.', 'Please choose another one.'],
  not_offered: ['The payment platform does not offer this.', ''],
  idempotency_key_reused: [
    'This payment was already requested with other details.',
    'Please reload the page before you pay.',
  ],
  origin_not_allowed: [
    'The shop’s server does not accept calls from this address.',
    'Add the address of this page to server.allowed_origins.',
  ],
  api_key_missing: [
    'The shop’s server needs its API key for this.',
    'Start it with demo.enabled, or call it from the shop’s own server.',
  ],
  clear_card_data: [
    'Stopped: something that looks like a card number was about to be stored in the clear.',
    'Please keep card numbers out of the other fields.',
  ],
  encryption_failed: [
    'This browser could not encrypt your card.',
    'Browsers can do that only on https pages. Please tell the shop, or use another browser.',
  ],
  frame_not_ready: ['The form has not loaded yet.', 'Please wait a moment.'],
  frame_script_refused: [
    'The platform’s script did not load, or does not match the hash from the platform.',
    'None of it was run.',
  ],
  module_failed: [
    'The part of this page that encrypts your card failed.',
    'Please try again. If it happens again, use another browser.',
  ],
  random_unavailable: [
    'This browser has no secure random numbers.',
    'Your card cannot be encrypted safely without them. Please use another browser.',
  ],
  key_malformed: ['The shop’s key is damaged.', 'Please tell the shop; trying again will not help.'],
  storage_unavailable: [
    'The shop cannot take orders at the moment.',
    'This is not your fault. Please try again in a few minutes.',
  ],
  record_unreadable: ['Something went wrong at the shop.', 'Please tell the shop; trying again will not help.'],
  internal: ['Something went wrong at the shop.', 'Please try again in a few minutes.'],
};

/** Heading and advice for a failure; `codes` are from {@link codesOf}. A platform may have words for codes of its own. */
export function failureWords(codes, { failures = {} } = {}) {
  for (const code of codes) {
    const [heading, advice] = failures[code] ?? FAILURES[code] ?? [];
    if (heading) return { heading, advice };
  }
  return {
    heading: 'That did not work.',
    advice: `Please try again. If it happens again, tell the shop this code: ${codes[0] ?? 'unknown'}.`,
  };
}

/** The codes that an error carries, the most telling first. */
export function codesOf(error) {
  // A server, or something before it, that fails without saying how.
  if (error?.code === 'server_rejected' && !error.platformCode && error.status >= 500) return ['internal'];
  return [error?.platformCode, error?.code].filter((code) => typeof code === 'string');
}

const STATES = {
  approved: ['Paid', 'good'],
  authorized: ['Authorized', 'info'],
  partially_refunded: ['Partly refunded', 'plain'],
  declined: ['Declined', 'bad'],
  unknown: ['Not known yet', 'unsure'],
  voided: ['Voided', 'plain'],
  refunded: ['Refunded', 'plain'],
  capture_unknown: ['Capture not known yet', 'unsure'],
  void_unknown: ['Void not known yet', 'unsure'],
  refund_unknown: ['Refund not known yet', 'unsure'],
  failed: ['Not charged', 'bad'],
};

/** What a payment's status is called, and its tone. */
export function stateWords(status) {
  const [words, tone] = STATES[status] ?? [status, 'plain'];
  return { words, tone };
}

const BRANDS = {
  visa: 'Visa',
  mastercard: 'Mastercard',
  amex: 'American Express',
  discover: 'Discover',
  diners: 'Diners Club',
  jcb: 'JCB',
  unionpay: 'UnionPay',
  verve: 'Verve',
  rupay: 'RuPay',
  troy: 'Troy',
  maestro: 'Maestro',
  elo: 'Elo',
  mir: 'Mir',
  hipercard: 'Hipercard',
  cartes_bancaires: 'Cartes Bancaires',
  bancontact: 'Bancontact',
  dankort: 'Dankort',
};

export function brandName(brand) {
  return BRANDS[brand] ?? 'Card';
}

export function hasBrandMark(brand) {
  return Object.hasOwn(BRANDS, brand);
}
