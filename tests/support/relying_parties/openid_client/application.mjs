// An application that signs people in by openid-client, under Node.
//
//     ISSUER=... CLIENT_ID=... CLIENT_SECRET=... PORT=... node application.mjs
//
// / says who is signed in, as JSON; /sign-in, /callback and /logout-token are what its provider must know.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";

const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT } = process.env;
const HOME = `http://127.0.0.1:${PORT}`;

const visits = new Map(); // by the browser's cookie: what a sign-in awaits, then who signed in
let found; // the provider, once it was asked what it can do

async function provider() {
  // Without these checks it takes an ID token's word for it, because it came over TLS.
  const options = { execute: [client.enableNonRepudiationChecks] };
  found ??= await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, client.ClientSecretPost(), options);
  return found;
}

async function signIn(visit) {
  visit.awaited = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    maxAge: 300,
    idTokenExpected: true,
  };
  const address = client.buildAuthorizationUrl(await provider(), {
    redirect_uri: `${HOME}/callback`,
    scope: "openid profile nationalrbacaccess selectedrole",
    code_challenge: await client.calculatePKCECodeChallenge(visit.awaited.pkceCodeVerifier),
    code_challenge_method: "S256",
    state: visit.awaited.expectedState,
    nonce: visit.awaited.expectedNonce,
    max_age: "300",
  });
  return { status: 302, address: address.href };
}

async function callback(visit, address) {
  const tokens = await client.authorizationCodeGrant(await provider(), address, visit.awaited);
  const claims = tokens.claims();
  const person = await client.fetchUserInfo(await provider(), tokens.access_token, claims.sub);
  const role = person.nhsid_nrbac_roles.find((each) => each.person_roleid === claims.selected_roleid);
  visit.person = { uid: person.sub, role: role.role_name };
  visit.sid = claims.sid;
  return { status: 302, address: "/" };
}

async function logOut(token) {
  const { issuer, jwks_uri } = (await provider()).serverMetadata();
  const keys = createRemoteJWKSet(new URL(jwks_uri));
  const options = { issuer, audience: CLIENT_ID, algorithms: ["RS256"], maxTokenAge: "5m" };
  const { payload } = await jwtVerify(token, keys, options);
  if (!payload.events?.[EVENT] || "nonce" in payload) throw new Error("not a logout token");
  for (const [key, visit] of visits) if (visit.sid === payload.sid) visits.delete(key);
  return { status: 200 };
}

function visitOf(request, answer) {
  const key = /visit=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? randomUUID();
  answer.setHeader("Set-Cookie", `visit=${key}; HttpOnly; SameSite=Lax; Path=/`);
  if (!visits.has(key)) visits.set(key, {});
  return visits.get(key);
}

async function answerOf(request, visit, body) {
  const address = new URL(request.url, HOME);
  switch (`${request.method} ${address.pathname}`) {
    case "GET /":
      return { status: 200, content: visit.person ?? {} };
    case "GET /sign-in":
      return signIn(visit);
    case "GET /callback":
      return callback(visit, address);
    case "POST /logout-token":
      return logOut(new URLSearchParams(body).get("logout_token"));
    default:
      return { status: 404 };
  }
}

createServer(async (request, answer) => {
  let said;
  try {
    let body = "";
    for await (const part of request) body += part;
    said = await answerOf(request, visitOf(request, answer), body);
  } catch (error) {
    said = { status: 400, content: { error: error.message, code: error.code } };
  }
  if (said.address) answer.setHeader("Location", said.address);
  answer.writeHead(said.status).end(JSON.stringify(said.content ?? {}));
}).listen(PORT, "127.0.0.1");
