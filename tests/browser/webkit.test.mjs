// The checkout in WebKit, the engine of Safari, as WebKitGTK has it.

import { checkoutIn } from './engines.mjs';
import { launchWebKit } from './webdriver.mjs';

checkoutIn('WebKit', launchWebKit);
