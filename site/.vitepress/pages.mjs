// Which pages the site has, in four kinds: to learn, to do, to look up, to understand. A page that is in no list is an
// error, so that none can be lost.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ask, PLATFORMS, root } from '../../scripts/project.mjs';

/** A page that others write at the same time may not be there yet. */
const page = (text, file) => ({ text, file, link: `/${file.replace(/^site\//, '').replace(/\.md$/, '')}` });
const title = (file) => /^# (.+)$/m.exec(readFileSync(path.join(root, file), 'utf8'))[1];
const made = (text, link) => ({ text, link });

const ALL = [
  {
    text: 'Tutorial',
    items: [page('Your first payment', 'docs/tutorial.md')],
  },
  {
    text: 'How-to',
    items: [
      {
        text: 'The checkout page',
        items: [
          page('Add the card form', 'docs/forms.md'),
          page('Isolate the fields', 'docs/isolated-fields.md'),
          page('Choose an entry', 'docs/bundlers.md'),
          page('Set a strict CSP', 'docs/csp.md'),
        ],
      },
      {
        text: 'Moving to Cardseal',
        collapsed: true,
        items: [
          page('From aes-js and JSEncrypt', 'docs/migrating.md'),
          page('From the network-token sample', 'docs/migrating-network-tokens.md'),
          page('From globalpayments-js', 'docs/migrating-globalpayments-js.md'),
          page('From onlinepayments-sdk-client-js', 'docs/migrating-onlinepayments-client.md'),
        ],
      },
      {
        text: 'Frameworks',
        collapsed: true,
        items: [
          page('All examples', 'examples/README.md'),
          page('Plain HTML', 'examples/plain/README.md'),
          page('React', 'examples/react/README.md'),
          page('Vue', 'examples/vue/README.md'),
          page('Svelte', 'examples/svelte/README.md'),
          page('Angular', 'examples/angular/README.md'),
          page('Next.js', 'examples/next/README.md'),
        ],
      },
      {
        text: 'Platforms',
        items: [
          page('Test cards', 'docs/test-cards.md'),
          ...PLATFORMS.map((name) => page(title(`docs/${name}.md`), `docs/${name}.md`)),
        ],
      },
      {
        text: 'Your back end',
        items: [
          page('Without Cardseal’s server', 'docs/own-back-end.md'),
          page('Receive events', 'docs/events.md'),
          made('Reconcile an unknown payment', '/docs/going-live#11-payments-whose-outcome-is-unknown'),
          made('Compare a day with the platform', '/docs/server#reconciliation'),
        ],
      },
      {
        text: 'Operation',
        items: [
          page('Go live', 'docs/going-live.md'),
          page('Rotate keys', 'docs/rotate-keys.md'),
          page('Back up and restore', 'docs/back-up.md'),
          page('Upgrade', 'docs/upgrade.md'),
          page('Run several instances', 'docs/several-instances.md'),
          page('Monitor', 'docs/monitor.md'),
          page('Stop card testing', 'docs/card-testing.md'),
          page('Keep evidence for PCI DSS', 'docs/pci-evidence.md'),
          page('Check what you serve', 'docs/integrity.md'),
        ],
      },
    ],
  },
  {
    text: 'Reference',
    items: [
      page('JavaScript API', 'docs/api.md'),
      page('Card form', 'docs/card-form.md'),
      page('Error codes', 'docs/errors.md'),
      page('The server', 'docs/server.md'),
      made('Server API: every operation', '/reference/operations'),
      made('Server configuration', '/reference/configuration'),
      page('Command line', 'docs/cli.md'),
      made('Rust crates', '/reference/crates'),
      page('Worldline client for Rust', 'worldline/README.md'),
      page('Sandbox', 'docs/sandbox.md'),
      page('Changes', 'CHANGELOG.md'),
    ],
  },
  {
    text: 'Explanation',
    items: [
      page('Architecture', 'docs/architecture.md'),
      page('Security model', 'docs/security.md'),
      page('Report a weakness', 'SECURITY.md'),
      page('Accessibility', 'docs/accessibility.md'),
      page('Benchmarks', 'docs/benchmarks.md'),
      page('Performance', 'docs/performance.md'),
      page('Decisions', 'docs/decisions/README.md'),
      page('Overview', 'README.md'),
    ],
  },
];

const present = (items) =>
  items
    .map((item) => (item.items ? { ...item, items: present(item.items) } : item))
    .filter(({ file, items }) => (file ? existsSync(path.join(root, file)) : !items || items.length > 0));

const flat = (items) => items.flatMap((item) => (item.items ? flat(item.items) : [item]));

export const SIDEBAR = present(ALL);

/** The files that are pages. The decisions are listed on a page of their own. */
export const PAGES = new Set(
  flat(SIDEBAR)
    .map(({ file }) => file)
    .filter(Boolean),
);

export const isPage = (file) =>
  PAGES.has(file) || file.startsWith('docs/decisions/') || /^site\/(index|reference\/\[page\])\.md$/.test(file);

/** Files in docs/ that no list names. */
export const UNLISTED = ask('git', ['ls-files', '-co', '--exclude-standard', 'docs/*.md'])
  .split('\n')
  .filter((file) => !isPage(file));
