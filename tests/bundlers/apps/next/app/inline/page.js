'use client';
import { GreenPay, load } from 'cardseal/inline';
import { useEffect } from 'react';

async function use({ publicKey, card }) {
  await Promise.all([load(), load()]);
  return new GreenPay({ publicKey }).pack({ card });
}

export default function Page() {
  useEffect(() => {
    globalThis.use = use;
  }, []);
  return <p>{typeof load}</p>;
}
