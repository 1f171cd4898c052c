// The same as `cardseal/card-form`, and the element's type for Vue's templates:
//
//   import "cardseal/card-form/vue";
//   <cardseal-card-form platform="greenpay" :session.prop="session" @statechange="(event) => (status = event.detail)" />

import type { EmitFn, HTMLAttributes } from 'vue';
import type { CardForm, CardFormEvents, CardFormProperties } from './card-form.js';

export * from './card-form.js';

/** The element's events, by the names of Vue's own types. */
type Events = { [Name in keyof CardFormEvents]: (event: CardFormEvents[Name]) => void };

/** What `<cardseal-card-form>` takes in a template. */
export type CardFormProps = Omit<HTMLAttributes, keyof CardFormProperties> & CardFormProperties;

declare module 'vue' {
  interface GlobalComponents {
    'cardseal-card-form': new () => CardForm & {
      /** @deprecated For the types of a template alone. */
      $props: CardFormProps;
      /** @deprecated For the types of a template alone. */
      $emit: EmitFn<Events>;
    };
  }
}
