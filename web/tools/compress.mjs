// Puts .br and .gz beside every compressible file of dist/, at the highest quality: the server only picks one.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const compressible = /\.(html|js|css|svg|json|webmanifest|txt)$/;

const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });

for (const name of readdirSync(dist, { recursive: true })) {
  if (!compressible.test(name)) continue;
  const bytes = readFileSync(join(dist, name));
  const small = brotli(bytes);
  writeFileSync(join(dist, `${name}.br`), small);
  writeFileSync(join(dist, `${name}.gz`), gzipSync(bytes, { level: 9 }));
  console.log(`${name}: ${bytes.length} bytes, ${small.length} as brotli`);
}
