// The same as webcrypto.mjs, by npm's jose.

import { CompactEncrypt, compactDecrypt, importJWK } from "jose";

export async function seal({ keys: [recipient], apv }, apiKey, alg = "ECDH-ES") {
  return new CompactEncrypt(new TextEncoder().encode(apiKey))
    .setProtectedHeader({ alg, enc: "A256GCM", kid: recipient.kid, apv })
    .setKeyManagementParameters({ apv: new Uint8Array(Buffer.from(apv, "base64url")) })
    .encrypt(await importJWK(recipient, alg));
}

async function open(jwe, jwk, alg) {
  const { plaintext } = await compactDecrypt(jwe, await importJWK(jwk, alg));
  return new TextDecoder().decode(plaintext);
}

export const unseal = (jwe, jwk) => open(jwe, jwk, "ECDH-ES");
export const openStored = (jwe, jwk) => open(jwe, jwk, "A256KW");
