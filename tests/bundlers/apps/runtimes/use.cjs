const { GreenPay, load } = require('ENTRY');

const { publicKey, card } = JSON.parse(process.env.CARDSEAL_GIVEN);
Promise.all([load(), load()]).then(() => console.log(JSON.stringify(new GreenPay({ publicKey }).pack({ card }))));
