// What a page needs to do the same work without the package: packing, checking a card and formatting it while it is typed.
// Entry of a bundle; not part of the package.

export { default as validator } from 'card-validator';
export { formatCreditCard, formatDate, formatGeneral, getCreditCardType, registerCursorTracker } from 'cleave-zen';
export { packer } from './peers.mjs';
