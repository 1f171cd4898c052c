// The languages of the card form. English is built in; each of the others is a file that is fetched when it is needed.

import type { DeepPartial, OwnMessages } from '../card-form/backend.js';
import en from './en.js';
import type { Messages } from './messages.js';

/** By tag, how the texts are fetched. */
const LOADERS: Record<string, () => Promise<{ default: Messages }>> = {
  ar: () => import('./ar.js'),
  bg: () => import('./bg.js'),
  ca: () => import('./ca.js'),
  cs: () => import('./cs.js'),
  da: () => import('./da.js'),
  de: () => import('./de.js'),
  el: () => import('./el.js'),
  es: () => import('./es.js'),
  et: () => import('./et.js'),
  fi: () => import('./fi.js'),
  fr: () => import('./fr.js'),
  he: () => import('./he.js'),
  hr: () => import('./hr.js'),
  hu: () => import('./hu.js'),
  id: () => import('./id.js'),
  is: () => import('./is.js'),
  it: () => import('./it.js'),
  ja: () => import('./ja.js'),
  ko: () => import('./ko.js'),
  lt: () => import('./lt.js'),
  lv: () => import('./lv.js'),
  nb: () => import('./nb.js'),
  nl: () => import('./nl.js'),
  pl: () => import('./pl.js'),
  pt: () => import('./pt.js'),
  'pt-BR': () => import('./pt-BR.js'),
  ro: () => import('./ro.js'),
  sk: () => import('./sk.js'),
  sl: () => import('./sl.js'),
  sv: () => import('./sv.js'),
  tr: () => import('./tr.js'),
  uk: () => import('./uk.js'),
  'zh-Hans': () => import('./zh-Hans.js'),
  'zh-Hant': () => import('./zh-Hant.js'),
};

/** The tags of all languages that the package has. */
export const TAGS: readonly string[] = ['en', ...Object.keys(LOADERS)];

/** The languages that are written from right to left. */
const RIGHT_TO_LEFT = /^(ar|dv|fa|he|ps|sd|ug|ur|yi)(-|$)/;

export const direction = (tag: string): 'ltr' | 'rtl' => (RIGHT_TO_LEFT.test(tag) ? 'rtl' : 'ltr');

/**
 * The tag, out of `tags`, that fits the wanted language best: `pt-PT` finds `pt`, and `zh-TW` finds `zh-Hant`. English
 * if nothing fits.
 */
export function resolve(wanted: string, tags: readonly string[] = TAGS): string {
  const find = (tag: string): string | undefined => tags.find((one) => one.toLowerCase() === tag.toLowerCase());
  try {
    const given = new Intl.Locale(wanted);
    const { language, script, region } = given.maximize();
    // Macrolanguages, which pages use and translators do not; and Nynorsk, whose readers read Bokmål.
    const name = { no: 'nb', nn: 'nb', tl: 'fil', in: 'id' }[language] ?? language;
    const found = [given.toString(), `${name}-${script}-${region}`, `${name}-${region}`, `${name}-${script}`, name]
      .map(find)
      .find((tag) => tag !== undefined);
    return found ?? tags.find((tag) => tag.split('-')[0]?.toLowerCase() === name) ?? 'en';
  } catch {
    return find(wanted) ?? 'en';
  }
}

/** The texts with some of them replaced. */
function merged<T extends object>(texts: T, own: DeepPartial<T> | undefined): T {
  if (!own) return texts;
  const result = new Map<string, unknown>(Object.entries(texts));
  for (const [name, value] of Object.entries(own)) {
    const old = result.get(name);
    if (typeof value === 'string') result.set(name, value);
    else if (value && typeof value === 'object' && old && typeof old === 'object') result.set(name, merged(old, value));
  }
  return Object.fromEntries(result) as T;
}

export interface Texts {
  tag: string;
  dir: 'ltr' | 'rtl';
  messages: Messages;
}

const texts = (tag: string, messages: Messages, own: OwnMessages): Texts => ({
  tag,
  dir: direction(tag),
  messages: merged(messages, own[tag]),
});

/** English, which is there at once. */
export const english = (own: OwnMessages = {}): Texts => texts('en', en, own);

/**
 * The texts in the language that fits best, with the page's own words. A language of the page's own has the words of
 * the nearest one where it has none itself. A language that cannot be fetched is English.
 */
export async function speak(wanted: string, own: OwnMessages = {}): Promise<Texts> {
  const tag = resolve(wanted, [...new Set([...TAGS, ...Object.keys(own)])]);
  const base = resolve(tag);
  const load = Object.hasOwn(LOADERS, base) ? LOADERS[base] : undefined;
  try {
    const messages = load ? (await load()).default : en;
    return texts(tag, base === tag ? messages : merged(messages, own[base]), own);
  } catch {
    return english(own);
  }
}

/** The sentence for so many, with the number in it as the language writes it. */
export function plural(tag: string, sentences: Messages['summary'], n: number): string {
  const sentence = sentences[new Intl.PluralRules(tag).select(n)] ?? sentences.other;
  return sentence.replaceAll('{n}', new Intl.NumberFormat(tag).format(n));
}

/** Puts values in the place of `{names}`. */
export const fill = (sentence: string, values: Record<string, string>): string =>
  sentence.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
