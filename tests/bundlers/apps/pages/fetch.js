import { GreenPay, load } from 'cardseal/fetch';

globalThis.use = async ({ publicKey, card }) => {
  await Promise.all([load(), load()]);
  await load();
  return new GreenPay({ publicKey }).pack({ card });
};
