// `cardseal/worker`: the API of `cardseal`, run by a dedicated worker. Every method returns a promise.

import type * as page from "./index.js";

export * from "./index.js";

type Later<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : Promise<F>;
type Remote<T> = { readonly [K in keyof T]: Later<T[K]> };
/** A function cannot be handed to a worker, which has a clock and a `fetch` of its own. */
type Plain<O> = Omit<O, "now" | "fetch">;

export interface LoadOptions {
  /**
   * The URL of `cardseal/worker-host.js` as your server has it, or a worker made of it. Where the page requires Trusted
   * Types, a URL has to be a `TrustedScriptURL`. Default: beside this module.
   */
  worker?: string | URL | Worker | { toString(): string; toJSON(): string };
}

/** Starts the worker and has it load the module. Repeated calls give the same promise until it fails. */
export function load(options?: LoadOptions): Promise<void>;

/** Ends the worker and everything in it. Calls under way fail with `request_aborted`; `load` may be called again. */
export function terminate(): void;

export function validateCard(card: Partial<page.CardInput>, options?: Plain<page.ValidateOptions>): Promise<page.Validation>;
export const candidateBrands: Later<typeof page.candidateBrands>;
export const formatCardNumber: Later<typeof page.formatCardNumber>;
export const formatExpiry: Later<typeof page.formatExpiry>;
export const formatSecurityCode: Later<typeof page.formatSecurityCode>;
/** The input is left alone if it was typed in meanwhile. */
export const formatCardNumberInput: Later<typeof page.formatCardNumberInput>;
export const formatExpiryInput: Later<typeof page.formatExpiryInput>;
export const formatSecurityCodeInput: Later<typeof page.formatSecurityCodeInput>;
export const openSessionRequest: Later<typeof page.openSessionRequest>;
export const openSession: Later<typeof page.openSession>;

export type GreenPay = Remote<page.GreenPay>;
/** What the options lack is thrown by the first call of a method. */
export const GreenPay: new (options: Plain<page.GreenPayOptions>) => GreenPay;
export type CcBill = Remote<page.CcBill>;
export const CcBill: new (options?: Plain<page.CcBillOptions>) => CcBill;
export type GpApi = Remote<page.GpApi>;
export const GpApi: new (options?: Plain<page.GpApiOptions>) => GpApi;
export type OnlinePayments = Remote<page.OnlinePayments>;
export const OnlinePayments: new (options?: Plain<page.OnlinePaymentsOptions>) => OnlinePayments;
export type WorldlineAcquiring = Remote<page.WorldlineAcquiring>;
export const WorldlineAcquiring: new (options?: Plain<page.WorldlineAcquiringOptions>) => WorldlineAcquiring;
