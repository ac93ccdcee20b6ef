// Writes a .br and a .gz beside each text of a folder that gets smaller by it. Called by scripts/build_web.py.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TEXTS = /\.(?:html|css|js|mjs|json|svg|webmanifest)$/;
const folder = process.argv[2];
if (!folder) throw new Error("Which folder?");

for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !TEXTS.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const content = readFileSync(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  const forms = [["br", brotliCompressSync(content, { params })], ["gz", gzipSync(content, { level: 9 })]];
  for (const [suffix, form] of forms) if (form.length < content.length) writeFileSync(`${path}.${suffix}`, form);
}
