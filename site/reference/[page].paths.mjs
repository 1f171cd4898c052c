// The pages of the reference that are made from what the programs read or write.

import { configuration } from './configuration.mjs';
import { crates } from './crates.mjs';
import { operations } from './operations.mjs';

export default {
  watch: ['../../docs/openapi.json', '../../server/config.example.toml'],
  paths: () =>
    Object.entries({ operations, configuration, crates }).map(([page, write]) => ({
      params: { page },
      content: write(),
    })),
};
