// An authorization server that nobody of this project wrote: node-oidc-provider, in memory.
//
// Reads one JSON object from standard input: {"clients": [...], "resource": "...", "scope": "...",
// "format": "opaque" or "jwt"} (client metadata; the resource server's indicator, its scopes and
// how its access tokens are written). Prints its issuer once it listens on a free loopback port,
// and ends with its standard input. Any login name is a user; the log-in and consent pages are the
// library's own, for development.

import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import process from 'node:process';
import { createInterface } from 'node:readline';

globalThis.crypto ??= webcrypto; // Node.js 18 has it, but not there
const { Provider } = await import('oidc-provider');

const lines = createInterface({ input: process.stdin });
const [line] = await once(lines, 'line');
const { clients, resource, scope, format } = JSON.parse(line);
lines.once('close', () => process.exit(0));

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients,
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  cookies: { keys: ['for-tests-alone'] },
  enabledJWA: {
    clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    dPoPSigningAlgValues: ['ES256', 'EdDSA'],
  },
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope, accessTokenFormat: format }),
    },
  },
  // The library's own guard lets no request go to a loopback address.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  issueRefreshToken: () => true,
  pkce: { required: () => true },
});

server.on('request', provider.callback());
process.stdout.write(`${issuer}\n`);
