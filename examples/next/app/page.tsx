import { connection } from 'next/server';
import { order } from './actions';
import CardForm from './card-form';

export default async function Checkout() {
  // A page whose policy has a nonce is made for each request.
  await connection();
  return (
    <>
      <h1>Checkout</h1>
      <p>
        Coffee beans, 1 kg: <strong>$24.50</strong>
      </p>
      <form className="checkout" action={order}>
        <label className="email">
          Email <input type="email" name="email" autoComplete="email" required />
        </label>
        <CardForm />
        <button className="pay" type="submit">
          Pay $24.50
        </button>
      </form>
    </>
  );
}
