// Runs on the server, here while the page is built.
import { GreenPay, load } from 'cardseal';

export default async function Page() {
  const { publicKey, card } = JSON.parse(process.env.CARDSEAL_GIVEN);
  await load();
  return <output>{JSON.stringify(new GreenPay({ publicKey }).pack({ card }))}</output>;
}
