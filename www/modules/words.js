// The page's own sentences for stable codes: what came of payments, and of the page's own calls. What can be wrong with a
// card, and why a platform or the server refuses one, the card form says itself.

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
  network_failed: ['We cannot reach the shop.', 'Check your connection and press the button again.'],
  server_unreachable: ['We cannot reach the shop.', 'Check your connection and press the button again.'],
  request_timeout: ['The answer took too long.', 'Please press the button again.'],
  rate_limited: ['Too many attempts in a short time.', 'Please wait a minute, then press the button again.'],
  session_not_found: ['This page was out of date.', 'We have renewed it. Please press the button again.'],
  page_open: [
    'You have not finished on the payment platform’s page yet.',
    'Please finish there, or start a new payment here.',
  ],
  page_cancelled: ['You left the payment platform’s page without paying.', 'You can pay whenever you like.'],
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
  platform_setup: [
    'The shop cannot accept cards at the moment.',
    'This is not your fault, and another card will not help. Please tell the shop.',
  ],
  invalid_card_token: ['The payment platform no longer knows this saved card.', 'Please pay with a new card.'],
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
  subscription_not_found: ['This subscription does not exist.', 'The list has been refreshed.'],
  subscription_state: ['This cannot be done with the subscription as it is now.', 'The list has been refreshed.'],
  subscription_payment_open: [
    'Another payment of this subscription is not known yet.',
    'Nothing was charged. Wait until that payment is known.',
  ],
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
  sealed_changed: [
    'The encrypted card was changed on its way.',
    'Please try again. If it happens again, tell the shop.',
  ],
  module_failed: [
    'The part of this page that encrypts your card failed.',
    'Please try again. If it happens again, use another browser.',
  ],
  frame_not_ready: ['The form has not loaded yet.', 'Please wait a moment.'],
  frame_script_refused: [
    'The platform’s script did not load, or does not match the hash from the platform.',
    'None of it was run.',
  ],
  storage_unavailable: [
    'The shop cannot take orders at the moment.',
    'This is not your fault. Please try again in a few minutes.',
  ],
  outbox_full: [
    'The shop cannot take orders at the moment.',
    'This is not your fault. Please try again in a few minutes.',
  ],
  record_unreadable: ['Something went wrong at the shop.', 'Please tell the shop; trying again will not help.'],
  internal: ['Something went wrong at the shop.', 'Please try again in a few minutes.'],
};

/**
 * Heading and advice for a failure; `codes` are from {@link codesOf}. A platform may have words for codes of its own, and
 * the card form `said` something if it was its call that failed: that goes before what is known of less telling codes.
 */
export function failureWords(codes, { failures = {} } = {}, said = '') {
  for (const [index, code] of codes.entries()) {
    const [heading, advice] = failures[code] ?? (index === 0 || !said ? FAILURES[code] : null) ?? [];
    if (heading) return { heading, advice };
  }
  const [, heading, advice] = /^(.+?[.!?])(?: (.*))?$/s.exec(said) ?? [];
  if (heading) return { heading, advice: advice ?? '' };
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

const CHANGES = {
  capture_unknown: ['capture', 'captured'],
  void_unknown: ['void', 'voided'],
  refund_unknown: ['refund', 'refunded'],
};

/** Of a payment that is not known: what is going on `now`, and what the merchant does `next`. */
export function adviceFor({ status }, { name, answersLater, waitsFor }, waits) {
  if (waits)
    return {
      now: 'The customer’s bank waits for the customer to confirm the payment on its page.',
      next: 'nothing. The payment ends by itself when the customer has confirmed, or has given up.',
    };
  const [change] = CHANGES[status] ?? [];
  const lost = change ? `The answer to the ${change} was lost.` : 'The answer to the charge was lost.';
  if (answersLater)
    return {
      now: `${lost} The server asks ${name} about it until it knows.`,
      next: `wait, or check again now. If ${name} knows nothing of it for hours, look at its own records and settle it by hand.`,
    };
  return {
    now: `${lost} ${waitsFor ?? `${name} cannot be asked about it.`}`,
    next: `look for the order in ${name}’s own records, then settle it by hand.`,
  };
}

/** How a payment that is not known can have ended, as statuses with words. */
export function outcomesOf(status, parts) {
  const [change, done] = CHANGES[status] ?? [];
  if (!change)
    return [
      ['approved', 'It was charged'],
      ...(parts ? [['authorized', 'It was authorized, and not captured']] : []),
      ['failed', 'It was not charged'],
    ];
  return [
    [{ capture: 'approved', void: 'voided', refund: 'refunded' }[change], `It was ${done}`],
    [change === 'capture' ? 'authorized' : 'approved', `It was not ${done}`],
  ];
}

const SUBSCRIPTIONS = {
  pending: ['Not begun', 'plain'],
  active: ['Active', 'good'],
  not_paid: ['Not paid', 'bad'],
  on_hold: ['On hold', 'bad'],
  cancelled: ['Cancelled', 'plain'],
  failed: ['Not made', 'bad'],
  unknown: ['Not known yet', 'unsure'],
};

/** Where a subscription stands, and its tone. */
export function subscriptionWords(status) {
  const [words, tone] = SUBSCRIPTIONS[status] ?? [status, 'plain'];
  return { words, tone };
}

const DELIVERIES = { pending: ['Waiting', 'unsure'], delivered: ['Delivered', 'good'], failed: ['Given up', 'bad'] };

/** How far an event has come, and its tone. */
export function eventWords(delivery) {
  const [words, tone] = DELIVERIES[delivery] ?? [delivery, 'plain'];
  return { words, tone };
}
