// The demo page's modules without a browser: what it says of the server's codes, and what it takes for an answer.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import { root } from '../../scripts/project.mjs';
import { Checkout, InDoubt } from '../../www/modules/checkout.js';
import { adviceFor, eventWords, failureWords, outcomesOf, stateWords } from '../../www/modules/words.js';

/** What the card form says itself, about calls that carry a card. */
const { failureOf } = await import(path.join(root, 'pkg/card-form/failures.js'));

const { fetch } = globalThis;
afterEach(() => {
  globalThis.fetch = fetch;
});

/** What the page itself cannot cause: they are faults of a program, for which the code in the message is enough. */
const PROGRAMS =
  `bad_json duplicate_field body_too_large unsupported_media_type unknown_field field_missing field_type api_key_invalid
  sealed_oversized sealed_malformed sealed_algorithm sealed_wrong_session sealed_ephemeral_key idempotency_key_invalid
  idempotency_in_progress not_found method_not_allowed key_missing key_is_private key_is_certificate key_not_rsa key_exponent_invalid
  key_too_short key_modulus_invalid counter_does_not_fit type_invalid option_invalid session_malformed session_wrong_platform
  server_rejected not_loaded load_failed`.split(/\s+/);

test('every code that a shopper can meet has words of its own', () => {
  for (const file of ['server/src/error.rs', 'src/error.rs']) {
    const codes = [...readFileSync(path.join(root, file), 'utf8').matchAll(/^\s*\w+ = "([a-z0-9_]+)",/gm)].map(
      ([, code]) => code,
    );
    assert.ok(codes.length > 25, file);
    const saidByForm = (code) =>
      [{ code }, { code: 'server_rejected', platformCode: code }].some((error) => failureOf(error) !== 'unknown');
    for (const code of codes) {
      const { heading } = failureWords([code]);
      // What the page itself says is worth more than the code; of the rest the form says something.
      if (!PROGRAMS.includes(code)) assert.ok(heading !== 'That did not work.' || saidByForm(code), code);
      else assert.equal(heading, 'That did not work.', code);
    }
  }
});

test('a repeated charge that the server did not look at leaves the first one in doubt', async () => {
  const answers = [];
  globalThis.fetch = async () => {
    const answer = answers.shift();
    if (answer === undefined) throw new TypeError('failed to fetch');
    return new Response(JSON.stringify({ ...answer }), { status: answer.status });
  };
  const refusal = (status, code) => ({ status, code, detail: code });
  const intent = { token: 'tok_1', amount: '9.90', currency: 'USD', description: 'x', key: 'k-1' };
  const doubt = await new Checkout({}, {}, () => {}).charge(intent).catch((error) => error);
  assert.ok(doubt instanceof InDoubt);
  let { askAgain } = doubt;
  for (const [status, code] of [
    [503, 'storage_unavailable'],
    [503, 'platform_busy'],
    [429, 'rate_limited'],
    [500, 'record_unreadable'],
    [500, 'internal'],
  ]) {
    answers.push(refusal(status, code));
    const again = await askAgain().catch((error) => error);
    assert.ok(again instanceof InDoubt, code);
    assert.equal(again.cause.code, code);
    ({ askAgain } = again);
  }
  assert.equal(intent.key, 'k-1');
  answers.push({ status: 201, id: 'pay_1' });
  assert.equal((await askAgain()).id, 'pay_1');
  // Of a first try they are an answer: nothing was charged, and the next one has a key of its own.
  for (const [status, code] of [
    [503, 'storage_unavailable'],
    [503, 'platform_busy'],
    [429, 'rate_limited'],
  ]) {
    const { key } = intent;
    answers.push(refusal(status, code));
    const refused = await new Checkout({}, {}, () => {}).charge(intent).catch((error) => error);
    assert.equal(refused.code, code);
    assert.notEqual(intent.key, key);
  }
});

test('the desk has words for every status, and settles each unknown one with a status that the server takes', () => {
  const { schemas } = JSON.parse(readFileSync(path.join(root, 'docs/openapi.json'), 'utf8')).components;
  const statuses = schemas.PaymentStatus.enum;
  assert.ok(statuses.length > 8);
  for (const status of statuses) assert.notEqual(stateWords(status).words, status);
  for (const state of schemas.DeliveryState.enum) assert.notEqual(eventWords(state).words, state);
  const unknown = statuses.filter((status) => status === 'unknown' || status.endsWith('_unknown'));
  assert.equal(unknown.length, 4);
  for (const status of unknown) {
    const taken = outcomesOf(status, true).map(([outcome]) => outcome);
    assert.deepEqual(
      taken.filter((outcome) => !schemas.Resolution.properties.status.enum.includes(outcome)),
      [],
      status,
    );
    assert.equal(new Set(taken).size, taken.length);
    for (const answersLater of [true, false]) {
      const { now, next } = adviceFor({ status }, { name: 'GreenPay', answersLater }, false);
      assert.match(`${now} ${next}`, /was lost[\s\S]*GreenPay/);
    }
  }
});
