// The lab's OAuth 2.0 server: npm oidc-provider, laid out like the Microsoft identity platform.
//
//   /{tenant}/oauth2/v2.0/authorize | token | devicecode | deviceauth
//   /{tenant}/oauth2/v2.0/introspect | revoke            (Microsoft has neither)
//   /{tenant}/v2.0/.well-known/openid-configuration
//   /_control                                            what a test may turn and read, see control()
//
// Any tenant will do; tokens name the one issuer. State lives in memory and ends with the process.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { X509Certificate, createHash, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const { OIDC_PORT, OIDC_TENANT, TLS_DIR, INTROSPECT_SECRET } = process.env;
const users = JSON.parse(readFileSync('users.json'));

const state = {
  accessTokenTTL: 3600, // seconds
  lifetimes: {},        // the same for one account: { "dave@example.test": 1 }
  rotate: true,         // a refresh token serves once; a second use revokes its whole family
  faults: [],           // [{ match: "/token", times: 2, status: 503, headers: {}, body: "" }]
  requests: {},         // by endpoint, faults included: { "/oauth2/v2.0/token": 3 }
  grants: {},           // by account: { "dave@example.test": { refresh_token: 2, "refresh_token failed": 1 } }
  issued: {},           // by account, oldest first: every access and refresh token
};
const lifetime = (account) => state.lifetimes[account] ?? state.accessTokenTTL;

const resource = 'https://outlook.office.com';
const permissions = ['IMAP.AccessAsUser.All', 'POP.AccessAsUser.All', 'SMTP.Send'].map((p) => `${resource}/${p}`);
const appPermission = 'https://outlook.office365.com/.default'; // all that the administrator granted the app
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

const appCertificate = new X509Certificate(readFileSync(`${TLS_DIR}/app.crt`));
const app = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };

const clients = [
  // A program on somebody's desk: no secret, PKCE demanded, any port of the loopback.
  {
    client_id: 'public-app',
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token', deviceGrant],
    response_types: ['code'],
    redirect_uris: ['http://localhost', 'http://localhost/', 'http://127.0.0.1/', 'http://[::1]/'],
  },
  // Programs without a person; each may open one mailbox.
  {
    client_id: 'secret-app',
    client_secret: 'the-secret-of-the-app',
    token_endpoint_auth_method: 'client_secret_post',
    mailbox: 'judy@example.test',
    ...app,
  },
  {
    client_id: 'certificate-app',
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'PS256',
    jwks: { keys: [{ ...appCertificate.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'PS256' }] },
    mailbox: 'karl@example.test',
    ...app,
  },
  // Dovecot asks whether a token is good.
  {
    client_id: 'dovecot',
    client_secret: INTROSPECT_SECRET,
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: [],
    response_types: [],
    redirect_uris: [],
  },
];

const escape = (s) => String(s ?? '').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const trouble = (s) => (s ? `<p class="error">${escape(s)}</p>` : '');
const page = (title, body) => `<!DOCTYPE html><html><head><title>${title}</title></head><body><h1>${title}</h1>${body}</body></html>`;

const provider = new Provider(`https://localhost:${OIDC_PORT}/${OIDC_TENANT}/v2.0`, {
  clients,
  extraClientMetadata: { properties: ['mailbox'] },
  clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  // Microsoft finds the certificate by this.
  assertJwtClientAuthClaimsAndHeader: (ctx, claims, header) => {
    if (header['x5t#S256'] !== createHash('sha256').update(appCertificate.raw).digest('base64url')) throw new Error('x5t#S256 is not that of the certificate');
  },
  cookies: { keys: [randomUUID()] },
  scopes: ['openid', 'profile', 'email', 'offline_access'],
  claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'tid'], email: ['email'] },
  conformIdTokenClaims: false, // Microsoft puts the address into the id_token
  findAccount: (ctx, id) => users[id] && {
    accountId: id,
    claims: () => ({ sub: id, name: users[id].name, preferred_username: id, email: id, tid: OIDC_TENANT }),
  },
  extraTokenClaims: (ctx, token) => ({ username: token.accountId ?? ctx.oidc.client.mailbox }), // read by Dovecot
  pkce: { required: (ctx, client) => client.clientAuthMethod === 'none' },
  responseTypes: ['code'],
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: () => state.rotate,
  expiresWithSession: () => false,
  ttl: {
    AccessToken: (ctx, token) => lifetime(token.accountId),
    ClientCredentials: (ctx, token, client) => lifetime(client.mailbox),
    RefreshToken: 14 * 86400, Grant: 14 * 86400, Session: 86400,
    AuthorizationCode: 300, DeviceCode: 900, IdToken: 3600, Interaction: 3600,
  },
  interactions: {
    url: (ctx, { uid }) => `/${ctx.req.originalUrl.split('/')[1]}/interaction/${uid}`,
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, client, token) => client.clientId === 'dovecot' || client.clientId === token.clientId },
    revocation: { enabled: true },
    deviceFlow: {
      enabled: true,
      charset: 'base-20',
      userCodeInputSource: (ctx, form, out, err) => {
        ctx.body = page('Enter code', `${trouble(err?.message)}${form}<button type="submit" form="op.deviceInputForm">Next</button>`);
      },
      userCodeConfirmSource: (ctx, form, client, device, code) => {
        ctx.body = page('Is this your device?', `<p>${escape(client.clientId)} ${escape(code)}</p>${form}<button type="submit" form="op.deviceConfirmForm">Continue</button>`);
      },
      successSource: (ctx) => { ctx.body = page('Signed in', ''); },
    },
    // Microsoft reads the resource off the scope; here there is but one.
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client, asked) => asked ?? resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ audience: resource, scope: [...permissions, appPermission].join(' '), accessTokenFormat: 'opaque' }),
    },
  },
  routes: {
    authorization: '/oauth2/v2.0/authorize',
    token: '/oauth2/v2.0/token',
    device_authorization: '/oauth2/v2.0/devicecode',
    code_verification: '/oauth2/v2.0/deviceauth',
    introspection: '/oauth2/v2.0/introspect',
    revocation: '/oauth2/v2.0/revoke',
    jwks: '/discovery/v2.0/keys',
  },
});

// ---- counting, and what Microsoft's answers have besides ---------------------

function count(ctx, suffix) {
  const { params, account, client, entities } = ctx.oidc ?? {};
  const who = account?.accountId ?? entities?.RefreshToken?.accountId ?? entities?.DeviceCode?.accountId ?? client?.mailbox;
  if (!who || !params?.grant_type) return;
  const of = (state.grants[who] ??= {});
  const grant = params.grant_type.replace(/.*:/, '') + suffix;
  of[grant] = (of[grant] ?? 0) + 1;
}
provider.on('grant.success', (ctx) => count(ctx, ''));
provider.on('grant.error', (ctx, err) => {
  count(ctx, ' failed');
  if (err.error !== 'authorization_pending') console.error('refused:', err.message, err.error_detail ?? '');
});
for (const kind of ['access', 'refresh']) {
  provider.on(`${kind}_token.saved`, ({ accountId, jti }) => {
    const of = (state.issued[accountId] ??= { access: [], refresh: [] });
    if (of[kind].at(-1) !== jti) of[kind].push(jti);
  });
}
provider.on('client_credentials.saved', ({ clientId, jti }) => {
  (state.issued[clients.find((c) => c.client_id === clientId).mailbox] ??= { access: [], refresh: [] }).access.push(jti);
});
for (const event of ['server_error', 'authorization.error', 'introspection.error']) {
  provider.on(event, (ctx, err) => console.error(event, err.message, err.error_description ?? '', event === 'server_error' ? err.stack : ''));
}

const AADSTS = { authorization_pending: 70016, invalid_grant: 700082, expired_token: 70020, authorization_declined: 70000 };
provider.use(async (ctx, next) => {
  await next();
  const answer = ctx.body;
  if (!/\/(token|devicecode)$/.test(ctx.path) || typeof answer !== 'object' || !answer) return;
  if (answer.device_code) {
    answer.interval = 1;
    answer.message = `To sign in, open ${answer.verification_uri} and enter the code ${answer.user_code}.`;
    delete answer.verification_uri_complete;
  } else if (answer.error) {
    if (answer.error === 'access_denied') answer.error = 'authorization_declined';
    const code = AADSTS[answer.error] ?? 90000;
    Object.assign(answer, {
      error_description: `AADSTS${code}: ${answer.error_description}`,
      error_codes: [code],
      trace_id: randomUUID(),
      correlation_id: randomUUID(),
    });
  }
});

// ---- the pages a person sees ---------------------------------------------------

async function text(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function grantAll({ grantId, session, params, prompt: { details } }) {
  const grant = (grantId && await provider.Grant.find(grantId))
    || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  for (const [name, scopes] of Object.entries(details.missingResourceScopes ?? {})) grant.addResourceScope(name, scopes.join(' '));
  return grant.save();
}

async function interaction(req, res, cancelled) {
  const details = await provider.interactionDetails(req, res);
  const { prompt, params } = details;
  const finish = (result) => provider.interactionFinished(req, res, result, { mergeWithLastSubmission: prompt.name === 'consent' });
  const show = (title, body) => {
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
    res.end(page(title, `${body}<p><a href="${req.originalUrl}/cancel">Cancel</a></p>`));
  };
  if (cancelled) return finish({ error: 'access_denied', error_description: 'AADSTS65004: the user declined' });
  if (prompt.name === 'consent') {
    if (req.method === 'POST') return finish({ consent: { grantId: await grantAll(details) } });
    return show('Permissions requested', `<p>${escape(params.client_id)} asks for ${escape(params.scope)}</p>
<form method="post" action="${req.originalUrl}"><button type="submit">Accept</button></form>`);
  }
  const form = new URLSearchParams(req.method === 'POST' ? await text(req) : '');
  const login = form.get('login');
  if (users[login] && users[login].password === form.get('password')) return finish({ login: { accountId: login } });
  return show('Sign in', `${trouble(req.method === 'POST' && 'Your account or password is incorrect.')}
<form method="post" action="${req.originalUrl}"><input name="login" value="${escape(params.login_hint)}">
<input name="password" type="password"><button type="submit">Sign in</button></form>`);
}

// GET shows the state; POST with JSON replaces members of it, or adds to lifetimes. { "revoke": TOKEN }
// ends one access token, whereas the revocation endpoint (RFC 7009) ends all that its sign-in gave.
async function control(req, res) {
  if (req.method === 'POST') {
    const { lifetimes, revoke, ...rest } = JSON.parse(await text(req));
    if (revoke) await (await provider.AccessToken.find(revoke)).destroy();
    Object.assign(state, rest);
    Object.assign(state.lifetimes, lifetimes);
  }
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify(state));
}

const callback = provider.callback();
async function handle(req, res) {
  const path = req.url.split('?')[0];
  if (path === '/healthz') return res.end('ok\n');
  if (path === '/_control') return control(req, res);
  const [, tenant, rest] = /^\/([^/]+)(\/.*)$/.exec(req.url) ?? [];
  if (!tenant) return res.writeHead(404).end();
  const endpoint = path.slice(tenant.length + 1).replace(/\/[\w-]{40,}$/, '');
  state.requests[endpoint] = (state.requests[endpoint] ?? 0) + 1;
  const fault = state.faults.find((f) => f.times > 0 && path.endsWith(f.match));
  if (fault) {
    fault.times -= 1;
    return res.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers }).end(fault.body ?? '{"error":"temporarily_unavailable"}');
  }
  // oidc-provider takes what originalUrl has before url for the path it is mounted on.
  req.url = rest.replace(/^\/v2\.0\/\.well-known\//, '/.well-known/');
  req.originalUrl = `/${tenant}${req.url}`;
  const step = /^\/interaction\/[^/?]+(\/cancel)?$/.exec(req.url);
  return step ? interaction(req, res, Boolean(step[1])) : callback(req, res);
}

createServer({ key: readFileSync(`${TLS_DIR}/server.key`), cert: readFileSync(`${TLS_DIR}/server.crt`) }, (req, res) => {
  const { method, url } = req;
  res.on('finish', () => console.log(new Date().toISOString(), method, url.split('?')[0], res.statusCode));
  handle(req, res).catch((err) => {
    console.error(err);
    if (!res.headersSent) res.writeHead(500, { 'content-type': 'text/plain' });
    res.end(`${err.message}\n`);
  });
}).listen(Number(OIDC_PORT), '127.0.0.1');
