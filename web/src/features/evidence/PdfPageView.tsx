import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { useDesk } from "../../app/context";
import { useSpeech } from "../../app/text/i18n";
import type { Rectangles } from "../../protocol";
import type { Drawing } from "./pdf";

interface Props {
  readonly documentId: string;
  readonly version: number;
  readonly page: number;
  readonly zoom: number;
  readonly rectangles: Rectangles | null;
  /** Changes with each passage that is come to: the rest of the page dims once. */
  readonly arrival: string;
  readonly onPages: (pages: number) => void;
}

const PADDING_PX = 24;
/** The passage stands in the upper third. */
const FROM_TOP = 0.22;

/** One page of a PDF with its passage in evidence yellow. */
export function PdfPageView({ documentId, version, page, zoom, rectangles, arrival, onPages }: Props): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const text = useRef<HTMLDivElement>(null);
  const sheet = useRef<HTMLDivElement>(null);
  const told = useRef(onPages);
  const [width, setWidth] = useState(0);
  const [ratio, setRatio] = useState<number | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    told.current = onPages;
  }, [onPages]);

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const measure = (): void => setWidth(Math.max(200, Math.floor(element.clientWidth - PADDING_PX * 2)));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (width === 0) return undefined;
    let drawing: Drawing | null = null;
    let wanted = true;
    const draw = async (): Promise<void> => {
      const pdf = await import("./pdf");
      const document = await pdf.openPdf(desk.api.originalAddress(documentId), version);
      told.current(document.numPages);
      const shown = await document.getPage(Math.min(page, document.numPages));
      const [picture, layer] = [canvas.current, text.current];
      if (!wanted || !picture || !layer) return;
      const size = shown.getViewport({ scale: 1 });
      setRatio(size.height / size.width);
      setFailed(false);
      drawing = pdf.drawPage(shown, picture, layer, width * zoom);
      await drawing.done;
    };
    draw().catch(() => {
      if (wanted) setFailed(true);
    });
    return () => {
      wanted = false;
      drawing?.cancel();
    };
  }, [desk, documentId, version, page, width, zoom]);

  const first = rectangles?.rects[0];
  useLayoutEffect(() => {
    const [element, paper] = [frame.current, sheet.current];
    if (!element || !paper || ratio === null) return;
    const top = first?.[1] === undefined || !rectangles?.height ? 0 : (first[1] / rectangles.height) * paper.offsetHeight;
    element.scrollTop = Math.max(0, paper.offsetTop + top - element.clientHeight * FROM_TOP);
    if (first?.[0] !== undefined && rectangles?.width) element.scrollLeft = Math.max(0, (first[0] / rectangles.width) * paper.offsetWidth - 40);
  }, [first, rectangles, ratio, page]);

  const pageWidth = width * zoom;
  return (
    <div className="pdf-frame" ref={frame} tabIndex={0} role="region" aria-label={t("evidence.page", { page })}>
      {failed && <p className="bad" role="alert">{t("evidence.failed")}</p>}
      <div ref={sheet} className="pdf-sheet" style={{ width: pageWidth, height: ratio === null ? pageWidth * 1.414 : pageWidth * ratio }}>
        <canvas ref={canvas} aria-hidden="true" />
        <div ref={text} className="pdf-text" />
        {rectangles !== null && rectangles.rects.length > 0 && ratio !== null && <Highlight key={arrival} rectangles={rectangles} />}
      </div>
    </div>
  );
}

/** The rectangles, in shares of the page; around them the page dims once for a moment. */
function Highlight({ rectangles }: { readonly rectangles: Rectangles }): ReactNode {
  const { width, height } = rectangles;
  return (
    <div className="highlight">
      {rectangles.rects.map(([x0 = 0, y0 = 0, x1 = 0, y1 = 0], i) => (
        <span key={i} className="highlight-line" data-testid="evidence-highlight" style={{
          left: `${(x0 / width) * 100}%`, top: `${(y0 / height) * 100}%`, width: `${((x1 - x0) / width) * 100}%`, height: `${((y1 - y0) / height) * 100}%`,
        }} />
      ))}
    </div>
  );
}
