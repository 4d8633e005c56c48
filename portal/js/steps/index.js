// Every page there is. A step adds its pages here; its entry stands in shell.js.

import { pages as approve } from "./approve.js";
import { pages as configuration } from "./configuration.js";
import { pages as connection } from "./connection.js";
import { pages as history } from "./history.js";
import { pages as onboarding } from "./onboarding.js";
import { pages as organisations } from "./organisations.js";
import { pages as review } from "./review.js";
import { pages as shared } from "./shared_bases.js";
import { pages as sms } from "./sms.js";

export const pages = [...onboarding, ...configuration, ...connection, ...organisations, ...shared, ...sms, ...approve, ...review, ...history];
