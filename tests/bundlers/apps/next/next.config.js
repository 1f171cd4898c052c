// A static export: every page is rendered at build time, so importing the package on a server is part of the build.
export default {
  output: 'export',
  turbopack: { root: new URL('../..', import.meta.url).pathname },
  outputFileTracingRoot: new URL('../..', import.meta.url).pathname,
};
