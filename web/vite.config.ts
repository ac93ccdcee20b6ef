import react from "@vitejs/plugin-react";
import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

const BUNDLE = resolve(import.meta.dirname, process.env["ANTIPHON_WEB_OUT"] ?? "../src/antiphon/server/bundle");

/** pdf.js asks for its character maps and standard fonts by name while it draws: they lie beside the bundle, unhashed. */
function pdfData(): Plugin {
  return {
    name: "pdf-data",
    apply: "build",
    closeBundle() {
      const packageFolder = resolve(import.meta.dirname, "node_modules/pdfjs-dist");
      for (const kind of ["cmaps", "standard_fonts", "wasm"]) {
        const target = join(BUNDLE, "pdf", kind);
        mkdirSync(target, { recursive: true });
        for (const name of readdirSync(join(packageFolder, kind))) {
          // The page's policy compiles no WebAssembly: of the decoders only the plain ones are of use.
          if (!name.endsWith(".wasm")) copyFileSync(join(packageFolder, kind, name), join(target, name));
        }
      }
    },
  };
}

/** Every browser of today takes woff2, which KaTeX names first. */
function onlyWoff2(): Plugin {
  return {
    name: "only-woff2",
    generateBundle(_options, bundle) {
      for (const name of Object.keys(bundle)) if (/KaTeX.*\.(?:ttf|woff)$/.test(name)) Reflect.deleteProperty(bundle, name);
    },
  };
}

const server = process.env["ANTIPHON_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react(), pdfData(), onlyWoff2()],
  build: {
    outDir: BUNDLE,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the policy of the page allows no data: addresses
    modulePreload: { polyfill: false }, // it would be an inline script
    chunkSizeWarningLimit: 2000,
  },
  server: { proxy: { "/api": server, "/ws": { target: server, ws: true }, "/healthz": server } },
});
