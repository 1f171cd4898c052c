// Apart from its platform, because the page's half of the worker needs it: a worker sees no screen.

/** The browser that is really there; what there is not is left out. */
export function device() {
  const { innerHeight, innerWidth, navigator, screen } = globalThis;
  const browserData = { javaScriptEnabled: true, colorDepth: screen?.colorDepth, screenHeight: screen?.height, screenWidth: screen?.width, innerHeight, innerWidth };
  return { timezoneOffsetUtcMinutes: new Date().getTimezoneOffset(), locale: navigator?.language, browserData };
}
