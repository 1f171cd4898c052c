// Starts the simulated platform for a test and stops it afterwards.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { targetFolder } from '../../scripts/project.mjs';

export async function startSandbox(args = []) {
  const target = process.env.CARDSEAL_TARGET ?? targetFolder();
  const child = spawn(
    path.join(target, 'debug', 'cardseal-sandbox'),
    ['--listen', '127.0.0.1:0', '--exit-with-stdin', ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const ended = once(child, 'exit');
  // It logs every request; only the end is of interest, and only when something went wrong.
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-4000);
  });
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => text),
    ended.then(([code, signal]) => {
      throw new Error(`the sandbox ended before it was ready (${signal ?? code}):\n${log}`);
    }),
  ]);
  const info = JSON.parse(line);
  return {
    info,
    greenpay: info.platforms.greenpay,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

export async function post(url, body, headers = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

/** A tokenization order, as the merchant's server makes it. */
export async function openOrder({ merchant_url: merchant, credentials }, requestId) {
  const { status, body } = await post(`${merchant}/tokenize`, {
    secret: credentials.secret,
    merchantId: credentials.merchant_id,
    requestId,
  });
  if (status !== 200) throw new Error(`the order was refused: ${JSON.stringify(body)}`);
  return body;
}

/** A payment order, as the merchant's server makes it. */
export async function openPayment({ merchant_url: merchant, credentials }, orderReference) {
  const { terminal, currency } = credentials.terminals[1];
  const { status, body } = await post(merchant, {
    secret: credentials.secret,
    merchantId: credentials.merchant_id,
    terminal,
    currency,
    amount: 12.34,
    description: 'Two books',
    orderReference,
  });
  if (status !== 200) throw new Error(`the order was refused: ${JSON.stringify(body)}`);
  return body;
}
