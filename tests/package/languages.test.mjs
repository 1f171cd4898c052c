// The texts of the card form in all languages, beside the English ones. That no text is missing is also said by the
// types; these tests find what types cannot: a lost placeholder, a plural that the language does not have, a slip of
// typography, English that was left.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/project.mjs';

const folder = path.join(root, 'pkg', 'languages');
const TAGS = readdirSync(folder)
  .filter((file) => file.endsWith('.js') && !['index.js', 'messages.js'].includes(file))
  .map((file) => path.basename(file, '.js'));
const { TAGS: OFFERED, direction, plural, resolve, speak } = await import(path.join(folder, 'index.js'));
const LANGUAGES = new Map();
for (const tag of TAGS) LANGUAGES.set(tag, (await import(path.join(folder, `${tag}.js`))).default);

/** All texts by their path, such as `labels.number`; the plurals are apart. */
function texts(messages, before = '') {
  return Object.entries(messages).flatMap(([name, value]) => {
    if (name === 'summary') return [];
    return typeof value === 'string' ? [[before + name, value]] : texts(value, `${before}${name}.`);
  });
}

const every = (tag) => [
  ...texts(LANGUAGES.get(tag)),
  ...Object.entries(LANGUAGES.get(tag).summary).map(([name, value]) => [`summary.${name}`, value]),
];
const ENGLISH = new Map(texts(LANGUAGES.get('en')));
const OTHERS = TAGS.filter((tag) => tag !== 'en');

/** What may be around a quoted word or inside a word: the marks of the language. */
const MARKS = {
  ar: '«»',
  bg: '„“',
  ca: '«»’',
  cs: '„“',
  da: '»«',
  de: '„“',
  el: '«»’',
  en: '“”’',
  es: '«»',
  et: '„“',
  fi: '”’',
  fr: '«»’',
  he: '״׳',
  hr: '„”',
  hu: '„”',
  id: '“”',
  is: '„“',
  it: '«»’',
  ja: '「」',
  ko: '‘’',
  lt: '„“',
  lv: '“”',
  nb: '«»',
  nl: '‘’',
  pl: '„”',
  pt: '«»',
  'pt-BR': '“”',
  ro: '„”',
  sk: '„“',
  sl: '»«',
  sv: '”’',
  tr: '“”’',
  uk: '«»’',
  'zh-Hans': '“”',
  'zh-Hant': '「」',
};

/** What only a slip leaves in a text: the punctuation of another script, a missing space or sign. */
const SLIPS = {
  ar: /[,;?]/,
  el: /\?/,
  es: /^[^¿]*\?|^[^¡]*!/,
  fr: /[^\u202f][:;!?»]|«[^\u202f]/,
  ja: /[.,:;!?()]/,
  'zh-Hans': /[.,:;!?()]/,
  'zh-Hant': /[.,:;!?()]/,
};

/** Words that are written as in English. */
const COGNATES = { de: ['(optional)'], ro: ['Card'] };

/** What keeps a date in its order among letters that run from right to left: an isolate, and a mark within it. */
const DIRECTION = /[\u200e\u2066\u2069]/g;

test('every language has every text, and no other', () => {
  assert.ok(TAGS.length > 24, `${TAGS.length} languages`);
  for (const tag of TAGS) {
    assert.deepEqual(
      texts(LANGUAGES.get(tag)).map(([name]) => name),
      [...ENGLISH.keys()],
      tag,
    );
    assert.equal(new Intl.Locale(tag).toString(), tag);
  }
});

test('every language is offered, and a page finds its own', async () => {
  assert.deepEqual([...OFFERED].sort(), [...TAGS].sort());
  for (const tag of TAGS) {
    const { messages, dir, tag: spoken } = await speak(tag);
    assert.deepEqual(messages, LANGUAGES.get(tag), tag);
    assert.equal(spoken, tag);
    assert.equal(dir, ['ar', 'he'].includes(tag) ? 'rtl' : 'ltr', tag);
    assert.equal(direction(`${tag}-x-own`), dir);
  }
  const found = {
    'de-AT': 'de',
    'es-MX': 'es',
    iw: 'he',
    nn: 'nb',
    'nn-NO': 'nb',
    no: 'nb',
    pt: 'pt',
    'pt-AO': 'pt',
    'pt-br': 'pt-BR',
    'pt-PT': 'pt',
    xx: 'en',
    zh: 'zh-Hans',
    'zh-HK': 'zh-Hant',
    'zh-TW': 'zh-Hant',
  };
  for (const [wanted, tag] of Object.entries(found)) assert.equal(resolve(wanted), tag, wanted);
});

test('a page replaces single texts, and adds a language to the nearest one', async () => {
  const own = { fr: { labels: { cvc: 'CVC' } }, 'fr-CA': { labels: { number: 'Numéro' } }, tlh: { form: 'chaw’' } };
  const { tag, messages } = await speak('fr-CA', own);
  assert.equal(tag, 'fr-CA');
  const { labels } = LANGUAGES.get('fr');
  assert.deepEqual(messages.labels, { ...labels, cvc: 'CVC', number: 'Numéro' });
  assert.deepEqual((await speak('fr-BE', own)).messages.labels, { ...labels, cvc: 'CVC' });
  const klingon = await speak('tlh', own);
  assert.equal(klingon.messages.form, 'chaw’');
  assert.equal(klingon.messages.card, LANGUAGES.get('en').card);
  assert.equal((await speak('de', own)).messages.labels.cvc, LANGUAGES.get('de').labels.cvc);
});

test('the number of mistakes is in the sentence', () => {
  for (const tag of TAGS) {
    for (const n of [3, 5, 11, 21]) {
      const sentence = plural(tag, LANGUAGES.get(tag).summary, n);
      assert.match(sentence, new RegExp(`(?<!\\d)${n}(?!\\d)`), `${tag}: ${sentence}`);
      assert.doesNotMatch(sentence, /[{}]/, tag);
    }
  }
});

test('every language has a sentence for each of its plurals, with the number where it can vary', () => {
  for (const tag of TAGS) {
    const rules = new Intl.PluralRules(tag);
    assert.equal(rules.resolvedOptions().locale.split('-')[0], tag.split('-')[0], 'Node.js does not know the language');
    const { summary } = LANGUAGES.get(tag);
    const numbers = {};
    for (const n of [...new Array(201).keys(), 1.5]) {
      numbers[rules.select(n)] ??= [];
      numbers[rules.select(n)].push(n);
    }
    for (const [category, of] of Object.entries(numbers)) {
      assert.ok(summary[category], `${tag} has no sentence for ${category}: ${of.slice(0, 5)}`);
      if (of.length > 1) assert.match(summary[category], /\{n\}/, `${tag} ${category}`);
    }
    for (const [category, sentence] of Object.entries(summary)) {
      assert.ok(rules.resolvedOptions().pluralCategories.includes(category), `${tag} has no plural ${category}`);
      assert.match(sentence, /[:：]$/, `${tag} ${category}`);
      assert.deepEqual(
        (sentence.match(/\{\w*\}/g) ?? []).filter((name) => name !== '{n}'),
        [],
        `${tag} ${category}`,
      );
    }
  }
});

test('the placeholders and the numbers are those of the English text', () => {
  const found = (text, pattern) => (text.match(pattern) ?? []).sort();
  for (const tag of OTHERS) {
    for (const [name, text] of texts(LANGUAGES.get(tag))) {
      assert.deepEqual(found(text, /\{\w*\}/g), found(ENGLISH.get(name), /\{\w*\}/g), `${tag} ${name}: ${text}`);
      const numbers = (words) => found(words.replace(/\{\w+\}/g, ''), /\p{Nd}+/gu);
      const wanted = numbers(ENGLISH.get(name));
      // Japanese and Korean also write "a minute" and "the last four" with figures.
      const more = /^(ja|ko)$/.test(tag) ? ['1', '4'].filter((n) => !wanted.includes(n)) : [];
      assert.deepEqual(
        numbers(text).filter((n) => !more.includes(n)),
        wanted,
        `${tag} ${name}: ${text}`,
      );
      assert.doesNotMatch(text.replace(/\{\w+\}/g, ''), /[{}]/, `${tag} ${name}: ${text}`);
    }
    const { placeholders, problems } = LANGUAGES.get(tag);
    assert.match(placeholders.expiry.replace(DIRECTION, ''), /^\p{L}{1,4} \/ \p{L}{1,4}$/u, tag);
    assert.match(problems.expiry_malformed, /^(ar|he)$/.test(tag) ? /\u206608 \/ 29\u2069/ : /08 \/ 29/, tag);
  }
});

test('no English is left', () => {
  const words = /\b(again|another|charged|declined|enter|please|the|this|try|wrong|your)\b/i;
  for (const tag of OTHERS) {
    for (const [name, text] of every(tag)) {
      assert.doesNotMatch(text, words, `${tag} ${name}`);
      if (name === 'placeholders.expiry') continue;
      if (!COGNATES[tag]?.includes(text)) assert.notEqual(text, ENGLISH.get(name), `${tag} ${name}`);
    }
  }
});

test('the typography is that of the language', () => {
  for (const tag of TAGS) {
    assert.ok(MARKS[tag], `say which marks ${tag} has`);
    const foreign = new RegExp(
      `[${[...'"\'`´“”„‟«»‹›‘’‚‛「」『』《》״׳'].filter((mark) => !MARKS[tag].includes(mark)).join('')}]`,
    );
    for (const [name, text] of every(tag)) {
      const where = `${tag} ${name}: ${text}`;
      assert.doesNotMatch(text, foreign, where);
      assert.doesNotMatch(text, /^\s|\s$|\s\s/, where);
      assert.doesNotMatch(text, tag === 'fr' ? /[^\S \u202f]/ : /[^\S ]/, where);
      assert.doesNotMatch(text, /\.\.|…./, where);
      const shown = /^(ar|he)$/.test(tag) ? text.replace(DIRECTION, '') : text;
      assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\ufffd]/u, where);
      assert.equal(text.split('\u2066').length, text.split('\u2069').length, where);
      if (SLIPS[tag]) assert.doesNotMatch(text, SLIPS[tag], where);
      assert.equal(text, text.normalize('NFC'), where);
    }
  }
});

test('what is a sentence in English is a sentence, and what is a label is a label', () => {
  for (const tag of OTHERS) {
    for (const [name, text] of texts(LANGUAGES.get(tag))) {
      const where = `${tag} ${name}: ${text}`;
      const last = ENGLISH.get(name).at(-1);
      if (last === '.') assert.match(text, /[.。]$/, where);
      else if (last === '…') assert.match(text, /…$/, where);
      else if (last === ')') assert.match(text, /^[(（].+[)）]$/, where);
      else assert.doesNotMatch(text, /[.。…!?:：]$/, where);
      // The English ones start with a capital or a placeholder.
      if (last !== ')' && name !== 'placeholders.expiry') assert.doesNotMatch(text, /^\p{Ll}/u, where);
    }
  }
});

test('no language has the same sentence for two things that English tells apart', () => {
  for (const tag of OTHERS) {
    const { failures, declines, problems } = LANGUAGES.get(tag);
    for (const [name, group] of Object.entries({ failures, declines, problems })) {
      const english = LANGUAGES.get('en')[name];
      for (const [one, text] of Object.entries(group)) {
        const same = Object.keys(group).filter((other) => group[other] === text && english[other] !== english[one]);
        assert.deepEqual(same, [], `${tag} ${name}.${one}: ${text}`);
      }
    }
  }
});

test('a payment that may have been made is not to be made again, in any language', () => {
  const sentences = (text) => text.split(/(?<=[.。])\s*/).filter(Boolean);
  for (const tag of TAGS) {
    const { failures } = LANGUAGES.get(tag);
    const said = failures.outcome_unknown;
    // It may have been; do not; where to look and whom to ask.
    assert.ok(sentences(said).length >= 2 && said.length > 30, `${tag}: ${said}`);
    // What the other texts invite to.
    for (const name of ['timeout', 'stopped', 'unknown']) {
      const retry = sentences(failures[name]).at(-1).split('，').at(-1);
      assert.ok(!said.includes(retry), `${tag}: ${said}`);
    }
  }
});

test('labels fit a narrow form', () => {
  const width = (text) =>
    [...text].reduce((sum, letter) => sum + (/\p{Lo}/u.test(letter) && letter > '\u2e80' ? 2 : 1), 0);
  for (const tag of TAGS) {
    const { labels, actions } = LANGUAGES.get(tag);
    for (const [name, text] of Object.entries({ ...labels, ...actions })) {
      // The date and the code stand side by side.
      const most = name === 'expiry' || name === 'cvc' ? 20 : 32;
      assert.ok(width(text) <= most, `${tag} ${name} is longer than ${most}: ${text}`);
    }
  }
});
