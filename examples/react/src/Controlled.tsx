import 'cardseal/card-form/react';
import type { CardForm, CardFormStatus } from 'cardseal/card-form/react';
import { useRef, useState } from 'react';

/** The component knows the state of the card form, and says itself when the card becomes a token. */
export default function Controlled() {
  const form = useRef<CardForm>(null);
  const [card, setCard] = useState<CardFormStatus>();
  const [token, setToken] = useState('');

  async function pay() {
    try {
      const { id } = await form.current!.tokenize();
      // Send the token's id to your back end here, which charges it.
      setToken(id);
    } catch {
      // The form itself tells the shopper what is wrong.
    }
  }

  if (token) return <p role="status">Thank you for your order. The card is {token}.</p>;
  const busy = card?.state === 'busy';
  return (
    <div className="checkout">
      <cardseal-card-form ref={form} platform="greenpay" required onstatechange={({ detail }) => setCard(detail)} />
      <button className="pay" type="button" disabled={!card?.valid || busy} onClick={pay}>
        {busy ? 'One moment…' : 'Pay $24.50'}
      </button>
    </div>
  );
}
