// The OAuth 2.0 provider that the tests start: client credentials with opaque tokens, and introspection for Dovecot.
//
// Environment: ADDRESS, PORT, CHAIN and KEY (PEM files), MODULES (a folder with oidc-provider), CLIENTS (JSON: an object
// of client id → { secret, method, username, seconds }, or { certificate, method: 'private_key_jwt', … } with a PEM file), TOKEN_PATH (`/token` when
// it is left out).
import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';

const { ADDRESS, PORT, CHAIN, KEY, MODULES, CLIENTS, TOKEN_PATH = '/token' } = process.env;
const { Provider } = await import(createRequire(`${MODULES}/x.js`).resolve('oidc-provider'));
const clients = JSON.parse(CLIENTS);
const scope = 'mail https://graph.microsoft.com/.default';
const jwks = (path) => {
  const certificate = new X509Certificate(readFileSync(path));
  const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url');
  return { keys: [{ ...certificate.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'PS256', 'x5t#S256': thumbprint }] };
};
const of = (id) => clients[id] ?? { seconds: 3600 };

const provider = new Provider(`https://${ADDRESS}:${PORT}`, {
  clients: Object.entries(clients).map(([id, { secret, certificate, method, username }]) => ({
    client_id: id,
    ...(certificate ? { jwks: jwks(certificate), token_endpoint_auth_signing_alg: 'PS256' } : { client_secret: secret }),
    token_endpoint_auth_method: method,
    // The one without a user is the mail server, which looks tokens up.
    grant_types: username ? ['client_credentials'] : [],
    response_types: [],
    redirect_uris: [],
    ...(username ? { scope } : {}),
  })),
  scopes: scope.split(' '),
  routes: { token: TOKEN_PATH, introspection: '/introspect' },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  extraTokenClaims: (_, token) => ({ username: of(token.clientId).username }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      defaultResource: () => 'https://mail.example.test',
      getResourceServerInfo: (_, __, client) => ({
        scope,
        accessTokenFormat: 'opaque',
        accessTokenTTL: of(client.clientId).seconds,
      }),
    },
  },
  ttl: { ClientCredentials: (_, __, client) => of(client.clientId).seconds },
});
for (const event of ['grant.error', 'introspection.error', 'server_error']) {
  provider.on(event, (_, error) => console.log(event, error.message, error.error_description ?? '', error.error_detail ?? ''));
}
const certificate = { key: readFileSync(KEY), cert: readFileSync(CHAIN) };
const answer = provider.callback();
const count = (request, response) => {
  console.log(request.method, request.url);
  return answer(request, response);
};
https.createServer(certificate, count).listen(Number(PORT), ADDRESS, () => console.log('ready'));
