// The session objects that a page hands over: of our own server, or of the merchant's own backend.

import { failure } from "./error.js";
import { sessionUrl } from "./hosts.js";
import { bare, fits, isObject, text } from "./value.js";

/** A session as it is read: a copy of its own members. */
export function opened(session) {
  if (!isObject(session)) throw failure("session_malformed");
  return bare(session, "session");
}

/** A member that a session must have. */
export function member(session, name) {
  const value = text(session[name], name);
  if (value === undefined) throw failure("session_malformed", name);
  return value;
}

/** A moment as a number, milliseconds since 1970. Nothing if it is not there. */
export function moment(session, name) {
  let value = session[name];
  if (value === undefined || value === null) return undefined;
  value = typeof value === "string" ? Date.parse(value) : value;
  if (!Number.isFinite(value)) throw failure("session_malformed", name);
  return Math.floor(value);
}

/** Where a platform is that the page calls itself, and with what right. What the page has chosen goes first. */
export function access(session, chosen, hosts) {
  const url = text(session.base_url, "base_url");
  const base = chosen ?? (url && sessionUrl(url, "base_url", hosts));
  if (!base) {
    const message = "the session has no base_url, so the page must name the environment";
    throw failure("option_invalid", "environment", { message });
  }
  const token = member(session, "access_token");
  if (!fits(token, /^[!-~]{1,4096}$/)) throw failure("session_malformed", "access_token");
  return { base, authorization: `Bearer ${token}` };
}

export function fresh(expires, now) {
  if (!(now < expires)) throw failure("session_expired");
}

/** When it was made, if it says so. */
export const createdAt = (session) => moment(session, "created_at");

/** A session of our own server: `{ id, relay }`, its platform, kind and age checked. Nothing if it is something else. */
export function ownSession(session, platform, kind, now) {
  const { mode } = session;
  if (mode === undefined || mode === null) return undefined;
  if (mode !== "relay" && mode !== "direct") throw failure("session_malformed", "mode");
  if (typeof session.platform === "string" && session.platform !== platform) throw failure("session_wrong_platform");
  if (typeof session.kind !== "string") throw failure("session_malformed", "kind");
  if (session.kind !== kind) throw failure("session_wrong_kind");
  for (const name of ["created_at", "expires_at"]) {
    if (moment(session, name) === undefined) throw failure("session_malformed", name);
  }
  fresh(moment(session, "expires_at"), now);
  return { id: member(session, "id"), relay: mode === "relay" };
}
