// What the card form says. Each language is a file of its own beside this one, with the same members.

import type { CustomerProblem, ProblemCode } from '../types.js';

/** A sentence for each plural category of the language (`Intl.PluralRules`). `{n}` stands for the number. */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** Why a call failed, as a shopper is told. Every error code has one of these; see `failureOf`. */
export type FailureName =
  | 'declined'
  | 'details'
  | 'rejected'
  | 'attempts'
  | 'wait'
  | 'expired'
  | 'offline'
  | 'timeout'
  | 'stopped'
  | 'platform'
  | 'shop'
  | 'browser'
  | 'unknown'
  /** The card may have been charged. Nothing in it invites to another try. */
  | 'outcome_unknown';

/** Why the bank refused, as a shopper is told. Every reason of a decline has one of these; see `declineOf`. */
export type DeclineName =
  | 'declined'
  | 'funds'
  | 'expired'
  | 'blocked'
  | 'call_bank'
  | 'details'
  | 'security_code'
  | 'not_allowed'
  | 'not_accepted'
  | 'confirmation'
  | 'fraud'
  | 'attempts'
  | 'cancelled'
  | 'try_later';

/** All texts of the card form in one language. */
export interface Messages {
  /** The accessible name of the whole form. */
  form: string;
  /** Added to the label of a field that may stay empty, with its own brackets: `(optional)`. */
  optional: string;
  labels: {
    number: string;
    expiry: string;
    cvc: string;
    holder: string;
    nickname: string;
    brand: string;
    firstName: string;
    lastName: string;
    email: string;
    postalCode: string;
    country: string;
  };
  placeholders: {
    /** The letters that stand for month and year, for example `MM / YY`. */
    expiry: string;
  };
  hints: {
    /** Where three digits are. */
    cvc: string;
    /** Where the four digits of American Express are. */
    cvcFour: string;
    /** What the customer's own name for the card is good for. */
    nickname: string;
    /** Why one of several brands can be chosen. */
    brand: string;
  };
  /** What is wrong with a card, by the code of the problem. */
  problems: Record<ProblemCode, string>;
  /** The platform or the shop does not take cards of this brand. `{brand}` stands for its name. */
  brandNotAccepted: string;
  /** The name of a brand that is not known. */
  card: string;
  /** What is wrong with the customer's details, by the code of the problem. */
  customerProblems: Record<CustomerProblem['code'], string>;
  /** Above the list of mistakes. */
  summary: Plural;
  states: {
    loading: string;
    busy: string;
    /** `{brand}` and `{last4}` stand for the card. */
    done: string;
    expired: string;
  };
  /** The buttons of the form. */
  actions: {
    retry: string;
    /** Type another card after one was taken. */
    change: string;
  };
  /** Around the bank's own page, while it asks the customer. */
  authentication: {
    title: string;
    cancel: string;
  };
  failures: Record<FailureName, string>;
  declines: Record<DeclineName, string>;
}
