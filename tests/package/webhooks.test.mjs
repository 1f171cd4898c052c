// The events of the server, as a shop verifies them: the vectors that the Rust crate has as well.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { verifyWebhook, WebhookError } from 'cardseal/webhooks';

const { messages, invalid_secrets: INVALID } = JSON.parse(
  readFileSync(new URL('../vectors/webhooks.json', import.meta.url), 'utf8'),
);

const headersOf = ({ id, timestamp, signature }) => ({
  'webhook-id': id,
  'webhook-timestamp': timestamp,
  'webhook-signature': signature,
});
const timeOf = ({ timestamp }) => Number(timestamp) * 1000;
const verify = (message, { secrets = message.secret, now = timeOf(message), ...changes } = {}) =>
  verifyWebhook(secrets, changes.headers ?? headersOf({ ...message, ...changes }), changes.body ?? message.body, now);
const refused = (promise, code, message) =>
  assert.rejects(
    promise,
    (error) => error instanceof WebhookError && error.code === code && !error.message.includes('whsec_M'),
    message,
  );

test('the vectors are verified, whatever form headers and body have', async () => {
  for (const message of messages) {
    const event = JSON.parse(message.body);
    const bytes = new TextEncoder().encode(message.body);
    for (const headers of [headersOf(message), new Headers(headersOf(message))]) {
      for (const body of [message.body, bytes, bytes.buffer]) {
        assert.deepEqual(await verify(message, { headers, body }), event);
      }
    }
  }
});

test('one of several secrets and signatures is enough', async () => {
  const [message, other] = messages;
  await verify(message, { secrets: [other.secret, message.secret] });
  await verify(message, { signature: `v1a,AAAA v1,AAAA ${other.signature} ${message.signature}` });
  await refused(verify(message, { secrets: other.secret }), 'signature_invalid');
  await refused(verify(message, { secrets: [] }), 'secret_invalid');
  await refused(verify(message, { signature: '' }), 'signature_invalid');
});

test('every bit of a signed message counts', async () => {
  for (const message of messages) {
    for (const part of ['id', 'timestamp', 'body', 'signature']) {
      const bytes = Buffer.from(message[part], 'latin1');
      for (let index = 0; index < bytes.length; index += 1) {
        for (let bit = 0; bit < 8; bit += 1) {
          const changed = Buffer.from(bytes);
          changed[index] ^= 1 << bit;
          const value = part === 'body' ? new Uint8Array(changed) : changed.toString('latin1');
          // At the time that it claims, so that the signature alone decides.
          const claimed = part === 'timestamp' ? Number(value) * 1000 : timeOf(message);
          const now = Number.isNaN(claimed) ? timeOf(message) : claimed;
          await assert.rejects(verify(message, { [part]: value, now }), WebhookError, `${part} ${index} ${bit}`);
        }
      }
    }
  }
});

test('bytes cannot move between the parts', async () => {
  const [message] = messages;
  const headers = headersOf({ ...message, id: `${message.id}.${message.timestamp}` });
  await refused(verify(message, { headers }), 'id_invalid');
});

test('old and early messages are refused', async () => {
  const [message] = messages;
  for (const seconds of [-300, 300]) await verify(message, { now: timeOf(message) + seconds * 1000 });
  await refused(verify(message, { now: timeOf(message) + 301_000 }), 'timestamp_too_old');
  await refused(verify(message, { now: timeOf(message) - 301_000 }), 'timestamp_too_new');
  for (const timestamp of ['', '+1614265330', '-1', '1614265330.0', '99999999999999999999', 'x', '0x10']) {
    await refused(verify(message, { timestamp, now: timeOf(message) }), 'timestamp_invalid', timestamp);
  }
});

test('secrets of another form and missing headers have their own errors', async () => {
  const [message] = messages;
  for (const secrets of INVALID) await refused(verify(message, { secrets }), 'secret_invalid', secrets);
  for (const name of Object.keys(headersOf(message))) {
    const { [name]: _, ...headers } = headersOf(message);
    await refused(verify(message, { headers }), 'header_missing', name);
    await refused(verify(message, { headers: new Headers(headers) }), 'header_missing', name);
  }
});
