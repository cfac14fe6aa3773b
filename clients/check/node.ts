/** Calls a server by TLS with the package, and puts its guard in front of a server of Express's and of Node's own. */
import * as grpc from "@grpc/grpc-js";
import express from "express";
import { readdirSync, readFileSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import { type CheckRequest, Checker, type Contract, guard, type GuardOptions, loadContract, principal, protoFolder, upgradeGuard } from "latchkey-client";

type Given = Record<string, string> & { lossy: Record<string, string>; mute: Record<string, string> };
const given = JSON.parse(readFileSync(0, "utf8")) as unknown as Given;
const [target, key] = [given.target!, given.api_key!];
const credentials = grpc.credentials.createSsl(readFileSync(given.ca!), readFileSync(given.key!), readFileSync(given.cert!));

const SERVICES: (keyof Contract)[] = ["callers", "check", "keys", "shadow", "tenants", "tokens", "usage"];

function same(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

/** Status and body of a raw request to a server with the guard. */
async function ask(checker: Checker, options: GuardOptions, lines: string[]): Promise<[number, string]> {
  const app = express();
  // Node makes these when they are read for the first time: here before the guard in some requests, and after it in the others.
  if (lines.length > 2) app.use((request, _, next) => (request.headersDistinct, next()));
  app.use(guard(checker, options));
  app.use((request, response) => {
    const names = [...request.rawHeaders, ...Object.keys(request.headers), ...Object.keys(request.headersDistinct)];
    same(names.filter((text) => /x-api-key|authorization/i.test(text)), []);
    response.send(principal(request)?.tenantSlug ?? "");
  });
  return exchange(http.createServer(app), [...lines, "connection: close"]);
}

/** Status and body of a raw request to a server, which is closed then. */
async function exchange(server: http.Server, lines: string[]): Promise<[number, string]> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  socket.write([...lines, "host: things.example", "", ""].join("\r\n"));
  let text = "";
  for await (const chunk of socket) text += chunk;
  server.close();
  return [Number(text.split(" ")[1]), text.split("\r\n\r\n")[1] ?? ""];
}

/** Checks the guard of upgrades, for which Node calls no middleware. */
async function upgrades(checker: Checker, options: GuardOptions): Promise<void> {
  const upgraded = (more: string[], customize?: GuardOptions["customize"]) => {
    const [server, guarded] = [http.createServer(), upgradeGuard(checker, { ...options, customize })];
    server.on("upgrade", (request, socket) =>
      guarded(request, socket, () => {
        const names = [...request.rawHeaders, ...Object.keys(request.headers), ...Object.keys(request.headersDistinct)];
        socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${principal(request)?.tenantSlug} ${names.includes("x-api-key")}`);
      }),
    );
    return exchange(server, ["GET /things HTTP/1.1", "upgrade: websocket", "connection: upgrade", ...more]);
  };
  same(await upgraded([`x-api-key: ${key}`]), [101, "acme false"]);
  same(await upgraded([]), [401, '{"error":"MISSING_CREDENTIAL"}']);
  same(await upgraded([`x-api-key: ${key}`], (_, sent) => void (sent.scopes = ["things.write"])), [403, '{"error":"INSUFFICIENT_SCOPE"}']);
  same(await upgraded([`x-api-key: ${key}`], () => Promise.reject(new Error("a defect"))), [500, '{"error":"INTERNAL"}']);
}

/** Asserts that the connection of a refused upgrade ends, also if the client keeps its side of it open. */
async function refused(checker: Checker, options: GuardOptions): Promise<void> {
  const [server, guarded] = [http.createServer(), upgradeGuard(checker, options)];
  const ended = new Promise<void>((resolve, reject) => {
    setTimeout(reject, 60_000, new Error("a refused connection is open")).unref();
    server.on("upgrade", (request, socket) => (socket.on("close", () => resolve()), guarded(request, socket, () => undefined)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = net.connect({ port: (server.address() as net.AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  socket.write("GET /things HTTP/1.1\r\nhost: things.example\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  await ended;
  socket.destroy();
  server.close();
}

/** Asserts that a response that other middleware sends before the decision stays, and that the process goes on. */
async function answered(): Promise<void> {
  const decide: (() => void)[] = [];
  const denial = { decision: "DECISION_DENY", reason: "REASON_REVOKED", rateLimits: [] };
  const guarded = guard({ check: () => new Promise((resolve) => decide.push(() => resolve(denial))) } as unknown as Checker);
  const server = http.createServer((request, response) => (guarded(request, response, () => undefined), void response.writeHead(504).end()));
  same((await exchange(server, ["GET /things HTTP/1.1", "connection: close"]))[0], 504);
  same(decide.length, 1);
  decide[0]!();
  // A rejection that nothing handles ends the process by then.
  await new Promise((resolve) => setImmediate(resolve));
}

/** Checks that the guard judges the path that the client sent, in applications that Express mounts below a prefix and in their routers. */
async function mounted(): Promise<void> {
  const judged: string[] = [];
  const check = async ({ path }: CheckRequest) => (judged.push(path ?? ""), { decision: "DECISION_ALLOW", reason: "REASON_OK", rateLimits: [] });
  const guarded = guard({ check } as unknown as Checker, {});
  const [app, inner, router] = [express(), express(), express.Router()];
  router.use("/deep", guarded, (_, response) => void response.send());
  inner.use(guarded);
  inner.use((_, response) => void response.send());
  app.use("/router", router);
  app.use("/admin", inner);
  app.use(guarded, (_, response) => void response.send());
  const server = http.createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const status = async (target: string): Promise<number> => {
    const socket = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    socket.end(`GET ${target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n`);
    let text = "";
    for await (const chunk of socket) text += chunk;
    return Number(text.split(" ")[1]);
  };
  for (const target of ["/admin/healthz?a", "http://h/admin/healthz", "HTTP://[::1]:80/admin/healthz", "/router/deep/healthz", "http://h:1/router/deep/healthz"]) {
    same([await status(target), judged.pop()], [200, target.replace(/^.*?\/(?=admin|router)/, "/").split("?")[0]]);
  }
  same([await status("http://h"), judged.pop()], [200, "/"]);
  // Express reads a part of such an authority as a part of the path.
  for (const target of ["http://h:admin/healthz", "http://h%2fadmin/healthz", "http://h;admin/healthz", "http://u@h/healthz", "ftp://h/healthz"]) {
    same([target, await status(target), judged.pop()], [target, 403, undefined]);
  }
  server.close();
}

/** Asserts that a path with characters that no URL has is refused, as HTTP/2 and a lenient parser hand it over. */
async function unreadable(): Promise<void> {
  const middleware = guard({ check: () => Promise.reject(new Error("it must not be asked")) } as unknown as Checker, {});
  for (const url of ["/caf\u00c3\u00a9", "/a\u0000", "/a b", "h:443", "*", ""]) {
    const request = { url, headers: {}, rawHeaders: [], method: "GET" } as unknown as http.IncomingMessage;
    const response = { setHeader() {}, statusCode: 0 } as unknown as http.ServerResponse;
    await new Promise<void>((resolve) => (Object.assign(response, { end: () => resolve() }), middleware(request, response, () => resolve())));
    same([url, response.statusCode], [url, 403]);
  }
}

/** Asserts that a value that no Check can carry is refused without one: sending it could exceed the deadline. */
async function excessive(): Promise<void> {
  const late = { check: () => Promise.reject(Object.assign(new Error("late"), { code: grpc.status.DEADLINE_EXCEEDED })) };
  const middleware = guard(late as unknown as Checker, { onOutage: "open" });
  for (const [method, url, credential, expected] of [
    ["GET", "/things", "k".repeat(8192), 0],
    ["GET", `/things?${"q".repeat(9_000)}`, "k", 0],
    ["GET", "/things", "k".repeat(8193), 401],
    ["GET", `/${"p".repeat(8192)}`, "k", 400],
    ["M".repeat(129), "/things", "k", 400],
  ] as const) {
    const request = { url, headers: {}, rawHeaders: ["x-api-key", credential], method } as unknown as http.IncomingMessage;
    const response = { setHeader() {}, statusCode: 0 } as unknown as http.ServerResponse;
    await new Promise<void>((resolve) => (Object.assign(response, { end: () => resolve() }), middleware(request, response, () => resolve())));
    same([method.length, url.length, credential.length, response.statusCode], [method.length, url.length, credential.length, expected]);
  }
  const own = guard(late as unknown as Checker, { onOutage: "open", customize: (_, check) => void (check.resource = { merchant: "m".repeat(65_536) }) });
  const request = { url: "/things", headers: {}, rawHeaders: ["x-api-key", "k"], method: "GET" } as unknown as http.IncomingMessage;
  const response = { setHeader() {}, statusCode: 0 } as unknown as http.ServerResponse;
  await new Promise<void>((resolve) => (Object.assign(response, { end: () => resolve() }), own(request, response, () => resolve())));
  same(response.statusCode, 400);
}

/** Asserts that a reason that this version does not know is a denial. */
async function unknown(): Promise<void> {
  const check = async () => ({ decision: "DECISION_DENY", reason: 999, rateLimits: [] });
  const middleware = guard({ check } as unknown as Checker, {});
  const request = { url: "/things", headers: {}, rawHeaders: [], method: "GET" } as unknown as http.IncomingMessage;
  const response = { setHeader() {}, statusCode: 0 } as unknown as http.ServerResponse;
  await new Promise<void>((resolve) => (Object.assign(response, { end: () => resolve() }), middleware(request, response, () => resolve())));
  same(response.statusCode, 403);
}

/** Asserts that Checks by a port succeed or fail as wanted, one after the other: the checker must replace a lost connection by itself. */
async function become(port: string, ...expected: boolean[]): Promise<void> {
  const checker = new Checker(port, { credentials, deadline: 1_000, caller: given.caller });
  const once = async (): Promise<boolean> => {
    try {
      await checker.check({ credential: key, method: "GET", path: "/things", dryRun: true });
      return true;
    } catch (error) {
      const { code } = error as grpc.ServiceError;
      same([code, code === grpc.status.DEADLINE_EXCEEDED || code === grpc.status.UNAVAILABLE], [code, true]);
      return false;
    }
  };
  for (const wanted of expected) {
    const end = Date.now() + 60_000;
    while ((await once()) !== wanted) {
      if (Date.now() > end) throw new Error(`no ${wanted}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  checker.close();
}

/** Body of an allowed request and status of a denied one, of a server without a framework; Connect calls middleware alike. */
async function plain(checker: Checker, options: GuardOptions, key: string): Promise<[string, number]> {
  const middleware = guard(checker, options);
  const server = http.createServer((request, response) => middleware(request, response, () => response.end(principal(request)?.tenantSlug)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/things`;
  const allowed = await (await fetch(url, { headers: { "x-api-key": key } })).text();
  const denied = (await fetch(url)).status;
  server.closeAllConnections();
  server.close();
  return [allowed, denied];
}

async function main(): Promise<void> {
  const checker = new Checker(target, { credentials, deadline: 10_000, caller: given.caller });
  same(inspect(checker, { depth: 9 }).includes(given.caller!), false);
  for (const caller of [`${given.caller}\n`, ""]) {
    let message = "";
    try {
      new Checker(target, { credentials, caller });
    } catch (error) {
      message = String(error);
    }
    same([message.startsWith("TypeError: caller is no key"), message.includes(given.caller!)], [true, false]);
  }
  const check = (method: string) => checker.check({ credential: key, method, path: "/things" } satisfies CheckRequest);
  same((await check("GET")).decision, "DECISION_ALLOW");
  same((await check("POST")).reason, "REASON_INSUFFICIENT_SCOPE");
  const listed = new (loadContract("keys").latchkey.v1.KeyService)(target, credentials);
  const error = await new Promise<grpc.ServiceError | null>((resolve) => listed.ListKeys({}, (failed) => resolve(failed)));
  same(error?.code, grpc.status.UNAUTHENTICATED);
  for (const name of readdirSync(join(protoFolder, "latchkey/v1")).map((file) => file.replace(".proto", ""))) {
    const text = readFileSync(join(protoFolder, `latchkey/v1/${name}.proto`), "utf8");
    same([name, /^service /m.test(text)], [name, SERVICES.includes(name as keyof Contract)]);
  }

  await mounted();
  await unreadable();
  await unknown();
  await excessive();
  // One is lost without a word, and of the other, the first attempt to connect is not answered.
  await become(given.lossy.node!, true, false, true);
  await become(given.mute.node!, false, true);
  const demo: GuardOptions = { profile: "demo" };
  await answered();
  await upgrades(checker, demo);
  await refused(checker, demo);
  same(await ask(checker, demo, ["GET /things HTTP/1.1", `x-api-key: ${key}`]), [200, "acme"]);
  same(await ask(checker, demo, ["GET http://things.example/things?a=1 HTTP/1.1", `authorization: Bearer ${key}`]), [200, "acme"]);
  same((await ask(checker, demo, ["GET /things HTTP/1.1"]))[0], 401);
  same(await plain(checker, demo, key), ["acme", 401]);
  same((await ask(checker, demo, ["GET /things HTTP/1.1", `authorization: Bearer ${key}`, "authorization: Bearer other"]))[0], 401);
  for (const other of ["Basic YTpi", "Bearer", ""])
    same(await ask(checker, demo, ["GET /things HTTP/1.1", `x-api-key: ${key}`, `authorization: ${other}`]), [200, "acme"]);
  same((await ask(checker, demo, ["GET /things HTTP/1.1", `x-api-key: ${key}`, "authorization: Basic YTpi, Bearer other"]))[0], 401);
  same((await ask(checker, demo, ["POST /things HTTP/1.1", `x-api-key: ${key}`]))[0], 403);
  same((await ask(checker, demo, ["OPTIONS * HTTP/1.1", `x-api-key: ${key}`]))[0], 403);
  same(await ask(checker, demo, ["GET /things HTTP/1.1", `x-api-key: ${key}`, `x-request-id: ${"r".repeat(129)}`]), [200, "acme"]);
  const customized = (customize: GuardOptions["customize"]) => ask(checker, { ...demo, customize }, ["GET /things HTTP/1.1", `x-api-key: ${key}`]);
  const later = () => new Promise((resolve) => setImmediate(resolve));
  same(await customized(async (_, sent) => (await later(), void Object.assign(sent, { scopesOnly: true, scopes: ["things.read"] }))), [200, "acme"]);
  same((await customized(async (_, sent) => (await later(), void (sent.scopes = ["things.write"]))))[0], 403);
  same(await customized((_, sent) => void (sent.path = "")), [403, '{"error":"ROUTE_NOT_ALLOWED"}']);
  const stranger = new Checker(target, { credentials, deadline: 10_000 });
  same((await ask(stranger, { ...demo, onOutage: "open" }, ["GET /things HTTP/1.1", `x-api-key: ${key}`]))[0], 503);
  stranger.close();
  const broken: GuardOptions = { ...demo, onOutage: "open", customize: (_, sent) => void (sent.scopes = Array(10_000).fill("s".repeat(1000))) };
  same((await ask(checker, broken, ["GET /things HTTP/1.1", `x-api-key: ${key}`]))[0], 400);

  for (const options of [{ deadline: 500, maxAttempts: 2 }, { deadline: 300 }]) {
    const away = new Checker(options.maxAttempts ? given.closed! : given.silent!, options);
    same((await ask(away, demo, ["GET /things HTTP/1.1", `x-api-key: ${key}`]))[0], 503);
    same(await ask(away, { ...demo, onOutage: "open" }, ["GET /things HTTP/1.1", `x-api-key: ${key}`]), [200, ""]);
    away.close();
  }
  checker.close();
  listed.close();
}

main().then(
  // The connection that was never answered still waits.
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
