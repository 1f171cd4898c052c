// Builds the sample pages with one bundler, as configured when nothing is configured: `node bundle.mjs TOOL INSTALL OUT`,
// in the folder of the pages. A process for each, because they do not like to share one.

import { copyFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const [tool, install, out, input] = process.argv.slice(2);
const require = createRequire(path.join(install, 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const pages = process.cwd();
const names = ['main', 'inline', 'fetch', 'worker'];
const scripts = Object.fromEntries(names.map((name) => [name, path.join(pages, `${name}.js`)]));
const html = () => {
  for (const name of readdirSync(pages).filter((file) => file.endsWith('.html')))
    copyFileSync(path.join(pages, name), path.join(out, name));
};

async function rollup(resolving, entry, output) {
  const tool = await load('rollup');
  const { nodeResolve } = await load('@rollup/plugin-node-resolve');
  const bundle = await tool.rollup({ input: entry, plugins: [nodeResolve(resolving)] });
  await bundle.write({ ...output, format: 'es' });
  await bundle.close();
}

const TOOLS = {
  async vite() {
    const { build } = await load('vite');
    await build({
      root: pages,
      logLevel: 'warn',
      build: {
        outDir: out,
        emptyOutDir: true,
        rollupOptions: { input: names.map((name) => path.join(pages, `${name}.html`)) },
      },
    });
  },
  async 'vite dev'() {
    const { createServer } = await load('vite');
    const server = await createServer({
      root: pages,
      cacheDir: path.join(out, 'cache'),
      logLevel: 'warn',
      server: { host: '127.0.0.1', port: 0, fs: { strict: false } },
    });
    await server.listen();
    process.stdout.write(`${server.resolvedUrls.local[0]}\n`);
    process.stdin.resume().on('end', () => server.close().then(() => process.exit()));
  },
  async webpack() {
    const { default: webpack } = await load('webpack');
    const stats = await new Promise((resolve, reject) => {
      webpack(
        { context: pages, mode: 'production', entry: scripts, output: { path: out, filename: '[name].js' } },
        (error, result) => (error ? reject(error) : resolve(result)),
      );
    });
    const text = stats.toString({ all: false, errors: true, warnings: true });
    if (stats.hasErrors()) throw new Error(text);
    process.stderr.write(text);
    html();
  },
  async rollup() {
    await rollup({}, scripts, { dir: out });
    html();
  },
  async 'rollup for browsers'() {
    await rollup({ browser: true }, scripts, { dir: out });
    html();
  },
  async 'rollup for node'() {
    await rollup({ exportConditions: ['node'] }, input, { file: path.join(out, 'server.mjs') });
  },
  async esbuild() {
    const { build } = await load('esbuild');
    await build({ entryPoints: scripts, bundle: true, minify: true, format: 'esm', outdir: out, logLevel: 'warning' });
    html();
  },
};

await TOOLS[tool]();
