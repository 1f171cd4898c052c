// What the platform is told of the browser, for the page's half of the worker: a worker sees no screen. The module collects
// the same by itself.

/** The browser that is really there; what there is not is left out. */
export function device(): Record<string, unknown> {
  const { innerHeight, innerWidth, navigator, screen } = globalThis;
  const browserData = {
    javaScriptEnabled: true,
    colorDepth: screen?.colorDepth,
    screenHeight: screen?.height,
    screenWidth: screen?.width,
    innerHeight,
    innerWidth,
  };
  return { timezoneOffsetUtcMinutes: new Date().getTimezoneOffset(), locale: navigator?.language, browserData };
}
