// What the card form knows of a platform: one row of a table, in a file for each platform. The build collects them.

import type {
  Authentication,
  Brand,
  CardInput,
  CcBillCustomer,
  CustomerProblem,
  DirectToken,
  PaymentOutcome,
  Platform,
  SendOptions,
  SessionByPlatform,
  StoredToken,
} from '../types.js';
import type { AuthenticationAsk, PayOptions } from './backend.js';

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

/** The server, and how to reach it. */
export interface Where {
  server: string;
  fetch?: typeof fetch | undefined;
}

/** What the client of every platform has. */
export interface Client {
  free(): void;
}

/** What a platform does with a card: how its code is loaded, what it needs, and the calls. */
export interface Row<Which extends Platform, Module, Made extends Client> {
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
  /** Where the server authenticates customers before a charge. It needs no session. */
  authentication?(module: Module, ask: AuthenticationAsk, how: Where & SendOptions): Promise<Authentication>;
}

/** The class of that name in a platform's module. */
export type Of<Module, Name extends keyof Module> = Module[Name] extends new (
  ...args: never[]
) => infer Made
  ? Made
  : never;

export const send = ({ signal, timeoutMs }: SendOptions): SendOptions => ({
  ...(signal && { signal }),
  ...(timeoutMs !== undefined && { timeoutMs }),
});

export const once = ({ idempotencyKey }: PayExtras): { idempotencyKey?: string } =>
  idempotencyKey === undefined ? {} : { idempotencyKey };

export const given = ({ server, fetch }: Where): { server?: string; fetch?: typeof globalThis.fetch } => ({
  ...(server && { server }),
  ...(fetch && { fetch }),
});
