'use client';

import { useEffect } from 'react';

/** The server renders the empty element. Its fields come after hydration, so React finds in the page what it expects. */
export default function CardForm() {
  useEffect(() => {
    void import('cardseal/card-form/react');
  }, []);
  return <cardseal-card-form platform="greenpay" required />;
}
