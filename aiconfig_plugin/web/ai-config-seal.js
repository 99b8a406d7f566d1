// Sealing: encrypt an API key to the gateway's public key. Compact JWE
// (RFC 7516) with ECDH-ES in direct key agreement on P-256 (RFC 7518 section 4.6) and A256GCM.
// WebCrypto needs a secure context: https, or a loopback address.

/** @typedef {import("./ai-config-types.d.ts").EncryptionKeyDocument} EncryptionKeyDocument */

export const MAX_API_KEY_BYTES = 4096;

const ENC = "A256GCM";
const KEY_BITS = 256;
const TAG_BYTES = 16;
const CURVE = { name: "ECDH", namedCurve: "P-256" };

const utf8 = new TextEncoder();

/**
 * Seal `apiKey` for the user that the document was issued to.
 *
 * @param {EncryptionKeyDocument} document
 * @param {string} apiKey 1 to 4,096 bytes of UTF-8
 * @param {{provider?: string}} [entry] always give the provider: the gateway then accepts the key for
 *   its entries only
 * @returns {Promise<string>} the value of `apiKeyEncrypted`
 * @throws {RangeError} if the API key is empty or too long
 * @throws {TypeError} if the document is malformed
 */
export async function sealApiKey(document, apiKey, { provider } = {}) {
  const plaintext = utf8.encode(apiKey);
  if (plaintext.length < 1 || plaintext.length > MAX_API_KEY_BYTES) {
    throw new RangeError(`An API key has 1 to ${MAX_API_KEY_BYTES} bytes.`);
  }
  if (!globalThis.crypto?.subtle) {
    throw new Error("Sealing needs a secure context: https, or a loopback address.");
  }
  const { recipient, kid, apv } = await readDocument(document);
  const ephemeral = await crypto.subtle.generateKey(CURVE, true, ["deriveBits"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", ephemeral.publicKey);
  const header = { alg: "ECDH-ES", enc: ENC, kid, apv, aud: provider, epk: { kty, crv, x, y } };
  const protectedHeader = base64url(utf8.encode(JSON.stringify(header)));

  const secret = new Uint8Array(
    await crypto.subtle.deriveBits(
      { name: "ECDH", public: recipient },
      ephemeral.privateKey,
      KEY_BITS,
    ),
  );
  const key = await crypto.subtle.importKey(
    "raw",
    await concatKDF(secret, fromBase64url(apv)),
    "AES-GCM",
    false,
    ["encrypt"],
  );
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const encrypted = new Uint8Array(
    await crypto.subtle.encrypt(
      { name: "AES-GCM", iv, additionalData: utf8.encode(protectedHeader) },
      key,
      plaintext,
    ),
  );
  const end = encrypted.length - TAG_BYTES;
  const parts = [iv, encrypted.subarray(0, end), encrypted.subarray(end)].map(base64url);
  // With direct key agreement the encrypted key is empty.
  return [protectedHeader, "", ...parts].join(".");
}

/**
 * @param {EncryptionKeyDocument} document
 * @returns {Promise<{recipient: CryptoKey, kid: string, apv: string}>}
 */
async function readDocument(document) {
  const { kty, crv, x, y, kid } = document?.keys?.[0] ?? {};
  const apv = document?.apv;
  if (crv !== CURVE.namedCurve || !kid || typeof apv !== "string" || !apv) {
    throw new TypeError("Malformed encryption-key document.");
  }
  try {
    const jwk = { kty, crv, x, y };
    const recipient = await crypto.subtle.importKey("jwk", jwk, CURVE, false, []);
    return { recipient, kid, apv };
  } catch (cause) {
    throw new TypeError("Malformed encryption-key document.", { cause });
  }
}

/**
 * Concat KDF (NIST SP 800-56A) with SHA-256 and the parameters of RFC 7518 section 4.6.2. One
 * round yields the 256 bits that A256GCM needs. PartyUInfo is empty.
 *
 * @param {Uint8Array} secret
 * @param {Uint8Array} partyV
 */
async function concatKDF(secret, partyV) {
  const fields = [
    uint32(1), // the round
    secret,
    ...prefixed(utf8.encode(ENC)),
    ...prefixed(new Uint8Array()), // PartyUInfo
    ...prefixed(partyV),
    uint32(KEY_BITS), // SuppPubInfo
  ];
  const bytes = new Uint8Array(fields.reduce((size, field) => size + field.length, 0));
  let offset = 0;
  for (const field of fields) {
    bytes.set(field, offset);
    offset += field.length;
  }
  return crypto.subtle.digest("SHA-256", bytes);
}

/** @param {Uint8Array} field */
function prefixed(field) {
  return [uint32(field.length), field];
}

/** @param {number} value */
function uint32(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** @param {Uint8Array | ArrayBuffer} bytes */
export function base64url(bytes) {
  const binary = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text */
function fromBase64url(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
