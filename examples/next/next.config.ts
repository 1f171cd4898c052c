import path from 'node:path';
import process from 'node:process';
import type { NextConfig } from 'next';

const config: NextConfig = {
  // In production your web server may do this. Here Cardseal's is the one that `npm start` in its repository starts.
  async rewrites() {
    const cardseal = process.env.CARDSEAL_SERVER ?? 'http://127.0.0.1:8080';
    return [{ source: '/v1/:path*', destination: `${cardseal}/v1/:path*` }];
  },
  // The examples share one node_modules, in the folder above.
  turbopack: { root: path.join(import.meta.dirname, '..') },
};

export default config;
