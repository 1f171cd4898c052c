// In production your web server does this. Here Cardseal's is the one that `npm start` in its repository starts.

import process from 'node:process';

export default { '/v1': { target: process.env.CARDSEAL_SERVER ?? 'http://127.0.0.1:8080' } };
