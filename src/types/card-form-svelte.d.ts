// The same as `cardseal/card-form`, and the element's type for Svelte's templates:
//
//   import "cardseal/card-form/svelte";
//   <cardseal-card-form platform="greenpay" {session} onstatechange={(event) => (status = event.detail)}></cardseal-card-form>

import type { HTMLAttributes } from 'svelte/elements';
import type { CardForm, CardFormEvents, CardFormProperties } from './card-form.js';

export * from './card-form.js';

/** The element's events, as Svelte binds them. */
type Handlers = { [Name in keyof CardFormEvents as `on${Name}`]?: (event: CardFormEvents[Name]) => void };

/** What `<cardseal-card-form>` takes in a template. */
export type CardFormProps = Omit<HTMLAttributes<CardForm>, keyof Handlers | keyof CardFormProperties> &
  Handlers &
  CardFormProperties;

declare module 'svelte/elements' {
  interface SvelteHTMLElements {
    'cardseal-card-form': CardFormProps;
  }
}
