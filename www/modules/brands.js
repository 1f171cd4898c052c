// What brands are called, and their marks in the lists.

import { make } from './dom.js';

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

export const brandName = (brand) => BRANDS[brand] ?? 'Card';

/** A lettered badge that says the brand's name to those who cannot see it. */
export function brandMark(brand) {
  if (!Object.hasOwn(BRANDS, brand ?? '')) return make('span', { class: 'brand brand-card', 'aria-hidden': 'true' });
  return make('span', { class: `brand brand-${brand}`, role: 'img', 'aria-label': brandName(brand) });
}
