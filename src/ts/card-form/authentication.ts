// Takes a customer through 3-D Secure in the page: a frame that nobody sees, in which the bank looks at the browser, and the
// bank's own page in a dialog, if it wants to ask the customer. Nothing here touches a card, and nothing that a frame says is
// believed: it only leads to the next question to the server.

import {
  authentication_cancelled,
  network_failed,
  option_invalid,
  platform_unavailable,
  request_aborted,
  request_timeout,
} from '../codes.js';
import { failure } from '../failure.js';
import { speak, type Texts } from '../languages/index.js';
import { policy } from '../policy.js';
import type { Authentication, AuthenticationBrowser, AuthenticationStatus, AuthenticationStep } from '../types.js';
import type { AuthenticationAsk, CallOptions, Settings } from './backend.js';
import { make } from './fields.js';
import { STYLE } from './protocol.js';
import { adopt } from './style.js';

/** What a page is told while a customer is authenticated. */
export interface AuthenticationFacts {
  id: string;
  /** `checking`: the bank looks at the browser, or the server is asked. `challenge`: the bank asks the customer. */
  state: 'checking' | 'challenge' | 'done';
  status: AuthenticationStatus;
}

/** What came of it. `not_enrolled`: the card does not take part. */
export interface Authenticated {
  id: string;
  status: 'authenticated' | 'attempted' | 'failed' | 'not_enrolled';
}

/** Where the bank's page is shown, and in which words. */
export interface Stage {
  document: Document;
  texts: Texts;
  theme: string;
  /** The custom properties that a page has set for the form. */
  style: Record<string, string>;
}

/** As the form is. */
export async function stageFor(
  form: HTMLElement,
  { lang, messages, theme, dir }: Pick<Settings, 'lang' | 'messages' | 'theme' | 'dir'>,
): Promise<Stage> {
  const texts = await speak(lang, messages);
  const computed = getComputedStyle(form);
  const style = Object.fromEntries(
    Object.keys(STYLE)
      .filter((name) => name.startsWith('--'))
      .map((name) => [name, computed.getPropertyValue(name).trim()])
      .filter(([, value]) => value !== ''),
  );
  return { document: form.ownerDocument, texts: dir ? { ...texts, dir } : texts, theme, style };
}

/** How long the customer has, if the page says nothing else. Banks close their own pages after ten minutes. */
const CUSTOMER_MS = 600_000;

/** EMV 3-D Secure: after this the method counts as failed. */
const METHOD_MS = 10_000;

/** The platform may hear of the customer's answer a moment after the bank's page has gone. */
const RESULTS = 6;
const RESULT_MS = 1000;

/** The sizes of the bank's page, the best first, with the room that each needs with what is around it. */
const WINDOWS = [
  ['500x600', 540, 740],
  ['600x400', 640, 540],
  ['390x400', 430, 540],
  ['250x400', 0, 0],
] as const;

/** The last word of an authentication. */
const FINAL = ['authenticated', 'attempted', 'failed', 'not_enrolled'];
const isFinal = (known: Pick<Authentication, 'id' | 'status'>): known is Authenticated => FINAL.includes(known.status);

/** Takes a customer through an authentication that the shop's back end has begun. */
export async function authenticateIn(
  stage: Stage,
  begun: unknown,
  ask: (ask: AuthenticationAsk, how: CallOptions) => Promise<Authentication>,
  { signal, timeoutMs = CUSTOMER_MS }: CallOptions,
  told: (facts: AuthenticationFacts) => void,
): Promise<Authenticated> {
  const { document } = stage;
  const ending = new AbortController();
  const how = { signal: ending.signal };
  const abort = (): void => ending.abort(failure(request_aborted));
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  const late = (): void =>
    ending.abort(failure(request_timeout, { message: `the customer did not answer within ${timeoutMs} ms` }));
  const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs) : undefined;
  try {
    ending.signal.throwIfAborted();
    let known = await ask({ what: 'read', answer: begun }, how);
    const { id } = known;
    const tell = (state: AuthenticationFacts['state']): void => told({ id, state, status: known.status });
    if (known.status === 'started') {
      throw failure(option_invalid, {
        field: 'status',
        message: 'the platform has not answered yet: begin it again at your server, with the same idempotency key',
      });
    }
    if (!isFinal(known)) tell('checking');
    const size = fitting(document);
    if (known.status === 'available') {
      const { step } = known;
      const method = step?.kind === 'method' ? await look(document, step, ending.signal) : 'unavailable';
      known = await ask({ what: 'initiate', id, browser: { ...browser(document), window: size, method } }, how);
    }
    if (known.status === 'challenge') {
      if (known.step?.kind === 'challenge') {
        tell('challenge');
        await challenge(stage, known.step, size, ending.signal);
        tell('checking');
      }
      known = await ask({ what: 'result', id }, how);
      for (let asked = 1; known.status === 'challenge' && asked < RESULTS; asked += 1) {
        await pause(RESULT_MS, ending.signal);
        known = await ask({ what: 'result', id }, how);
      }
    }
    if (!isFinal(known)) throw failure(platform_unavailable, { message: 'the bank has not told the result yet' });
    tell('done');
    return { id, status: known.status };
  } catch (error) {
    // Whatever was under way when it ended says only that it ended.
    throw ending.signal.aborted ? ending.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', end);
      resolve();
    }, ms);
    signal.addEventListener('abort', end);
  });

/** The largest of the bank's sizes that this window has room for. */
function fitting({ documentElement }: Document): NonNullable<AuthenticationBrowser['window']> {
  const { clientWidth, clientHeight } = documentElement;
  const found = WINDOWS.find(([, width, height]) => clientWidth >= width && clientHeight >= height);
  return found?.[0] ?? '250x400';
}

function browser({ defaultView }: Document): AuthenticationBrowser {
  const { screen, navigator } = defaultView ?? globalThis;
  return {
    language: navigator.language,
    colorDepth: screen.colorDepth,
    screenWidth: screen.width,
    screenHeight: screen.height,
    timezoneOffset: String(new Date().getTimezoneOffset()),
  };
}

let frames = 0;

/** A frame that a form can be sent into. No sandbox lets it lead the shop's page elsewhere. */
const frameFor = (attributes: Record<string, string>): HTMLIFrameElement =>
  make('iframe', {
    name: `cardseal-bank-${++frames}`,
    sandbox: 'allow-forms allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox',
    referrerpolicy: 'strict-origin',
    ...attributes,
  });

/**
 * Sends the form into the frame, which is in the page already, and waits until the server's page in it says that the bank has
 * sent it back. Rejects when the signal ends it, and where the page's policy forbids the frame or the form.
 */
function sent(
  document: Document,
  frame: HTMLIFrameElement,
  step: AuthenticationStep,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const view = document.defaultView ?? window;
    const form = make(
      'form',
      { action: step.url, method: 'post', target: frame.name, hidden: '' },
      make('input', { type: 'hidden', name: step.field, value: step.value }),
    );
    const over = (end: () => void): void => {
      view.removeEventListener('message', heard);
      document.removeEventListener('securitypolicyviolation', forbidden);
      signal.removeEventListener('abort', stopped);
      form.remove();
      end();
    };
    const stopped = (): void => over(() => reject(signal.reason));
    // By its window, and not by its origin: whoever the bank's page leads to can only have the server asked too early.
    const heard = ({ source, data }: MessageEvent): void => {
      if (source !== frame.contentWindow || data?.type !== 'cardseal-authentication') return;
      if (data.step === step.kind) over(resolve);
    };
    const forbidden = ({ effectiveDirective, blockedURI }: SecurityPolicyViolationEvent): void => {
      if (!/^(frame-src|child-src|form-action)$/.test(effectiveDirective)) return;
      const { origin } = new URL(step.url);
      if (blockedURI !== '' && !blockedURI.startsWith(origin)) return;
      const message = policy('frame-src https: and form-action https: for the pages of banks');
      over(() => reject(failure(network_failed, { message })));
    };
    view.addEventListener('message', heard);
    document.addEventListener('securitypolicyviolation', forbidden);
    signal.addEventListener('abort', stopped);
    if (signal.aborted) {
      stopped();
      return;
    }
    document.body.append(form);
    // A field of the bank's may be called submit.
    HTMLFormElement.prototype.submit.call(form);
  });
}

/** Lets the bank look at the browser. A bank that does not answer in time only knows less. */
async function look(
  document: Document,
  step: AuthenticationStep,
  signal: AbortSignal,
): Promise<'completed' | 'failed'> {
  const frame = frameFor({ hidden: '', 'aria-hidden': 'true', tabindex: '-1' });
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), METHOD_MS);
  const stop = (): void => patience.abort();
  signal.addEventListener('abort', stop);
  document.body.append(frame);
  try {
    await sent(document, frame, step, patience.signal);
    return 'completed';
  } catch {
    signal.throwIfAborted();
    return 'failed';
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    frame.remove();
  }
}

/** Shows the bank's page in a dialog until the bank has sent it back. */
async function challenge(stage: Stage, step: AuthenticationStep, size: string, signal: AbortSignal): Promise<void> {
  const { document, texts, theme, style } = stage;
  const { title, cancel } = texts.messages.authentication;
  const frame = frameFor({ class: 'cardseal-bank-frame', title });
  const [width = '', height = ''] = size.split('x');
  Object.assign(frame.style, { width: `${width}px`, height: `${height}px` });
  const heading = make('h2', { class: 'cardseal-bank-title', tabindex: '-1', id: `${frame.name}-title` }, title);
  const button = make('button', { type: 'button', class: 'cardseal-button' }, cancel);
  const dialog = make(
    'dialog',
    {
      class: 'cardseal cardseal-bank',
      'aria-labelledby': heading.id,
      'data-theme': theme,
      lang: texts.tag,
      dir: texts.dir,
    },
    heading,
    frame,
    button,
  );
  for (const [name, value] of Object.entries(style)) dialog.style.setProperty(name, value);
  const closing = new AbortController();
  const close = (): void => closing.abort(failure(authentication_cancelled));
  const stop = (): void => closing.abort(signal.reason);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  button.addEventListener('click', close);
  // Escape, and the way back of Android. Whatever else closes it has the same meaning.
  dialog.addEventListener('close', close);
  adopt(document);
  // At the end of the page: no form, no hidden part and no shadow tree is around it, and the page's own dialogs are below.
  document.body.append(dialog);
  dialog.showModal();
  heading.focus();
  try {
    await sent(document, frame, step, closing.signal);
  } finally {
    signal.removeEventListener('abort', stop);
    dialog.removeEventListener('close', close);
    // Gives the focus back to where it was.
    dialog.close();
    dialog.remove();
  }
}
