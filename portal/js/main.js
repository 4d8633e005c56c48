// The page begins: words, sign-in, shell, the page that the address names.

import { begin, signedIn } from "./sign_in.js";
import { layOut, mark, speak, welcome } from "./shell.js";
import { pages } from "./steps/index.js";
import { start } from "./router.js";

await speak();
const refusal = await begin();
if (signedIn()) await start(pages, layOut(pages), mark);
else welcome(refusal);
