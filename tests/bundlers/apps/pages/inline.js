import { GreenPay, load } from 'cardseal/inline';

globalThis.use = async ({ publicKey, card }) => {
  await Promise.all([load(), load()]);
  await load();
  return new GreenPay({ publicKey }).pack({ card });
};
