import { GreenPay, load } from 'ENTRY';

export default {
  async fetch(request) {
    const { publicKey, card } = await request.json();
    await Promise.all([load(), load()]);
    return Response.json(new GreenPay({ publicKey }).pack({ card }));
  },
};
