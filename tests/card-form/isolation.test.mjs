// The attacks on the fields, in Chromium.

import { attacksIn } from './attacks.mjs';

attacksIn('Chromium');
