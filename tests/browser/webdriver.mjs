// The other browser engines. They are driven over WebDriver, which is JSON over HTTP: what these tests need of it is
// less than a client library brings.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { firefox, freePort, geckodriver, webkitBrowser, which } from '../../scripts/project.mjs';
import { until } from './harness.mjs';

/** Milliseconds that a step may take; the machine may have other things to do. */
export const PATIENCE = 60_000;
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

class WebDriver {
  /** `stop` are functions that end what was started for the driver, the last first. */
  constructor(url, stop) {
    this.url = url;
    this.stop = stop;
  }

  async send(method, path, body) {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
    const { value } = await response.json();
    if (!response.ok)
      throw Object.assign(new Error(`${method} ${path}: ${value?.error}: ${value?.message}`), { code: value?.error });
    return value;
  }

  /** A new session of the browser: nothing of an earlier one is in it. */
  async begin(alwaysMatch) {
    const { sessionId, capabilities } = await this.send('POST', '/session', { capabilities: { alwaysMatch } });
    this.session = `/session/${sessionId}`;
    this.capabilities = capabilities;
    await this.send('POST', `${this.session}/timeouts`, { pageLoad: PATIENCE, script: PATIENCE, implicit: 0 });
    return this;
  }

  open(url) {
    return this.send('POST', `${this.session}/url`, { url });
  }

  /** Goes into the frame that `selector` finds, or back to the page. */
  async enter(selector) {
    const id = selector ? { [ELEMENT]: await this.find(selector) } : null;
    await this.send('POST', `${this.session}/frame`, { id });
  }

  /** The result of `body`, a function that is sent to the page as text; of a promise, what it ends with. */
  run(body, ...args) {
    return this.send('POST', `${this.session}/execute/sync`, {
      script: `return (${body}).apply(null, arguments);`,
      args,
    });
  }

  async find(selector) {
    return (await this.send('POST', `${this.session}/element`, { using: 'css selector', value: selector }))[ELEMENT];
  }

  /** Waits until it is there and lets itself be pressed. */
  async click(selector) {
    await this.trying(`a press on ${selector}`, async () =>
      this.send('POST', `${this.session}/element/${await this.find(selector)}/click`, {}),
    );
  }

  /** Key by key, as the form's own handling of keys is part of what is tested. */
  async type(selector, text) {
    const element = await this.trying(`the field ${selector}`, () => this.find(selector));
    for (const key of text) await this.send('POST', `${this.session}/element/${element}/value`, { text: key });
  }

  /** What the page shows there; null while there is no such element or it is hidden. */
  text(selector) {
    return this.run(
      `(selector) => {
      const element = document.querySelector(selector);
      return element && element.getClientRects().length ? element.innerText : null;
    }`,
      selector,
    );
  }

  value(selector) {
    return this.run('(selector) => document.querySelector(selector).value', selector);
  }

  /** Waits until the text there is as `expected`, and gives it. */
  shows(selector, expected) {
    return until(
      `${expected} in ${selector}`,
      async () => {
        const text = await this.text(selector);
        return text !== null && expected.test(text) ? text : null;
      },
      PATIENCE,
    );
  }

  async trying(what, step) {
    let problem;
    return until(
      what,
      async () => {
        try {
          return [await step()];
        } catch (error) {
          if (
            ![
              'no such element',
              'element not interactable',
              'element click intercepted',
              'stale element reference',
            ].includes(error.code)
          )
            throw error;
          problem = error;
          return null;
        }
      },
      PATIENCE,
    ).then(
      ([value]) => value,
      (error) => {
        throw Object.assign(error, { cause: problem });
      },
    );
  }

  async close() {
    if (this.session) await this.send('DELETE', this.session).catch(() => {});
    for (const end of this.stop.reverse()) await end();
  }
}

/** A process with all that it starts in a group of their own, so that nothing of it stays behind. */
function started(program, args, { env = {}, stdio = ['ignore', 'pipe', 'pipe'] } = {}) {
  const child = spawn(program, args, { stdio, detached: true, env: { ...process.env, ...env } });
  let output = '';
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  child.on('error', (error) => {
    output += error.message;
    ended = true;
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output = (output + chunk).slice(-4000);
    });
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // Nothing of the group is left.
    }
  };
  const atExit = () => end('SIGKILL');
  process.on('exit', atExit);
  return {
    child,
    output: () => output,
    gone: () => ended,
    stop: async () => {
      const exit = ended ? undefined : once(child, 'exit');
      end('SIGTERM');
      const late = setTimeout(() => end('SIGKILL'), 8000);
      await exit;
      clearTimeout(late);
      end('SIGKILL');
      process.off('exit', atExit);
    },
  };
}

async function driver(program, argumentsOf, capabilities, { env, stop = [] } = {}) {
  if (!program) throw new Error('the driver is missing: npm run setup');
  try {
    const port = await freePort();
    const server = started(program, argumentsOf(port), { env });
    stop.push(server.stop);
    const session = new WebDriver(`http://127.0.0.1:${port}`, stop);
    await until(
      `an answer of ${program}`,
      async () => {
        if (server.gone()) throw new Error(`${program} ended:\n${server.output()}`);
        return (await session.send('GET', '/status').catch(() => null))?.ready;
      },
      PATIENCE,
    );
    try {
      return await session.begin(capabilities);
    } catch (error) {
      throw new Error(`${error.message}\n${server.output()}`, { cause: error });
    }
  } catch (error) {
    for (const end of stop.reverse()) await end();
    throw error;
  }
}

/** `dark`: on a system that is. `prefs` are Firefox's own settings. */
export function launchFirefox({ dark = false, prefs = {} } = {}) {
  return driver(geckodriver(), (port) => ['--host', '127.0.0.1', '--port', String(port)], {
    browserName: 'firefox',
    'moz:firefoxOptions': {
      binary: firefox(),
      args: ['-headless'],
      prefs: { 'layout.css.prefers-color-scheme.content-override': dark ? 0 : 1, ...prefs },
    },
  });
}

/** WebKit has no way to run without a screen, so it gets one that nobody sees. */
export async function launchWebKit({ dark = false } = {}) {
  const screen = started(
    which('Xvfb') ?? 'Xvfb',
    ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp', '-noreset'],
    { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  );
  let display = '';
  screen.child.stdio[3].setEncoding('utf8').on('data', (text) => {
    display += text;
  });
  try {
    await until(
      'a screen',
      () => {
        if (screen.gone()) throw new Error(`Xvfb ended:\n${screen.output()}`);
        return display.endsWith('\n');
      },
      PATIENCE,
    );
  } catch (error) {
    await screen.stop();
    throw error;
  }
  return driver(
    which('WebKitWebDriver'),
    (port) => [`--port=${port}`, '--host=127.0.0.1'],
    {
      browserName: 'MiniBrowser',
      'webkitgtk:browserOptions': { binary: webkitBrowser(), args: ['--automation'] },
    },
    {
      // No graphics hardware and no session bus: both are looked for in vain, and that takes time.
      env: {
        DISPLAY: `:${display.trim()}`,
        WAYLAND_DISPLAY: '',
        GDK_BACKEND: 'x11',
        LIBGL_ALWAYS_SOFTWARE: '1',
        WEBKIT_DISABLE_COMPOSITING_MODE: '1',
        NO_AT_BRIDGE: '1',
        GTK_A11Y: 'none',
        GSETTINGS_BACKEND: 'memory',
        GTK_THEME: dark ? 'Adwaita:dark' : 'Adwaita',
      },
      stop: [screen.stop],
    },
  );
}
