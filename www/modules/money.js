// Amounts stay decimal text from the field to the server: a float would turn 19.99 into something else.

/** `12`, `12.5`, `12,50` become `12`, `12.50`, `12.50`; anything else is null. */
export function parseAmount(text) {
  const match = /^(\d{1,9})(?:[.,](\d{1,2}))?$/.exec(text.replace(/[\s\u00a0]/g, ''));
  if (!match) return null;
  const whole = match[1].replace(/^0+(?=\d)/, '');
  const amount = whole + '.' + (match[2] ?? '').padEnd(2, '0');
  return /[1-9]/.test(amount) ? amount : null;
}

/** For people: `$24.50`. */
export function showMoney(amount, currency) {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'narrowSymbol' }).format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
}

/** What the order costs until somebody changes it. */
export const PRICES = { USD: '24.50', CRC: '12500.00', GTQ: '190.00' };
