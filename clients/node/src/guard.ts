/** Guard for Express, Connect and other frameworks with middleware of the form `(request, response, next)`. */
import * as grpc from "@grpc/grpc-js";
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { CheckRequest } from "./gen/latchkey/v1/CheckRequest";
import type { CheckResponse__Output } from "./gen/latchkey/v1/CheckResponse";
import type { Principal__Output } from "./gen/latchkey/v1/Principal";
import { type Checker, isStatus } from "./checker";

/** Request of Express or Connect. */
export type IncomingRequest = IncomingMessage & { originalUrl?: string };
export type OutgoingResponse = ServerResponse;

/** Options of {@link guard}. */
export interface GuardOptions {
  /** Profile to decide by, instead of the profile of the credential's tenant. */
  profile?: string;
  /**
   * Handling of a request for which Latchkey can't be reached in time: "closed" (the default) responds with 503. "open" passes it
   * on without a principal; an attacker who can make Latchkey unavailable is then allowed everything.
   */
  onOutage?: "closed" | "open";
  /** Adds to a CheckRequest what the request does not say: a resource, an address, scopes. A promise is waited for. */
  customize?: (request: IncomingRequest, check: CheckRequest) => void | Promise<void>;
}

const CREDENTIALS = ["authorization", "x-api-key"];
const UNAUTHENTICATED = new Set<string>(
  "MISSING_CREDENTIAL AMBIGUOUS_CREDENTIAL INVALID_CREDENTIAL REVOKED EXPIRED DISABLED TENANT_REQUIRED ENVIRONMENT_MISMATCH".split(" "),
);
const STATUSES: Record<string, number> = { RATE_LIMITED: 429, MALFORMED_REQUEST: 400, ROUTE_NOT_FOUND: 404, METHOD_NOT_ALLOWED: 405 };
const principals = new WeakMap<IncomingMessage, Principal__Output>();

/** Returns the caller of an allowed request; undefined on a public route. */
export function principal(request: IncomingMessage): Principal__Output | undefined {
  return principals.get(request);
}

/**
 * Returns middleware that passes on only the requests that Latchkey allows. It judges the path that the client sent, also below a
 * prefix (`app.use("/admin", …)`): Express and Connect keep it as `originalUrl`. A framework that removes a prefix from `url` and
 * has no `originalUrl` needs the guard in front of that.
 */
export function guard(checker: Checker, options: GuardOptions = {}) {
  return (request: IncomingRequest, response: OutgoingResponse, next: (error?: unknown) => void): void => {
    decide(checker, options, request).then(
      (refusal) => (refusal ? respond(response, refusal) : next()),
      // A defect in `customize` admits nothing.
      () => respond(response, DEFECT),
    );
  };
}

/**
 * Returns a guard for a server's event "upgrade", by which WebSockets begin: Node calls no middleware for it, neither Express's nor
 * Connect's. An upgrade that is refused gets the response, and its connection ends.
 */
export function upgradeGuard(checker: Checker, options: GuardOptions = {}) {
  return (request: IncomingRequest, socket: Duplex, next: () => void): void => {
    // Nothing else listens for errors of the socket yet, and an error that nothing listens for ends the process.
    socket.on("error", () => socket.destroy());
    decide(checker, options, request).then(
      (refusal) => (refusal ? end(socket, refusal) : next()),
      () => end(socket, DEFECT),
    );
  };
}

interface Refusal {
  status: number;
  reason: string;
  retryAfter?: number;
  /** Methods that the path takes, of a 405. */
  allow?: string[];
}

// Refusal after a defect in `customize`.
const DEFECT: Refusal = { status: 500, reason: "INTERNAL" };

async function decide(checker: Checker, options: GuardOptions, request: IncomingRequest): Promise<Refusal | undefined> {
  const path = pathOf(request.originalUrl ?? request.url ?? "");
  const credential = takeCredential(request);
  if (path === undefined) return { status: 403, reason: "ROUTE_NOT_ALLOWED" };
  if (credential === undefined) return { status: 401, reason: "AMBIGUOUS_CREDENTIAL" };
  const check: CheckRequest = { credential, method: request.method, path, profile: options.profile, requestId: requestId(request) };
  await options.customize?.(request, check);
  if (check.scopesOnly) check.path = "";
  else if (!check.path) return { status: 403, reason: "ROUTE_NOT_ALLOWED" };
  const long = excess(check);
  if (long) return long;
  let decided: CheckResponse__Output;
  try {
    decided = await checker.check(check);
  } catch (error) {
    // Every other error is one of this client, and admits nothing.
    const outage = isStatus(error, grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED);
    return outage && options.onOutage === "open" ? undefined : { status: 503, reason: "UNAVAILABLE" };
  }
  if (decided.decision !== "DECISION_ALLOW") return denied(decided);
  if (decided.principal) principals.set(request, decided.principal);
  return undefined;
}

/**
 * Refusal of a request with a value that is longer than a Check can carry; a query does not count. Its transport could exceed the
 * deadline, which is a sign of an outage. `customize` may take further values from the request, so that all together have a bound.
 */
function excess(check: CheckRequest): Refusal | undefined {
  const { credential = "", method = "", path = "" } = check;
  const long = (text: string, most: number) => Buffer.byteLength(text) > most;
  if (long(path.split("?")[0] ?? "", 8192) || long(method, 128)) return { status: 400, reason: "MALFORMED_REQUEST" };
  if (long(credential, 8192)) return { status: 401, reason: "INVALID_CREDENTIAL" };
  return textBytes(check) > 65536 ? { status: 400, reason: "MALFORMED_REQUEST" } : undefined;
}

/** Bytes of all texts of a value, with the names of its fields. */
function textBytes(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value !== "object" || value === null) return 0;
  return Object.entries(value).reduce((sum, [name, part]) => sum + textBytes(name) + textBytes(part), 0);
}

// Scheme and authority of a target in absolute form. Of other authorities, `url.parse`, which Express calls, makes a part of the path.
const ORIGIN = /^https?:\/\/(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?(?=[/?]|$)/i;

/**
 * Path of a request target in origin form or absolute form; undefined for others, such as that of CONNECT, and for one with
 * characters that no URL has: Node reads each byte of them as a character, and applications read them as UTF-8.
 */
function pathOf(target: string): string | undefined {
  if (/[^\x21-\x7e]/.test(target)) return undefined;
  if (target.startsWith("/")) return target.split("?")[0];
  const origin = ORIGIN.exec(target)?.[0];
  return origin === undefined ? undefined : target.slice(origin.length).split("?")[0] || "/";
}

/** Identifier that the client sent if a Check can carry it; the server makes one otherwise. */
function requestId(request: IncomingRequest): string {
  const id = request.headers["x-request-id"];
  return typeof id === "string" && /^[\x21-\x7e]{1,128}$/.test(id) ? id : "";
}

/** Removes all credentials from a request. Returns undefined for two different ones or an unreadable one. */
function takeCredential(request: IncomingMessage): string | undefined {
  // Node makes both of these when they are read for the first time, from as many raw headers as it received. A request of HTTP/2 has
  // the first one alone.
  const made: (object | undefined)[] = [request.headers, request.headersDistinct];
  const values = new Set<string | undefined>();
  const kept: string[] = [];
  // Node joins or drops duplicates in `headers`, and `rawHeaders` has each one.
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const [name, value] = [request.rawHeaders[at] as string, request.rawHeaders[at + 1] as string];
    if (CREDENTIALS.includes(name.toLowerCase())) values.add(valueOf(name.toLowerCase(), value.trim()));
    else kept.push(name, value);
  }
  request.rawHeaders.splice(0, request.rawHeaders.length, ...kept);
  for (const headers of made) for (const name of CREDENTIALS) if (headers) Reflect.deleteProperty(headers, name);
  values.delete("");
  const [first = ""] = values;
  return values.has(undefined) || values.size > 1 || /[^\x20-\x7e]/.test(first) ? undefined : first;
}

/**
 * Credential in the value of a header: an empty text if it has none, as an Authorization of another scheme than Bearer, and
 * undefined if a Bearer credential may hide behind another scheme.
 */
function valueOf(name: string, value: string): string | undefined {
  const [, scheme = "", rest = ""] = /^(\S*)\s*(.*)$/s.exec(value) ?? [];
  if (scheme.toLowerCase() === "bearer") return rest;
  if (name !== "authorization" || !rest) return value;
  return value.split(",").some((part) => /^\s*bearer(\s|$)/i.test(part)) ? undefined : "";
}

function denied(decided: CheckResponse__Output): Refusal {
  // A reason that this version does not know is a number.
  const reason = String(decided.reason).replace(/^REASON_/, "");
  const status = UNAUTHENTICATED.has(reason) ? 401 : (STATUSES[reason] ?? 403);
  // No wait helps a call that a bucket can never hold.
  const limits = decided.rateLimits.some((limit) => limit.never) ? [] : decided.rateLimits;
  const retryAfter = Math.max(0, ...limits.map((limit) => limit.retryAfterSeconds));
  return status === 405 ? { status, reason, retryAfter, allow: decided.allowedMethods } : { status, reason, retryAfter };
}

function respond(response: OutgoingResponse, refusal: Refusal): void {
  // Other middleware, such as one that limits the time, has answered meanwhile.
  if (response.headersSent) return;
  response.statusCode = refusal.status;
  for (const [name, value] of headersOf(refusal)) response.setHeader(name, value);
  response.end(bodyOf(refusal));
}

function end(socket: Duplex, refusal: Refusal): void {
  const body = bodyOf(refusal);
  const headers = [...headersOf(refusal), ["content-length", String(body.length)], ["connection", "close"]];
  const head = [`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  // Otherwise a client that keeps its side open would keep the connection.
  socket.once("finish", () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

function headersOf({ status, retryAfter, allow }: Refusal): [string, string][] {
  const headers: [string, string][] = [["content-type", "application/json"]];
  if (status === 401) headers.push(["www-authenticate", "Bearer"]);
  if (retryAfter) headers.push(["retry-after", String(retryAfter)]);
  if (allow) headers.push(["allow", allow.join(", ")]);
  return headers;
}

function bodyOf({ reason }: Refusal): string {
  return JSON.stringify({ error: reason });
}
