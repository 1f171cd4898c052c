// Exceptions that TypeScript throws itself, with codes and messages from the crate's table.

import { CardsealError, type CardsealErrorFacts } from './error.js';
import type { ErrorCode } from './types.js';

/** A row of the table in codes.ts. */
export interface Row {
  readonly code: ErrorCode;
  readonly message: string;
}

export const failure = (row: Row, facts?: CardsealErrorFacts & { message?: string; cause?: unknown }): CardsealError =>
  new CardsealError({ ...row, ...facts });
