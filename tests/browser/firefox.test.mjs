// The checkout in Firefox; the module's own tests run there too.

import { checkoutIn } from './engines.mjs';
import { launchFirefox } from './webdriver.mjs';

checkoutIn('Firefox', launchFirefox);
