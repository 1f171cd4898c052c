// Worldline's own Acquiring client for Python, as it is published, against the sandbox.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { python } from './clients/install.mjs';
import { startSandbox } from './sandbox.mjs';

let sandbox;
before(async () => {
  sandbox = await startSandbox();
});
after(() => sandbox?.stop());

test("the platform's own Python client makes every call of a payment, and its types have every member of the answers", async () => {
  const { worldline_acquiring: shop } = sandbox.info.platforms;
  const told = JSON.parse(await python('worldline_acquiring.py', [], { input: JSON.stringify(shop), ms: 120_000 }));
  assert.deepEqual(told.lost, []);
  assert.deepEqual(told.calls, [
    'capture_refund',
    'create_refund',
    'get_payment_status',
    'get_refund',
    'increment_payment',
    'ping',
    'process_account_verification',
    'process_balance_inquiry',
    'process_payment',
    'process_standalone_refund',
    'request_dcc_rate',
    'reverse_authorization',
    'reverse_refund_authorization',
    'simple_capture_of_payment',
    'technical_reversal',
  ]);
  const { worldline_acquiring: state } = await (await fetch(`${sandbox.info.control_url}/state`)).json();
  assert.equal(state.access_tokens_made, 1, 'one access token serves them all');
});
