// Amounts stay decimal text from the field to the server: a float would turn 19.99 into something else.

/** How many decimals a currency has: two for most, none for the yen. */
function decimalsOf(currency) {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits;
  } catch {
    return 2;
  }
}

/** `12`, `12.5`, `12,50` become `12.00`, `12.50`, `12.50`; anything that is no amount above zero is null. */
export function parseAmount(text, currency) {
  const decimals = decimalsOf(currency);
  const match = new RegExp(`^(\\d{1,9})(?:[.,](\\d{1,${decimals || 1}}))?$`).exec(text.replace(/[\s\u00a0]/g, ''));
  if (!match || (decimals === 0 && match[2])) return null;
  const whole = match[1].replace(/^0+(?=\d)/, '');
  const amount = decimals > 0 ? `${whole}.${(match[2] ?? '').padEnd(decimals, '0')}` : whole;
  return /[1-9]/.test(amount) ? amount : null;
}

/** The smallest units of a decimal text. */
const units = (amount, decimals) => {
  const [whole, part = ''] = amount.split('.');
  return BigInt(whole + part.padEnd(decimals, '0').slice(0, decimals));
};

/** `left` minus `right`, as decimal text; zero if nothing is left. */
export function minus(left, right, currency) {
  const decimals = decimalsOf(currency);
  const rest = units(left, decimals) - units(right, decimals);
  const digits = String(rest > 0n ? rest : 0n).padStart(decimals + 1, '0');
  return decimals > 0 ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits;
}

/** Whether an amount is zero. */
export const isZero = (amount) => !/[1-9]/.test(amount);

/** Whether `left` is more than `right`. */
export const exceeds = (left, right, currency) =>
  units(left, decimalsOf(currency)) > units(right, decimalsOf(currency));

/** For people: `$24.50`. */
export function showMoney(amount, currency) {
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'narrowSymbol' }).format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
}

const PRICES = {
  USD: '24.50',
  CRC: '12500.00',
  GTQ: '190.00',
  EUR: '22.50',
  GBP: '19.50',
  CAD: '33.00',
  JPY: '3600',
  KWD: '7.500',
};

/** What the order costs until somebody changes it. */
export const priceIn = (currency) => PRICES[currency] ?? parseAmount('24', currency);
