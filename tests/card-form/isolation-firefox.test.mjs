// The attacks on the fields, in Firefox as it is installed.

import { attacksIn } from './attacks.mjs';

attacksIn('Firefox');
