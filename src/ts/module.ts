// Calls the loaded WebAssembly module. A module that has trapped is replaced by a new one.

import type * as Glue from './cardseal.js';
import { module_failed, not_loaded } from './codes.js';
import { CardsealError } from './error.js';
import { failure } from './failure.js';

/** The glue of a module with all platforms or with some. */
export type Module = Omit<typeof Glue, 'default' | 'initSync' | '__wbg_init'>;

let modules: Partial<Module>[] = [];
/** How often the module was replaced. Objects of an earlier one no longer exist. */
let generation = 0;
let depth = 0;
let trapped = false;

/** Adds a started module to those of other platforms. */
export function provide(module: Partial<Module>): void {
  if (!modules.includes(module)) modules = [module, ...modules];
  for (const waiting of waitingForModule.splice(0)) waiting();
}

/** What to do once a module has loaded. */
const waitingForModule: (() => void)[] = [];
export function whenLoaded(work: () => void): void {
  waitingForModule.push(work);
}

export const isLoaded = (): boolean => modules.length > 0;

/** Returns an export of the module that has it. */
function exported<Name extends keyof Module>(name: Name): Module[Name] {
  const module = modules.find((candidate) => name in candidate);
  if (!module) throw failure(not_loaded);
  return module[name] as Module[Name];
}

/** Calls a function or a constructor of the module. */
export function call<Name extends keyof Module, Result>(name: Name, work: (found: Module[Name]) => Result): Result {
  if (trapped) restart();
  depth += 1;
  try {
    return work(exported(name));
  } catch (cause) {
    if (cause instanceof CardsealError) throw cause;
    // Any other exception is a trap or a stack overflow.
    trapped = true;
    throw failure(module_failed);
  } finally {
    depth -= 1;
  }
}

/** Replaces the module, but not during a call, whose frames would continue in the new one. */
function restart(): void {
  if (depth > 0) throw failure(module_failed);
  for (const module of modules) module.__wbg_reset_state?.();
  generation += 1;
  trapped = false;
}

/** An object of the module, which is created again after the module was replaced. */
export class Remade<Inner extends { free(): void }> {
  #make: () => Inner;
  #inner: Inner;
  #generation = 0;

  constructor(make: () => Inner) {
    this.#make = make;
    this.#inner = make();
    this.#generation = generation;
  }

  get(): Inner {
    if (this.#generation !== generation) {
      this.#inner = this.#make();
      this.#generation = generation;
    }
    return this.#inner;
  }

  free(): void {
    if (this.#generation === generation && !trapped) this.#inner.free();
  }
}
