// Sign-in with Entra: authorization code and PKCE, by redirect. Tokens live in this tab's sessionStorage, no longer.
// When a token ends, the person is sent to Entra once more, which mostly knows them still; no frame, no refresh token.

import { config } from "./config.js";

const { UserManager, WebStorageStateStore } = globalThis.oidc;
const store = new WebStorageStateStore({ store: sessionStorage });
const manager = new UserManager({
  authority: config.authority,
  client_id: config.clientId,
  redirect_uri: `${location.origin}/`,
  post_logout_redirect_uri: `${location.origin}/`,
  response_type: "code",
  response_mode: "fragment",
  scope: `openid profile ${config.scope}`,
  userStore: store,
  stateStore: store,
  automaticSilentRenew: false,
  monitorSession: false,
});

let user = null;

/** Finish a sign-in that Entra sent back, or take up this tab's. Tells what Entra refused, else null. */
export async function begin() {
  const back = /^#(.*&)?state=/.test(location.hash);
  if (!back) {
    user = await manager.getUser();
    return null;
  }
  const answer = location.href;
  history.replaceState(null, "", "/");
  try {
    user = await manager.signinRedirectCallback(answer);
    history.replaceState(null, "", `/${user.state?.hash ?? ""}`);
    return null;
  } catch (refusal) {
    user = await manager.getUser();
    return refusal.error ?? "failed";
  }
}

/** Go to Entra; afterwards the person is where they were. `prompt`: select_account to be asked who it is. */
export function signIn(prompt) {
  const hint = user?.profile.preferred_username;
  return manager.signinRedirect({ state: { hash: location.hash }, prompt, ...(hint && !prompt && { login_hint: hint }) });
}

/** End the session here and at Entra. Drafts of forms go too: the next person is another one. */
export async function signOut() {
  const idToken = user?.id_token;
  sessionStorage.clear();
  await manager.signoutRedirect({ id_token_hint: idToken });
}

/** Whether a token stands for somebody now. */
export const signedIn = () => user !== null && !user.expired;

/** The token of the person; null when it has ended. */
export const token = () => (signedIn() ? user.access_token : null);

/** Who it is: name, upn, tenant, oid, and the roles that the API goes by. */
export function who() {
  const claims = claimsOf(user.access_token);
  return {
    name: user.profile.name ?? user.profile.preferred_username,
    upn: user.profile.preferred_username,
    tenant: claims.tid,
    oid: claims.oid,
    roles: claims.roles ?? [],
  };
}

/** The API's own registration decides what its tokens hold, so we may look; the API checks, we only show. */
function claimsOf(jwt) {
  const part = jwt.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
  const bytes = Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}
