// How a stored card is named, on both pages.

import { brandName } from './brands.js';

const when = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** A moment, for people. */
export const moment = (text) => (text ? when.format(new Date(text)) : '');

const expiryText = (expiry) =>
  expiry ? `${String(expiry.month).padStart(2, '0')} / ${String(expiry.year % 100).padStart(2, '0')}` : 'unknown';

/** Its `name`, `which` one it is for those who hear a button, and `facts` below the name. */
export function cardWords(token, brand, platform) {
  const name = token.nickname ?? brandName(brand);
  const saved = token.created_at ? `saved ${moment(token.created_at)}` : '';
  return {
    name,
    which: token.last4 ? `${name}, ending in ${token.last4}` : `${name}, ${saved}`,
    facts: token.last4
      ? `${brandName(brand)} •••• ${token.last4}, expires ${expiryText(token.expiry)}`
      : `${platform.name} does not tell its digits, ${saved}`,
  };
}

/** The likeliest brand for the first digits. Nobody can say before the package has loaded a platform's code. */
export function brandOfDigits({ candidateBrands }, digits) {
  try {
    return candidateBrands(digits)[0] ?? null;
  } catch {
    return null;
  }
}
