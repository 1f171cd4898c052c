'use client';

import 'cardseal/card-form/react';

/**
 * The server renders the empty element. In the browser its fields may be there before React is: the last two props tell
 * React to leave them alone.
 */
export default function CardForm() {
  return (
    <cardseal-card-form
      platform="greenpay"
      required
      suppressHydrationWarning
      dangerouslySetInnerHTML={{ __html: '' }}
    />
  );
}
