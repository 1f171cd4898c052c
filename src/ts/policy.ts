// Explains what the page's Content-Security-Policy forbids.

/** Says what the policy lacks. A worker has its own policy. */
export const policy = (what: string): string =>
  `the Content-Security-Policy of the ${globalThis.document ? 'page' : 'worker'} lacks ${what}`;

/** Records the violated directives until `end` is called. */
export function watchPolicy(): { broken(): Promise<string>; end(): void } {
  let directives = '';
  const note = (event: Event): void => {
    directives += (event as SecurityPolicyViolationEvent).effectiveDirective;
  };
  const context: unknown = globalThis.document ?? globalThis;
  // In Node, `globalThis` is not an EventTarget, and some test environments do not have the class.
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
