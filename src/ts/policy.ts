// What the page's Content-Security-Policy stands in the way of, in words.

/** Names what the policy lacks; a worker has one of its own. */
export const policy = (what: string): string =>
  `the Content-Security-Policy of the ${globalThis.document ? 'page' : 'worker'} lacks ${what}`;

/** Notes which directives are violated until its end. */
export function watchPolicy(): { broken(): Promise<string>; end(): void } {
  let directives = '';
  const note = (event: Event): void => {
    directives += (event as SecurityPolicyViolationEvent).effectiveDirective;
  };
  const context: unknown = globalThis.document ?? globalThis;
  // In Node `globalThis` is none, and test environments lack the class.
  const target = typeof EventTarget === 'function' && context instanceof EventTarget ? context : undefined;
  target?.addEventListener('securitypolicyviolation', note);
  return {
    async broken() {
      // The event may come after the exception.
      await new Promise((done) => setTimeout(done, 50));
      return directives;
    },
    end() {
      target?.removeEventListener('securitypolicyviolation', note);
    },
  };
}
