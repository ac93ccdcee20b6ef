import { useEffect, useRef, useState, type ReactNode } from "react";
import { useDesk } from "../../app/context";
import { documentAddress, type EvidenceTarget } from "../../app/evidence_target";
import { errorLine, useSpeech } from "../../app/text/i18n";
import { CopyButton } from "../../ui/CopyButton";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import "./evidence.css";
import { PdfPageView } from "./PdfPageView";
import { TextPageView } from "./TextPageView";
import { useLocated, type Located } from "./use_located";

interface Props {
  readonly target: EvidenceTarget;
  /** The cited passages of the answer, among which one walks; alone: only the target. */
  readonly among: readonly EvidenceTarget[];
  readonly onMove: (target: EvidenceTarget) => void;
  readonly onClose: () => void;
}

const ZOOMS = [0.75, 1, 1.25, 1.5, 2, 3];

/** The page beside the answer, with the cited passage marked; or, honestly, why it cannot be. */
export function EvidencePanel({ target, among, onMove, onClose }: Props): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const [turned, setTurned] = useState({ key: "", page: 0 });
  const [zoom, setZoom] = useState(1);
  const [pdfPages, setPdfPages] = useState<number | null>(null);
  const panel = useRef<HTMLElement>(null);
  const key = `${target.documentId}.${target.version}.${target.page}.${target.start}.${target.n}`;
  const page = turned.key === key ? turned.page : target.page;
  const located = useLocated(target, page);
  const at = among.findIndex(known => known.n === target.n);
  const pages = pagesOf(located) ?? pdfPages;
  const title = titleOf(located) ?? target.title;
  useEffect(() => {
    panel.current?.focus({ preventScroll: true });
  }, [key]);

  const move = (by: number): void => {
    const next = among[at + by];
    if (next) onMove(next);
  };
  const turn = (by: number): void => setTurned({ key, page: Math.min(Math.max(1, page + by), pages ?? page + 1) });
  const rescale = (by: number): void => setZoom(ZOOMS[Math.min(Math.max(0, ZOOMS.indexOf(zoom) + by), ZOOMS.length - 1)] ?? 1);
  const pageName = pages === null ? t("evidence.page", { page }) : t("evidence.pageOf", { page, pages });
  const showsPages = located.kind === "page" || (pages ?? 1) > 1;
  return (
    <aside className="evidence" ref={panel} tabIndex={-1} aria-label={t("evidence.title")} data-testid="evidence" onKeyDown={event => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      event.stopPropagation();
      onClose();
    }}>
      <header className="evidence-head">
        <div className="evidence-name">
          <h2 title={title}>{title}</h2>
          <p className="muted small tabular">{showsPages ? pageName : ""}</p>
        </div>
        <IconButton icon="close" label={t("app.close")} data-testid="evidence-close" onClick={onClose} />
      </header>
      <div className="evidence-tools" role="toolbar" aria-label={t("evidence.title")}>
        {among.length > 1 && at >= 0 && (
          <span className="evidence-walk">
            <IconButton icon="up" label={t("evidence.previous")} data-testid="evidence-previous" disabled={at <= 0} onClick={() => move(-1)} />
            <span className="tabular small" data-testid="evidence-position">{t("evidence.position", { at: at + 1, of: among.length })}</span>
            <IconButton icon="down" label={t("evidence.next")} data-testid="evidence-next" disabled={at >= among.length - 1} onClick={() => move(1)} />
          </span>
        )}
        {showsPages && (
          <>
            <IconButton icon="left" label={t("evidence.pagePrevious")} disabled={page <= 1} onClick={() => turn(-1)} />
            <IconButton icon="right" label={t("evidence.pageNext")} disabled={pages !== null && page >= pages} onClick={() => turn(1)} />
          </>
        )}
        {located.kind === "page" && (
          <span className="evidence-zoom">
            <IconButton icon="zoomOut" label={t("evidence.zoomOut")} disabled={zoom === ZOOMS[0]} onClick={() => rescale(-1)} />
            <IconButton icon="zoomIn" label={t("evidence.zoomIn")} disabled={zoom === ZOOMS.at(-1)} onClick={() => rescale(1)} />
          </span>
        )}
        <span className="push" />
        {target.snippet && <CopyButton text={`“${target.snippet.trim()}” (${title}${target.paged ? `, ${t("evidence.page", { page: target.page })}` : ""})`} label={t("evidence.quote")} done={t("evidence.quoteCopied")} />}
        <CopyButton icon="link" text={() => new URL(documentAddress(target), location.href).href} label={t("evidence.link")} done={t("evidence.linkCopied")} />
        {located.kind !== "deleted" && (
          <a className="icon-button" href={desk.api.originalAddress(target.documentId)} download aria-label={t("evidence.original")} title={t("evidence.original")}>
            <Icon name="download" />
          </a>
        )}
      </div>
      <p className="evidence-note" role="status">{noteOf(located)}</p>
      <Body located={located} target={target} page={page} zoom={zoom} arrival={key} onPages={setPdfPages} />
    </aside>
  );

  function noteOf(found: Located): string {
    switch (found.kind) {
      case "looking":
        return "";
      case "page":
        return page === target.page && target.end > target.start && !found.rectangles.rects.length ? t("evidence.notLocated") : "";
      case "text":
        return "";
      case "changed":
        return t("evidence.changed");
      case "deleted":
        return t("evidence.deleted");
      case "failed":
        return errorLine(t, found.error);
    }
  }
}

interface BodyProps {
  readonly located: Located;
  readonly target: EvidenceTarget;
  readonly page: number;
  readonly zoom: number;
  readonly arrival: string;
  readonly onPages: (pages: number) => void;
}

function Body({ located, target, page, zoom, arrival, onPages }: BodyProps): ReactNode {
  const { t } = useSpeech();
  // The page is drawn while the server still looks for the passage: both take their time.
  if (located.kind === "page" || (located.kind === "looking" && target.mediaType === "application/pdf")) {
    return <PdfPageView documentId={target.documentId} version={target.version} page={page} zoom={zoom} arrival={arrival} onPages={onPages}
      rectangles={located.kind === "page" && page === target.page ? located.rectangles : null} />;
  }
  switch (located.kind) {
    case "text":
      return <TextPageView text={located.text} passage={page === target.page && target.end > target.start ? target : null} />;
    case "changed":
    case "deleted":
    case "failed":
      return target.snippet ? <div className="text-frame"><h3 className="small muted">{t("evidence.passage")}</h3><blockquote className="text-sheet">{target.snippet}</blockquote></div> : null;
    case "looking":
      return <p className="muted evidence-opening">{t("evidence.opening", { title: target.title })}</p>;
  }
}

function pagesOf(located: Located): number | null {
  return located.kind === "page" || located.kind === "text" ? located.document.pages : null;
}

function titleOf(located: Located): string | null {
  return located.kind === "page" || located.kind === "text" || located.kind === "changed" ? located.document.name : null;
}
