// Reads one JSON document from standard input, and answers with what each implementation makes of it.

import { readFileSync } from "node:fs";
import * as jose from "./with_jose.mjs";
import * as webcrypto from "./webcrypto.mjs";

const { document, apiKey, sealed, sealing, stored, storage } = JSON.parse(readFileSync(0, "utf8"));
const answer = {
  sealed: {
    "jose, ECDH-ES": await jose.seal(document, apiKey),
    "jose, ECDH-ES+A256KW": await jose.seal(document, apiKey, "ECDH-ES+A256KW"),
    "WebCrypto, ECDH-ES": await webcrypto.seal(document, apiKey),
  },
  opened: {
    "jose, sealed": await jose.unseal(sealed, sealing),
    "jose, stored": await jose.openStored(stored, storage),
    "WebCrypto, sealed": await webcrypto.unseal(sealed, sealing),
    "WebCrypto, stored": await webcrypto.openStored(stored, storage),
  },
};
console.log(JSON.stringify(answer));
