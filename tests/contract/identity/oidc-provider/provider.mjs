// A provider on loopback: `node provider.mjs '{"port": ..., "clients": [...], "people": {subject: {claims}}}'`.
// Whoever types the name of one of the people signs in as them. It says `ready` on its output once it answers.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const told = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${told.port}`;

const provider = new Provider(issuer, {
  clients: told.clients,
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email", "email_verified"] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  findAccount: (_ctx, id) => (told.people[id] ? { accountId: id, claims: () => ({ sub: id, ...told.people[id] }) } : undefined),
  ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 300, IdToken: 300, AuthorizationCode: 60 },
});
createServer(provider.callback()).listen(told.port, "127.0.0.1", () => process.stdout.write("ready\n"));
