// Names and small marks of the brands. The marks are our own lettered badges, drawn by DOM calls: nothing is fetched,
// and a strict Content-Security-Policy allows them.

import type { Brand } from '../types.js';

/** Name, letters on the badge, their colour and the badge's. */
const BRANDS: Record<Brand, readonly [name: string, letters: string, ink: string, paper: string]> = {
  visa: ['Visa', 'VISA', '#fff', '#1f3a8a'],
  mastercard: ['Mastercard', 'MC', '#ffb347', '#3b3b3b'],
  amex: ['American Express', 'AMEX', '#fff', '#0b6e99'],
  discover: ['Discover', 'DISC', '#9a4a00', '#f3ece0'],
  diners: ['Diners Club', 'DINERS', '#fff', '#2f5573'],
  jcb: ['JCB', 'JCB', '#fff', '#0e6b3d'],
  unionpay: ['UnionPay', 'UPAY', '#fff', '#8a1c2c'],
  verve: ['Verve', 'VERVE', '#fff', '#00425f'],
  rupay: ['RuPay', 'RuPay', '#fff', '#1b3281'],
  troy: ['Troy', 'TROY', '#002b3a', '#00b1b4'],
  maestro: ['Maestro', 'MAES', '#ffd9d4', '#23568f'],
  elo: ['Elo', 'ELO', '#ffe27a', '#1d1d1f'],
  mir: ['Mir', 'MIR', '#e9fff5', '#0c7a5b'],
  hipercard: ['Hipercard', 'HIPER', '#fff', '#9b1c1c'],
  cartes_bancaires: ['Cartes Bancaires', 'CB', '#d9f3c8', '#14506b'],
  bancontact: ['Bancontact', 'BCT', '#ffd84d', '#17407c'],
  dankort: ['Dankort', 'DANK', '#fff', '#a3182b'],
};

export const isBrand = (name: unknown): name is Brand => typeof name === 'string' && Object.hasOwn(BRANDS, name);

/** The brand's own name, which is the same in every language. Undefined for a brand that is not known. */
export const brandName = (brand: string | null | undefined): string | undefined =>
  isBrand(brand) ? BRANDS[brand][0] : undefined;

/** The number of characters of the letters, and how wide and large they are drawn. */
const SIZES: readonly (readonly [width: number, size: number])[] = [
  [17, 14],
  [23, 13],
  [28, 11.5],
  [30, 11],
  [32, 9.5],
];

const drawn = (name: string, attributes: Record<string, string | number>, text = ''): SVGElement => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.textContent = text;
  return node;
};

/** A badge with the brand's letters, or a blank card. Who cannot see it is told `label`; without one it is decoration. */
export function brandMark(brand: Brand | null, label?: string): SVGElement {
  const mark = drawn('svg', { viewBox: '0 0 40 26', class: 'cardseal-mark', focusable: 'false' });
  if (label) {
    mark.setAttribute('role', 'img');
    mark.setAttribute('aria-label', label);
  } else {
    mark.setAttribute('aria-hidden', 'true');
  }
  if (!brand) {
    mark.append(
      drawn('rect', { x: 0.5, y: 0.5, width: 39, height: 25, rx: 4, class: 'cardseal-mark-blank' }),
      drawn('rect', { x: 0, y: 6, width: 40, height: 4.5, class: 'cardseal-mark-stripe' }),
    );
    return mark;
  }
  const [, letters, ink, paper] = BRANDS[brand];
  const [width, size] = SIZES[Math.min(letters.length, SIZES.length + 1) - 2] as (typeof SIZES)[number];
  mark.append(
    drawn('rect', { x: 0.5, y: 0.5, width: 39, height: 25, rx: 4, fill: paper, stroke: '#80808059' }),
    drawn(
      'text',
      {
        x: 20,
        y: 13.5,
        'dominant-baseline': 'central',
        'text-anchor': 'middle',
        textLength: width,
        lengthAdjust: 'spacingAndGlyphs',
        'font-family': 'Arial, Helvetica, sans-serif',
        'font-weight': 700,
        'font-size': size,
        fill: ink,
      },
      letters,
    ),
  );
  return mark;
}
