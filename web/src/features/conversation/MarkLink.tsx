import { useEffect, useId, useRef, useState, type MouseEvent, type ReactNode } from "react";
import { documentAddress, isPaged, markId, targetOf } from "../../app/evidence_target";
import { openMark, visitedMarks } from "../../app/open_mark";
import { useStore } from "../../app/context";
import { useSpeech } from "../../app/text/i18n";
import type { CitationMark, Source } from "../../protocol";
import { HoverCard } from "../../ui/HoverCard";
import { languageOf } from "../../ui/language";

interface Props {
  readonly messageId: string;
  readonly mark: CitationMark;
  /** undefined: the mark has no source; it stays, grey. */
  readonly source: Source | undefined;
}

const HOVER_DELAY_MS = 120;

/** A number on yellow: one passage. Hover or focus shows the sentence, a click opens the page with it marked. */
export function MarkLink({ messageId, mark, source }: Props): ReactNode {
  const { t } = useSpeech();
  const visited = useStore(visitedMarks);
  const [shown, setShown] = useState<HTMLElement | null>(null);
  const waiting = useRef<ReturnType<typeof setTimeout>>(undefined);
  const cardId = useId();
  useEffect(() => () => clearTimeout(waiting.current), []);
  if (source === undefined) {
    const label = t("sources.noSource");
    return <span className="mark mark-unresolved" data-testid="citation" data-n={mark.n} role="note" aria-label={`${mark.n}: ${label}`} title={label}>{mark.n}?</span>;
  }
  const paged = isPaged(source);
  const label = paged ? t("sources.markPage", { n: mark.n, title: source.title, page: source.page ?? 1 }) : t("sources.mark", { n: mark.n, title: source.title });
  const key = markId(messageId, source.n);
  const show = (element: HTMLElement, delay: number): void => {
    clearTimeout(waiting.current);
    waiting.current = setTimeout(() => setShown(element), delay);
  };
  const hide = (): void => {
    clearTimeout(waiting.current);
    setShown(null);
  };
  const open = (event: MouseEvent<HTMLAnchorElement>): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    hide();
    openMark(key, event.currentTarget);
  };
  return (
    <>
      <a className={visited.has(key) ? "mark mark-visited" : "mark"} data-testid="citation" data-n={mark.n} data-mark={key} href={documentAddress(targetOf(source))}
        aria-label={label} aria-describedby={shown ? cardId : undefined}
        onClick={open} onMouseEnter={event => show(event.currentTarget, HOVER_DELAY_MS)} onMouseLeave={hide}
        onFocus={event => show(event.currentTarget, 0)} onBlur={hide}>
        {mark.n}
      </a>
      {shown && (
        <HoverCard anchor={shown} id={cardId}>
          <span className="card-title">{source.title}{paged && `, ${t("sources.page", { page: source.page ?? 1 })}`}</span>
          <q lang={languageOf(source.snippet)}>{source.snippet.length > 320 ? `${source.snippet.slice(0, 320)}…` : source.snippet}</q>
        </HoverCard>
      )}
    </>
  );
}
