// What a shopper is told: a name for every error code, for every code of the server, and for every reason of a decline.
// A test compares the tables with the lists of codes.

import type { CardsealError } from '../error.js';
import type { DeclineName, FailureName } from '../languages/messages.js';
import type { ErrorCode } from '../types.js';

const ERRORS: Record<ErrorCode, FailureName> = {
  key_missing: 'shop',
  key_malformed: 'shop',
  key_is_private: 'shop',
  key_is_certificate: 'shop',
  key_not_rsa: 'shop',
  key_exponent_invalid: 'shop',
  key_too_short: 'shop',
  key_modulus_invalid: 'shop',
  random_unavailable: 'browser',
  counter_does_not_fit: 'shop',
  encryption_failed: 'browser',
  card_invalid: 'details',
  customer_invalid: 'details',
  type_invalid: 'unknown',
  option_invalid: 'unknown',
  session_malformed: 'shop',
  session_expired: 'expired',
  session_wrong_kind: 'shop',
  session_wrong_platform: 'shop',
  session_host_refused: 'shop',
  answer_malformed: 'platform',
  signature_invalid: 'platform',
  platform_rejected: 'rejected',
  card_declined: 'declined',
  platform_unavailable: 'platform',
  server_rejected: 'unknown',
  too_many_attempts: 'attempts',
  authentication_cancelled: 'stopped',
  request_timeout: 'timeout',
  request_aborted: 'stopped',
  network_failed: 'offline',
  not_loaded: 'unknown',
  module_failed: 'unknown',
  load_failed: 'offline',
};

/** The server's own codes. A code that the package has as well means the same here. */
const SERVER: Record<string, FailureName> = {
  bad_json: 'unknown',
  duplicate_field: 'unknown',
  body_too_large: 'unknown',
  request_timeout: 'timeout',
  unsupported_media_type: 'unknown',
  unknown_field: 'unknown',
  field_missing: 'unknown',
  field_type: 'unknown',
  field_invalid: 'details',
  clear_card_data: 'details',
  amount_invalid: 'shop',
  currency_not_supported: 'shop',
  api_key_missing: 'shop',
  api_key_invalid: 'shop',
  api_key_revoked: 'shop',
  api_key_expired: 'shop',
  api_key_scope: 'shop',
  origin_not_allowed: 'shop',
  rate_limited: 'wait',
  session_not_found: 'expired',
  session_used: 'expired',
  page_open: 'unknown',
  page_cancelled: 'stopped',
  sealed_oversized: 'unknown',
  sealed_malformed: 'unknown',
  sealed_algorithm: 'unknown',
  sealed_key_unknown: 'expired',
  sealed_wrong_session: 'expired',
  sealed_expired: 'expired',
  sealed_ephemeral_key: 'unknown',
  sealed_changed: 'unknown',
  sealed_not_a_card: 'details',
  token_not_found: 'shop',
  token_deleted: 'shop',
  // Another card helps.
  token_belongs_elsewhere: 'rejected',
  token_unconfirmed: 'platform',
  authentication_not_found: 'expired',
  authentication_unusable: 'shop',
  payment_not_found: 'shop',
  payment_state: 'shop',
  subscription_not_found: 'shop',
  subscription_state: 'shop',
  subscription_payment_open: 'shop',
  order_reference_used: 'shop',
  idempotency_key_invalid: 'unknown',
  idempotency_key_reused: 'unknown',
  idempotency_in_progress: 'wait',
  platform_busy: 'platform',
  platform_timeout: 'platform',
  platform_answer_invalid: 'platform',
  platform_setup: 'shop',
  not_offered: 'shop',
  partial_refund_not_offered: 'shop',
  storage_unavailable: 'platform',
  outbox_full: 'platform',
  event_not_found: 'shop',
  record_unreadable: 'shop',
  not_found: 'shop',
  method_not_allowed: 'shop',
  internal: 'unknown',
};

/** Codes of platforms that mean something else to a shopper than "refused". */
const PLATFORM: Record<string, FailureName> = {
  invalid_session_token: 'expired',
  not_decryptable: 'shop',
  merchant_unknown: 'shop',
  terminal_unknown: 'shop',
  platform_setup: 'shop',
};

const own = <T>(table: Record<string, T>, name: unknown): T | undefined =>
  typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined;

/** Why a call failed, as a shopper is told. */
export function failureOf(error: unknown): FailureName {
  const { code, platformCode, status, outcomeUnknown } = (error ?? {}) as Partial<CardsealError>;
  if (outcomeUnknown) return 'outcome_unknown';
  if (code === 'server_rejected') return own(SERVER, platformCode) ?? ((status ?? 0) >= 500 ? 'platform' : 'unknown');
  if (code === 'platform_rejected') return own(PLATFORM, platformCode) ?? 'rejected';
  return own(ERRORS, code) ?? 'unknown';
}

/** What the server's code is called, for those that compare the table with the server's list. */
export const serverFailureOf = (code: string): FailureName | undefined => own(SERVER, code) ?? own(ERRORS, code);

const DECLINES: Record<string, DeclineName> = {
  declined: 'declined',
  do_not_honor: 'declined',
  do_not_try_again: 'declined',
  earlier_attempt_declined: 'declined',
  undetermined: 'declined',
  not_processed: 'declined',
  capture_refused: 'declined',
  insufficient_funds: 'funds',
  expired_card: 'expired',
  card_lost_or_stolen: 'blocked',
  refer_to_issuer: 'call_bank',
  invalid_card: 'details',
  invalid_expiry: 'details',
  invalid_address: 'details',
  card_details_outdated: 'details',
  security_code_needed: 'security_code',
  invalid_transaction: 'not_allowed',
  invalid_amount: 'not_allowed',
  not_permitted: 'not_allowed',
  not_authorized: 'not_allowed',
  rejected_by_issuer: 'not_allowed',
  wrong_pin: 'not_allowed',
  bank_not_supported: 'not_allowed',
  card_type_not_accepted: 'not_accepted',
  card_not_accepted: 'not_accepted',
  prepaid_refused: 'not_accepted',
  authentication_required: 'confirmation',
  authentication_failed: 'confirmation',
  wallet_error: 'confirmation',
  fraud_suspected: 'fraud',
  suspected_fraud: 'fraud',
  too_many_attempts: 'attempts',
  cancelled_by_customer: 'cancelled',
  issuer_unavailable: 'try_later',
  bank_unreachable: 'try_later',
  bank_error: 'try_later',
  system_error: 'try_later',
  technical: 'try_later',
  timed_out_and_reversed: 'try_later',
  try_again_later: 'try_later',
  // What only the shop can put right. The shopper learns that this payment was refused.
  invalid_merchant: 'not_allowed',
  invalid_terminal: 'not_allowed',
  site_not_open: 'not_allowed',
  signup_rules_unknown: 'not_allowed',
  pricing_invalid: 'not_allowed',
  already_subscribed: 'not_allowed',
  trial_already_used: 'not_allowed',
  subscription_unknown: 'not_allowed',
  merchant_setup: 'not_allowed',
  merchant_inactive: 'not_allowed',
};

/** Why the bank refused, as a shopper is told. */
export const declineOf = (reason: string | undefined): DeclineName => own(DECLINES, reason) ?? 'declined';

/** Whether the table has the reason itself. */
export const knowsDecline = (reason: string): boolean => own(DECLINES, reason) !== undefined;
