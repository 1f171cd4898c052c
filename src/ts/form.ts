// Functions for card forms. Until the module has loaded, inputs work as plain fields, and are formatted afterwards.

import { type_invalid } from './codes.js';
import { failure } from './failure.js';
import { call, isLoaded, whenLoaded } from './module.js';
import { onlyKnown } from './read.js';
import type { Brand, CardInput, Formatted, ValidateOptions, Validation } from './types.js';

/** Checks a card and returns every problem and every warning. Throws only for values of the wrong type. */
export const validateCard = (card: Partial<CardInput>, options?: ValidateOptions): Validation =>
  onlyKnown(options, (given) => call('validateCard', (validate) => validate(card, given)));

/** Every brand that fits a card number or its first digits. Empty for an empty string. */
export const candidateBrands = (number: string): Brand[] => call('candidateBrands', (candidates) => candidates(number));

/** Groups the digits as on the card. The caret stays behind the same digit. */
export const formatCardNumber = (text: string, caret?: number): Formatted & { brands: Brand[] } =>
  call('formatCardNumber', (format) => format(text, caret));

/** Formats what was typed so far as `MM / YY`. */
export const formatExpiry = (text: string, caret?: number): Formatted =>
  call('formatExpiry', (format) => format(text, caret));

/** Keeps only digits, at most as many as the brands of `number` allow. */
export const formatSecurityCode = (text: string, caret?: number, number?: string): Formatted =>
  call('formatSecurityCode', (format) => format(text, caret, number));

/** The input fields to format once the module has loaded. */
const plainUntilLoaded = new Map<HTMLInputElement, () => unknown>();

/** The field in which an input method is composing text. It is formatted after the composition has ended. */
let composing: EventTarget | undefined;
const formattedAfterwards = new WeakMap<EventTarget, () => unknown>();

/** Starts to watch input methods, once. */
export function watchCompositions(): void {
  const { document } = globalThis;
  if (!document || watching) return;
  watching = true;
  document.addEventListener(
    'compositionstart',
    (event) => {
      composing = event.composedPath()[0];
    },
    true,
  );
  document.addEventListener(
    'compositionend',
    () => {
      const input = composing;
      composing = undefined;
      if (input) formattedAfterwards.get(input)?.();
    },
    true,
  );
}
let watching = false;

/** Formats the input's value in place. It is set only if it changes, so that the browser's undo keeps its steps. */
function inPlace<Result extends Formatted>(
  input: HTMLInputElement,
  format: (text: string, caret: number | undefined) => Result,
): Result | undefined {
  if (typeof input?.value !== 'string') throw failure(type_invalid, { field: 'input' });
  const again = (): Result | undefined => inPlace(input, format);
  if (!isLoaded()) {
    if (plainUntilLoaded.size === 0) {
      whenLoaded(() => {
        for (const work of plainUntilLoaded.values()) work();
        plainUntilLoaded.clear();
      });
    }
    plainUntilLoaded.set(input, again);
    return undefined;
  }
  if (input === composing) {
    formattedAfterwards.set(input, again);
    return undefined;
  }
  // Some input types have no selection; their caret stays as it is.
  const { value, selectionStart } = input;
  const formatted = format(value, selectionStart ?? undefined);
  if (formatted.text !== value) {
    input.value = formatted.text;
    if (selectionStart !== null) {
      input.setSelectionRange(formatted.caret, formatted.caret);
    }
  }
  return formatted;
}

/** Formats the input's value in place and keeps the caret. Call it from an `input` listener. */
export const formatCardNumberInput = (input: HTMLInputElement): Brand[] =>
  inPlace(input, formatCardNumber)?.brands ?? [];

/** Formats the input's value in place and keeps the caret. Call it from an `input` listener. */
export const formatExpiryInput = (input: HTMLInputElement): void => {
  inPlace(input, formatExpiry);
};

/** Formats the input's value in place and keeps the caret. Call it from an `input` listener. */
export const formatSecurityCodeInput = (input: HTMLInputElement, number?: string): void => {
  inPlace(input, (text, caret) => formatSecurityCode(text, caret, number));
};
