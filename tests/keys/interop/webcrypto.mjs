// ECDH-ES and A256KW with A256GCM by WebCrypto alone (RFC 7516, RFC 7518 sections 4.4 and 4.6).

const { subtle } = globalThis.crypto;
const P256 = { name: "ECDH", namedCurve: "P-256" };
const utf8 = new TextEncoder();
const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
const unb64 = (text) => new Uint8Array(Buffer.from(text, "base64url"));
const field = (bytes) => [0, 0, bytes.length >> 8, bytes.length & 255, ...bytes];

async function contentKey(secret, publicJWK, { enc, apu = "", apv = "" }) {
  const { kty, crv, x, y } = publicJWK;
  const their = await subtle.importKey("jwk", { kty, crv, x, y }, P256, false, []);
  const shared = new Uint8Array(await subtle.deriveBits({ name: "ECDH", public: their }, secret, 256));
  const info = [...field(utf8.encode(enc)), ...field(unb64(apu)), ...field(unb64(apv)), 0, 0, 1, 0];
  const derived = await subtle.digest("SHA-256", new Uint8Array([0, 0, 0, 1, ...shared, ...info]));
  return subtle.importKey("raw", derived, "AES-GCM", false, ["encrypt", "decrypt"]);
}

export async function seal({ keys: [recipient], apv }, apiKey) {
  const pair = await subtle.generateKey(P256, true, ["deriveBits"]);
  const { kty, crv, x, y } = await subtle.exportKey("jwk", pair.publicKey);
  const header = { alg: "ECDH-ES", enc: "A256GCM", kid: recipient.kid, apv, epk: { kty, crv, x, y } };
  const key = await contentKey(pair.privateKey, recipient, header);
  const protectedHeader = b64(utf8.encode(JSON.stringify(header)));
  const iv = globalThis.crypto.getRandomValues(new Uint8Array(12));
  const gcm = { name: "AES-GCM", iv, additionalData: utf8.encode(protectedHeader) };
  const sealed = new Uint8Array(await subtle.encrypt(gcm, key, utf8.encode(apiKey)));
  return [protectedHeader, "", b64(iv), b64(sealed.slice(0, -16)), b64(sealed.slice(-16))].join(".");
}

async function decrypt(jwe, key) {
  const [protectedHeader, , iv, ciphertext, tag] = jwe.split(".");
  const gcm = { name: "AES-GCM", iv: unb64(iv), additionalData: utf8.encode(protectedHeader) };
  const sealed = new Uint8Array([...unb64(ciphertext), ...unb64(tag)]);
  return new TextDecoder().decode(await subtle.decrypt(gcm, key, sealed));
}

const headerOf = (jwe) => JSON.parse(Buffer.from(jwe.split(".")[0], "base64url").toString());

export async function unseal(jwe, privateJWK) {
  const { kty, crv, x, y, d } = privateJWK;
  const secret = await subtle.importKey("jwk", { kty, crv, x, y, d }, P256, false, ["deriveBits"]);
  const header = headerOf(jwe);
  return decrypt(jwe, await contentKey(secret, header.epk, header));
}

export async function openStored(jwe, octJWK) {
  const wrapping = await subtle.importKey("raw", unb64(octJWK.k), "AES-KW", false, ["unwrapKey"]);
  const wrapped = unb64(jwe.split(".")[1]);
  return decrypt(
    jwe,
    await subtle.unwrapKey("raw", wrapped, wrapping, "AES-KW", "AES-GCM", false, ["decrypt"]),
  );
}
