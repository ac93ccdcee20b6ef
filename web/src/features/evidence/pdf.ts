// pdf.js, loaded with the first PDF that is opened. Worker, character maps and fonts are our own; nothing comes from elsewhere.
import { getDocument, GlobalWorkerOptions, RenderingCancelledException, TextLayer, type PDFDocumentProxy, type PDFPageProxy } from "pdfjs-dist/legacy/build/pdf.mjs";
import workerAddress from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?url";

GlobalWorkerOptions.workerSrc = workerAddress;

export type PdfDocument = PDFDocumentProxy;
export type PdfPage = PDFPageProxy;

const RANGE_BYTES = 65_536;
const KEPT = 3;
const opened = new Map<string, Promise<PdfDocument>>();

/** The document at an address; only the parts that its pages need are loaded. The latest few stay open. */
export function openPdf(address: string, version: number): Promise<PdfDocument> {
  const key = `${address} ${version}`;
  const known = opened.get(key);
  if (known) {
    opened.delete(key);
    opened.set(key, known);
    return known;
  }
  const task = getDocument({
    url: address,
    rangeChunkSize: RANGE_BYTES,
    disableAutoFetch: true,
    disableStream: true,
    isEvalSupported: false,
    useWasm: false, // the page's policy compiles no WebAssembly; the plain decoders do it
    enableXfa: false,
    cMapUrl: "/pdf/cmaps/",
    cMapPacked: true,
    standardFontDataUrl: "/pdf/standard_fonts/",
    wasmUrl: "/pdf/wasm/",
    useSystemFonts: true,
  });
  opened.set(key, task.promise);
  task.promise.catch(() => opened.delete(key));
  for (const [other, old] of opened) {
    if (opened.size <= KEPT) break;
    opened.delete(other);
    void old.then(document => document.cleanup(), () => undefined);
  }
  return task.promise;
}

export interface Drawing {
  readonly done: Promise<void>;
  cancel(): void;
}

/** Draws a page into a canvas of `width` CSS pixels, and its text, to be selected, into `text`. */
export function drawPage(page: PdfPage, canvas: HTMLCanvasElement, text: HTMLElement, width: number): Drawing {
  const unscaled = page.getViewport({ scale: 1 });
  const viewport = page.getViewport({ scale: width / unscaled.width });
  const density = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.floor(viewport.width * density);
  canvas.height = Math.floor(viewport.height * density);
  const task = page.render({ canvas, viewport, ...(density === 1 ? {} : { transform: [density, 0, 0, density, 0, 0] }) });
  text.replaceChildren();
  text.style.setProperty("--total-scale-factor", String(viewport.scale));
  const layer = new TextLayer({ textContentSource: page.streamTextContent(), container: text, viewport });
  const done = Promise.all([task.promise, layer.render()]).then(
    () => undefined,
    (problem: unknown) => {
      if (!(problem instanceof RenderingCancelledException) && !(problem instanceof Error && problem.name === "AbortException")) throw problem;
    },
  );
  return {
    done,
    cancel() {
      task.cancel();
      layer.cancel();
    },
  };
}
