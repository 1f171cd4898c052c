import 'cardseal/card-form/react';
import { useState } from 'react';

/** The card form is part of the page's own form, like any input: what the form sends has `card_token`. */
export default function Uncontrolled() {
  const [token, setToken] = useState('');

  async function order(form: FormData) {
    // Send `form` to your back end here: it has the email address and the token, which the back end charges.
    setToken(String(form.get('card_token')));
  }

  if (token) return <p role="status">Thank you for your order. The card is {token}.</p>;
  return (
    <form className="checkout" action={order}>
      <label className="email">
        Email <input type="email" name="email" autoComplete="email" required />
      </label>
      <cardseal-card-form platform="greenpay" required />
      <button className="pay" type="submit">
        Pay $24.50
      </button>
    </form>
  );
}
