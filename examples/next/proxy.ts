import process from 'node:process';
import { type NextRequest, NextResponse } from 'next/server';

/** A strict policy, with a nonce for the scripts that Next.js itself writes into the page. */
export function proxy(request: NextRequest) {
  const nonce = btoa(crypto.randomUUID());
  // What Next.js shows in development needs more.
  const [scripts, styles] =
    process.env.NODE_ENV === 'development' ? ["'unsafe-eval'", "'unsafe-inline'"] : ['', `'nonce-${nonce}'`];
  // Only `'wasm-unsafe-eval'` is for Cardseal. Platforms other than GreenPay need their host in `connect-src`: docs/csp.md.
  const policy =
    `default-src 'none'; script-src 'self' 'nonce-${nonce}' 'strict-dynamic' 'wasm-unsafe-eval' ${scripts}; ` +
    `style-src 'self' ${styles}; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; ` +
    "frame-ancestors 'none'";
  const headers = new Headers(request.headers);
  headers.set('Content-Security-Policy', policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set('Content-Security-Policy', policy);
  return response;
}

export const config = { matcher: ['/((?!v1/|_next/|icon.svg).*)'] };
