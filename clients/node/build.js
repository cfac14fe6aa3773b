// Copies the contract into the package, and generates the types of its messages and services into src/gen.
const { cpSync, existsSync, readdirSync, rmSync } = require("node:fs");
const { join } = require("node:path");
const { execFileSync } = require("node:child_process");

const repository = join(__dirname, "../../proto/latchkey");
if (existsSync(repository)) {
  rmSync(join(__dirname, "proto"), { recursive: true, force: true });
  cpSync(repository, join(__dirname, "proto/latchkey"), { recursive: true });
}
if (!existsSync(join(__dirname, "proto/latchkey/v1/check.proto"))) {
  throw new Error("proto/latchkey/v1 is missing: build in the repository");
}
rmSync(join(__dirname, "src/gen"), { recursive: true, force: true });
const generate = join(require.resolve("@grpc/proto-loader/package.json"), "../build/bin/proto-loader-gen-types.js");
const names = readdirSync(join(__dirname, "proto/latchkey/v1")).map((name) => `latchkey/v1/${name}`);
execFileSync(
  process.execPath,
  [generate, "--grpcLib=@grpc/grpc-js", "--includeDirs=proto", "--outDir=src/gen", "--enums=String", "--longs=String", "--defaults", ...names],
  { cwd: __dirname, stdio: "inherit" },
);
