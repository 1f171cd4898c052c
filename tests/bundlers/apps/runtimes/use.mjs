import { GreenPay, load } from 'ENTRY';

const { publicKey, card } = JSON.parse(process.env.CARDSEAL_GIVEN);
await Promise.all([load(), load()]);
console.log(JSON.stringify(new GreenPay({ publicKey }).pack({ card })));
