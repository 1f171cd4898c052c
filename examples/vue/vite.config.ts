import process from 'node:process';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

// https://vite.dev/config/
export default defineConfig({
  plugins: [
    // Names with this beginning are elements, not components of Vue.
    vue({ template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith('cardseal-') } } }),
  ],
  server: {
    // In production your web server does this. Here Cardseal's is the one that `npm start` in its repository starts.
    proxy: { '/v1': process.env.CARDSEAL_SERVER ?? 'http://127.0.0.1:8080' },
  },
  preview: {
    // For your web server. With GreenPay this is all; other platforms need their host in `connect-src`: docs/csp.md.
    // Only `'wasm-unsafe-eval'` is for Cardseal.
    headers: {
      'Content-Security-Policy':
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; " +
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    },
  },
});
