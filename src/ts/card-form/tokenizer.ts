// What each platform does with a card, in one table: how its code is loaded, what it needs, and the calls that lead to a
// stored token or to the outcome of a payment. Used by the page and by the frame. Nothing here touches the document.

import { option_invalid, session_malformed, session_wrong_platform } from '../codes.js';
import { failure } from '../failure.js';
import type {
  Brand,
  CardInput,
  CcBillCustomer,
  CustomerProblem,
  DirectToken,
  PaymentOutcome,
  Platform,
  SendOptions,
  ServerSession,
  SessionByPlatform,
  StoredToken,
} from '../types.js';
import type { PayOptions } from './backend.js';

/** What goes with a card. */
export interface Extras extends SendOptions {
  /** Only CCBill. */
  customer?: CcBillCustomer | undefined;
  /** The chosen one of the card's brands, from {@link Tokenizer.choices}. */
  choice?: BrandChoice | undefined;
}

export interface PayExtras extends Extras {
  /** The same key charges once. */
  idempotencyKey?: string;
  kountSession?: string | undefined;
  store?: boolean | undefined;
  authenticate?: PayOptions['authenticate'] | undefined;
}

/** One of the brands of a card that the shopper can choose (EU 2015/751, Art. 8). The first one is the default. */
export interface BrandChoice {
  brand: Brand;
  /** What the platform calls it. */
  product: number;
}

/** What a platform needs from a shopper. */
export interface Needs {
  holder: 'required' | 'optional';
  /** A card that is kept can have a name. */
  nickname: boolean;
  /** Details of the customer. */
  customer: boolean;
}

/** A platform with its code loaded. */
export interface Tokenizer {
  readonly platform: Platform;
  readonly needs: Needs;
  /** Finds what is wrong with the customer's details. */
  checkCustomer(customer: Partial<CcBillCustomer>): CustomerProblem[];
  /** Fetches what a call will need, so that the shopper does not wait for it. */
  prepare(session: ServerSession, how: Where): Promise<void>;
  /** The brands between which the shopper can choose. Empty: there is one, or the platform takes no choice. */
  choices(session: ServerSession, number: string, how: Where): Promise<BrandChoice[]>;
  /** Stores the card, or replaces one in a session of kind `update`. */
  tokenize(session: ServerSession, card: CardInput, extras: Extras & Where): Promise<StoredToken>;
  pay(session: ServerSession, card: CardInput, extras: PayExtras & Where): Promise<PaymentOutcome>;
  /** Whether a card that goes straight to the platform is charged there, and not by the server. */
  readonly charges: boolean;
  /** Forgets what was fetched. */
  free(): void;
}

/** The server, and how to reach it. */
export interface Where {
  server: string;
  fetch?: typeof fetch | undefined;
}

/** What the client of every platform has. */
interface Client {
  free(): void;
}

interface Row<Which extends Platform, Module, Made extends Client> {
  load(): Promise<Module & { load(): Promise<void> }>;
  needs: Needs;
  charges?: true;
  client(module: Module, session: SessionByPlatform[Which], where: Where): Made;
  checkCustomer?(module: Module, customer: Partial<CcBillCustomer>): CustomerProblem[];
  prepare?(client: Made, session: SessionByPlatform[Which]): Promise<unknown>;
  choices?(client: Made, session: SessionByPlatform[Which], number: string): Promise<BrandChoice[]>;
  tokenize(
    client: Made,
    session: SessionByPlatform[Which],
    card: CardInput,
    extras: Extras,
  ): Promise<StoredToken | DirectToken>;
  update?(
    client: Made,
    session: SessionByPlatform[Which],
    card: CardInput,
    extras: Extras,
  ): Promise<StoredToken | DirectToken>;
  confirmToken?(
    client: Made,
    session: SessionByPlatform[Which],
    token: DirectToken,
    extras: SendOptions,
  ): Promise<StoredToken>;
  pay?(client: Made, session: SessionByPlatform[Which], card: CardInput, extras: PayExtras): Promise<PaymentOutcome>;
}

type GreenPayModule = typeof import('../greenpay-inline.js');
type GpApiModule = typeof import('../gp-api-inline.js');
type OnlinePaymentsModule = typeof import('../online-payments-inline.js');
type CcBillModule = typeof import('../ccbill-inline.js');
type WorldlineModule = typeof import('../worldline-acquiring-inline.js');
type Of<Module, Name extends keyof Module> = Module[Name] extends new (...args: never[]) => infer Made ? Made : never;

const send = ({ signal, timeoutMs }: SendOptions): SendOptions => ({
  ...(signal && { signal }),
  ...(timeoutMs !== undefined && { timeoutMs }),
});

const once = ({ idempotencyKey }: PayExtras): { idempotencyKey?: string } =>
  idempotencyKey === undefined ? {} : { idempotencyKey };

const greenpay: Row<'greenpay', GreenPayModule, Of<GreenPayModule, 'GreenPay'>> = {
  load: () => import('../greenpay-inline.js'),
  needs: { holder: 'required', nickname: true, customer: false },
  charges: true,
  client: ({ GreenPay }, { public_key: publicKey }, where) => new GreenPay({ publicKey, ...given(where) }),
  tokenize: (client, session, card, extras) => client.tokenize(session, card, send(extras)),
  update: (client, session, card, extras) => client.updateToken(session, card, send(extras)),
  confirmToken: (client, session, token, how) => client.confirmToken(session, token, how),
  async pay(client, session, card, extras) {
    const outcome = await client.pay(session, card, {
      ...send(extras),
      ...(extras.kountSession && { kountSession: extras.kountSession }),
      ...(extras.store && { tokenize: true }),
      ...(session.mode === 'relay' && once(extras)),
    });
    if (session.mode !== 'direct' || outcome.id) return outcome;
    // The shop did not see this payment. If it cannot be told now, the platform's notification will tell it.
    return client.confirmPayment(session, outcome, { ...send(extras), ...once(extras) }).catch(() => outcome);
  },
};

const gpApi: Row<'gp_api', GpApiModule, Of<GpApiModule, 'GpApi'>> = {
  load: () => import('../gp-api-inline.js'),
  needs: { holder: 'optional', nickname: false, customer: false },
  client: ({ GpApi }, _, where) => new GpApi(given(where)),
  tokenize: (client, session, card, extras) => client.tokenize(session, card, send(extras)),
  confirmToken: (client, session, token, how) => client.confirmToken(session, token, how),
};

/** The platform's numbers of products that are brands. */
const PRODUCTS: Record<number, Brand> = {
  1: 'visa',
  2: 'amex',
  3: 'mastercard',
  117: 'maestro',
  125: 'jcb',
  128: 'discover',
  130: 'cartes_bancaires',
  132: 'diners',
  3012: 'bancontact',
};

const onlinePayments: Row<'online_payments', OnlinePaymentsModule, Of<OnlinePaymentsModule, 'OnlinePayments'>> = {
  load: () => import('../online-payments-inline.js'),
  needs: { holder: 'required', nickname: false, customer: false },
  client: ({ OnlinePayments }, _, where) => new OnlinePayments(given(where)),
  prepare: (client, session) => client.publicKey(session),
  async choices(client, session, number) {
    const { status, paymentProductId, coBrands } = await client.iinDetails(session, number);
    const allowed = coBrands.filter((one) => one.isAllowedInContext).map((one) => one.paymentProductId);
    // What the platform itself would take is the default, and so comes first.
    const products = new Set(status === 'supported' ? [paymentProductId, ...allowed] : allowed);
    return [...products].flatMap((id) => {
      const brand = PRODUCTS[id ?? 0];
      return id !== null && brand ? [{ brand, product: id }] : [];
    });
  },
  tokenize: (client, session, card, extras) =>
    client.tokenize(session, card, { ...send(extras), ...product(extras.choice) }),
  pay: (client, session, card, extras) =>
    client.pay(session, card, { ...send(extras), ...product(extras.choice), ...once(extras) }),
};

const product = (choice: BrandChoice | undefined): { paymentProductId?: number } =>
  choice ? { paymentProductId: choice.product } : {};

const ccbill: Row<'ccbill', CcBillModule, Of<CcBillModule, 'CcBill'>> = {
  load: () => import('../ccbill-inline.js'),
  needs: { holder: 'required', nickname: false, customer: true },
  client: ({ CcBill }, _, where) => new CcBill(given(where)),
  checkCustomer: ({ checkCustomer }, customer) => checkCustomer(customer),
  tokenize: (client, session, card, extras) => client.createPaymentToken(session, card, withCustomer(extras)),
  confirmToken: (client, session, token, how) => client.confirmToken(session, token, how),
  async pay(client, session, card, extras) {
    const { authenticate } = extras;
    const threeDs = authenticate ? await client.threeDsRequired(session, card, send(extras)) : false;
    const token = await client.createPaymentToken(session, card, { ...withCustomer(extras), threeDs });
    const threedsInformation = threeDs ? await authenticate?.(session) : undefined;
    return client.confirmPayment(session, token, {
      ...send(extras),
      ...once(extras),
      ...(threedsInformation && { threedsInformation }),
    });
  },
};

const withCustomer = (extras: Extras): SendOptions & { customer?: CcBillCustomer } => ({
  ...send(extras),
  ...(extras.customer && { customer: extras.customer }),
});

const worldlineAcquiring: Row<'worldline_acquiring', WorldlineModule, Of<WorldlineModule, 'WorldlineAcquiring'>> = {
  load: () => import('../worldline-acquiring-inline.js'),
  needs: { holder: 'optional', nickname: false, customer: false },
  client: ({ WorldlineAcquiring }, _, where) => new WorldlineAcquiring(given(where)),
  tokenize: (client, session, card, extras) => client.tokenize(session, card, send(extras)),
  pay: (client, session, card, extras) => client.pay(session, card, { ...send(extras), ...once(extras) }),
};

const given = ({ server, fetch }: Where): { server?: string; fetch?: typeof globalThis.fetch } => ({
  ...(server && { server }),
  ...(fetch && { fetch }),
});

// The rows differ in their types, which only the table itself can know.
type AnyRow = Row<Platform, unknown, Client>;

const PLATFORMS: Record<Platform, AnyRow> = {
  greenpay: greenpay as unknown as AnyRow,
  gp_api: gpApi as unknown as AnyRow,
  online_payments: onlinePayments as unknown as AnyRow,
  ccbill: ccbill as unknown as AnyRow,
  worldline_acquiring: worldlineAcquiring as unknown as AnyRow,
};

export const isPlatform = (name: unknown): name is Platform =>
  typeof name === 'string' && Object.hasOwn(PLATFORMS, name);

/** What the platform needs, before its code has loaded. */
export const needsOf = (platform: Platform): Needs => PLATFORMS[platform].needs;

const notOffered = (platform: Platform, what: string): never => {
  throw failure(option_invalid, { field: 'kind', platform, message: `${platform} ${what}` });
};

/** Loads the platform's code. After a failure, the next call tries again. */
export async function loadTokenizer(platform: Platform): Promise<Tokenizer> {
  if (!isPlatform(platform)) {
    throw failure(option_invalid, { field: 'platform', message: `there is no platform ${String(platform)}` });
  }
  const row = PLATFORMS[platform];
  const module = await row.load();
  await module.load();
  let kept: { session: ServerSession; server: string; client: Client } | undefined;
  /** One client for a session: some keep what the platform answered about it. */
  const clientOf = (session: ServerSession, where: Where): Client => {
    if (session.platform !== platform) {
      throw failure(isPlatform(session.platform) ? session_wrong_platform : session_malformed, { field: 'session' });
    }
    if (kept?.session === session && kept.server === where.server && !where.fetch) return kept.client;
    const client = row.client(module, session, where);
    if (where.fetch) return client;
    kept?.client.free();
    kept = { session, server: where.server, client };
    return client;
  };
  return {
    platform,
    needs: row.needs,
    charges: row.charges === true,
    checkCustomer: (customer) => row.checkCustomer?.(module, customer) ?? [],
    async prepare(session, where) {
      if (session.platform === platform && session.mode === 'relay') {
        await row.prepare?.(clientOf(session, where), session);
      }
    },
    async choices(session, number, where) {
      const found = await row.choices?.(clientOf(session, where), session, number);
      return found && found.length > 1 ? found : [];
    },
    async tokenize(session, card, extras) {
      const client = clientOf(session, extras);
      const isUpdate = session.kind === 'update';
      const work = isUpdate ? row.update : row.tokenize;
      if (!work) return notOffered(platform, 'does not replace stored cards');
      const token = await work(client, session, card, extras);
      if (session.mode !== 'direct') return token as StoredToken;
      if (!row.confirmToken) return notOffered(platform, 'takes cards in direct mode only by its own form');
      return row.confirmToken(client, session, token as DirectToken, send(extras));
    },
    async pay(session, card, extras) {
      if (!row.pay) return notOffered(platform, 'charges only stored cards');
      return row.pay(clientOf(session, extras), session, card, extras);
    },
    free() {
      kept?.client.free();
      kept = undefined;
    },
  };
}
