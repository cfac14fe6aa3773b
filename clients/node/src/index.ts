/** Client of Latchkey: Checks within one deadline for all attempts, and a guard for Express and Connect. */
export { Checker, loadContract, protoFolder } from "./checker";
export type { CheckerOptions, Contract } from "./checker";
export { guard, principal, upgradeGuard } from "./guard";
export type { GuardOptions, IncomingRequest, OutgoingResponse } from "./guard";
export type { CheckRequest } from "./gen/latchkey/v1/CheckRequest";
export type { CheckResponse__Output as CheckResponse } from "./gen/latchkey/v1/CheckResponse";
export type { Principal__Output as Principal } from "./gen/latchkey/v1/Principal";
