/** Checks within one deadline for all attempts. */
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { join } from "node:path";
import type { ProtoGrpcType as Callers } from "./gen/callers";
import type { ProtoGrpcType as Check } from "./gen/check";
import type { ProtoGrpcType as Keys } from "./gen/keys";
import type { ProtoGrpcType as Shadow } from "./gen/shadow";
import type { ProtoGrpcType as Tenants } from "./gen/tenants";
import type { ProtoGrpcType as Tokens } from "./gen/tokens";
import type { ProtoGrpcType as Usage } from "./gen/usage";
import type { CheckRequest } from "./gen/latchkey/v1/CheckRequest";
import type { CheckResponse__Output } from "./gen/latchkey/v1/CheckResponse";
import type { CheckServiceClient } from "./gen/latchkey/v1/CheckService";

/** Folder with the contract, for loadSync and other generators. */
export const protoFolder = join(__dirname, "../proto");

/** Types of the contract's files that have services. */
export interface Contract {
  callers: Callers;
  check: Check;
  keys: Keys;
  shadow: Shadow;
  tenants: Tenants;
  tokens: Tokens;
  usage: Usage;
}

/** Services of the contract, loaded from the package's copy of the file `latchkey/v1/NAME.proto`. */
export function loadContract<Name extends keyof Contract>(name: Name): Contract[Name] {
  const file = `latchkey/v1/${name}.proto`;
  const options = { includeDirs: [protoFolder], enums: String, longs: String, defaults: true };
  return grpc.loadPackageDefinition(loadSync(file, options)) as unknown as Contract[Name];
}

/** Pause before the second attempt, in milliseconds; the pause before attempt n + 1 is n times as long. */
const PAUSE = 10;

/** Longest duration of an attempt to connect, in milliseconds. The library itself has no bound. */
const CONNECT_TIMEOUT = 5_000;

const CHANNEL: grpc.ChannelOptions = {
  // A connection of its own, so that a hanging attempt can be given up.
  "grpc.use_local_subchannel_pool": 1,
  // The library's own retries would not respect the number of attempts.
  "grpc.enable_retries": 0,
  // A connection that was lost without a word is replaced after 15 seconds, also where calls are rare.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  // After an outage the connection is back within about a second; by default the pause grows to two minutes.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
};

/** Options of a {@link Checker}. */
export interface CheckerOptions {
  /** Credentials for TLS: `grpc.credentials.createSsl(ca, key, cert)`. The default is plain text. */
  credentials?: grpc.ChannelCredentials;
  /** Longest duration of a Check in milliseconds, including all attempts. The default is 200. */
  deadline?: number;
  /**
   * Largest number of attempts. The default is 3. An attempt whose response was lost may have been charged, so that a retry can
   * charge the rate limits twice; 1 turns retries off.
   */
  maxAttempts?: number;
  /** Key that is sent with each Check, for a server whose `check_auth` is `key`: one of its `check_keys`. */
  caller?: string;
}

/** Sends Checks over one connection. */
export class Checker {
  private readonly connect: () => CheckServiceClient;
  private client: CheckServiceClient;
  /** Time at which an attempt to connect, which still goes on, was seen first. */
  private connecting: number | undefined;
  private readonly deadline: number;
  private readonly maxAttempts: number;
  // Private to the language, so that a printed Checker does not show the key.
  readonly #metadata = new grpc.Metadata();

  constructor(target: string, options: CheckerOptions = {}) {
    const { latchkey } = loadContract("check");
    const credentials = options.credentials ?? grpc.credentials.createInsecure();
    this.connect = () => new latchkey.v1.CheckService(target, credentials, CHANNEL);
    this.client = this.connect();
    this.deadline = options.deadline ?? 200;
    this.maxAttempts = Math.max(1, options.maxAttempts ?? 3);
    if (options.caller !== undefined) this.#metadata.set("authorization", `Bearer ${printable(options.caller)}`);
  }

  /**
   * Returns the decision, which is a permit or a denial. Rejects with a `grpc.ServiceError` if there is no decision; treat that
   * as an outage, not as a denial. Only UNAVAILABLE is retried.
   */
  async check(request: CheckRequest): Promise<CheckResponse__Output> {
    const end = Date.now() + this.deadline;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(request, end);
      } catch (error) {
        this.renew();
        const pause = PAUSE * attempt;
        const again = isStatus(error, grpc.status.UNAVAILABLE) && attempt < this.maxAttempts && Date.now() + pause < end;
        if (!again) throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  /**
   * Gives up an attempt to connect that hangs: the server accepted it and is silent, or the network drops its packets. Its socket is
   * not accessible: it ends by the server or by the system.
   */
  private renew(): void {
    if (this.client.getChannel().getConnectivityState(false) !== grpc.connectivityState.CONNECTING) this.connecting = undefined;
    else if (this.connecting === undefined) this.connecting = performance.now();
    else if (performance.now() - this.connecting > CONNECT_TIMEOUT) {
      this.client.close();
      this.client = this.connect();
      this.connecting = undefined;
    }
  }

  private once(request: CheckRequest, deadline: number): Promise<CheckResponse__Output> {
    this.renew();
    return new Promise((resolve, reject) =>
      this.client.Check(request, this.#metadata, { deadline }, (error, response) => (error || !response ? reject(error) : resolve(response))),
    );
  }

  close(): void {
    this.client.close();
  }
}

/** Returns the key of the caller. The library's own error would show it. */
function printable(caller: string): string {
  if (/^[\x21-\x7e]+$/.test(caller)) return caller;
  throw new TypeError("caller is no key: it must have printable ASCII characters alone, and no line end of a file");
}

/** Returns true for an error of gRPC with one of these codes. */
export function isStatus(error: unknown, ...codes: grpc.status[]): boolean {
  return codes.includes((error as grpc.ServiceError | undefined)?.code as grpc.status);
}
