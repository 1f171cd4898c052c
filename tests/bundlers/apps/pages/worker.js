import { GreenPay, load, terminate } from 'cardseal/worker';

globalThis.use = async ({ publicKey, card, worker }) => {
  await Promise.all([load({ worker }), load({ worker })]);
  await load();
  const packed = await new GreenPay({ publicKey }).pack({ card });
  terminate();
  return packed;
};
