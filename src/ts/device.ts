// The browser's data for the platform. The page collects it for the worker, which has no screen. Without a worker, the
// module collects the same.

/** The data of this browser. What it does not have is left out. */
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
