// The same as `cardseal/card-form`, and the element's type for JSX of React 19:
//
//   import "cardseal/card-form/react";
//   <cardseal-card-form platform="greenpay" onstatechange={(event) => setStatus(event.detail)} />

import type { HTMLAttributes, Key, Ref } from 'react';
import type { CardForm, CardFormEvents } from './card-form.js';

export * from './card-form.js';

/** The element's events, as React binds them. */
type Handlers = { [Name in keyof CardFormEvents as `on${Name}`]?: (event: CardFormEvents[Name]) => void };

/** The element's properties that a page may set. */
type Properties = {
  [Name in
    | 'platform'
    | 'server'
    | 'customer'
    | 'openSession'
    | 'name'
    | 'required'
    | 'disabled'
    | 'holder'
    | 'nickname'
    | 'customerDetails'
    | 'messages'
    | 'theme'
    | 'fieldsUrl'
    | 'fieldsStyle']?: CardForm[Name] | undefined;
} & {
  session?: CardForm['session'] | string | undefined;
  acceptedBrands?: CardForm['acceptedBrands'] | string | undefined;
};

/** The props of `<cardseal-card-form>`. */
export type CardFormProps = Omit<HTMLAttributes<CardForm>, keyof Handlers | keyof Properties | 'children'> &
  Handlers &
  Properties & { ref?: Ref<CardForm>; key?: Key };

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'cardseal-card-form': CardFormProps;
    }
  }
}
