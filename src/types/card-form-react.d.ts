// The same as `cardseal/card-form`, and the element's type for JSX of React 19:
//
//   import "cardseal/card-form/react";
//   <cardseal-card-form platform="greenpay" onstatechange={(event) => setStatus(event.detail)} />

import type { HTMLAttributes, Key, Ref } from 'react';
import type { CardForm, CardFormEvents, CardFormProperties } from './card-form.js';

export * from './card-form.js';

/** The element's events, as React binds them. */
type Handlers = { [Name in keyof CardFormEvents as `on${Name}`]?: (event: CardFormEvents[Name]) => void };

/** The props of `<cardseal-card-form>`. */
export type CardFormProps = Omit<HTMLAttributes<CardForm>, keyof Handlers | keyof CardFormProperties | 'children'> &
  Handlers &
  CardFormProperties & { ref?: Ref<CardForm>; key?: Key };

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'cardseal-card-form': CardFormProps;
    }
  }
}
