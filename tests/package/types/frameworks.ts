// Compiled only, never run: what the checkers of Vue's and Svelte's templates read of the element.

import type { CardForm, CardFormEvents } from 'cardseal/card-form';
import type { CardFormProps as SvelteProps } from 'cardseal/card-form/svelte';
import type { CardFormProps as VueProps } from 'cardseal/card-form/vue';
import type { SvelteHTMLElements } from 'svelte/elements';
import type { GlobalComponents } from 'vue';

type InVue = InstanceType<GlobalComponents['cardseal-card-form']>;
type InSvelte = SvelteHTMLElements['cardseal-card-form'];

const vue: InVue['$props'] = {
  platform: 'greenpay',
  required: true,
  acceptedBrands: 'visa mastercard',
  session: '{}',
  class: 'card',
  lang: 'de',
};
const isVue: VueProps = vue;
declare const element: InVue;
const form: CardForm = element;
element.$emit('token', new CustomEvent('token') as CardFormEvents['token']);
// @ts-expect-error: no such platform
const wrong: InVue['$props'] = { platform: 'nopay' };
// @ts-expect-error: no such event
element.$emit('tokens', new CustomEvent('token'));

const svelte: InSvelte = {
  platform: 'greenpay',
  required: true,
  session: null,
  class: 'card',
  onstatechange: ({ detail }) => console.log(detail.state),
  ontoken: ({ detail }) => console.log(detail.token.id),
};
const isSvelte: SvelteProps = svelte;
// @ts-expect-error: no such member of what the event says
const other: InSvelte = { onfailure: ({ detail }) => console.log(detail.token) };
// @ts-expect-error: the platforms are known
const more: InSvelte = { platform: 7 };

console.log(isVue, form, wrong, isSvelte, other, more);
