// Runs after installing, by whatever node the system has: makes node_modules/.bin/node the project's own (an
// optional dependency, one package for each kind of processor). npm makes that link by itself, but npm 9 gets it wrong
// where two packages offer a "node" and only one is installed.
import { existsSync, rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
const target = `node-linux-${process.arch}/bin/node`;

if (existsSync(modules + target)) {
  rmSync(`${modules}.bin/node`, { force: true });
  symlinkSync(`../${target}`, `${modules}.bin/node`);
} else {
  console.warn(`There is no ${target}: the build uses node ${process.version}, and needs 22.12 or newer.`);
}
