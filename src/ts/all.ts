// The classes of all platforms, and what every entry exports.

export { CcBill, checkCustomer } from './client-ccbill.js';
export { GpApi } from './client-gp-api.js';
export { GreenPay } from './client-greenpay.js';
export { checkField, maskField, OnlinePayments } from './client-online-payments.js';
export { WorldlineAcquiring } from './client-worldline-acquiring.js';
export * from './common.js';
export type * from './types.js';
