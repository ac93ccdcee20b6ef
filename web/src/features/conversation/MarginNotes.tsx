import { useEffect, useRef, useState, type ReactNode, type RefObject } from "react";
import { citedTargets, markId, type EvidenceTarget } from "../../app/evidence_target";
import { openMark } from "../../app/open_mark";
import { useSpeech } from "../../app/text/i18n";
import type { Message } from "../../state";
import { languageOf } from "../../ui/language";

interface Props {
  readonly message: Message;
  /** The element that holds the answer's text. */
  readonly text: RefObject<HTMLElement | null>;
}

interface Placed {
  readonly target: EvidenceTarget;
  readonly top: number;
  /** At the height of its mark: a rule joins the two. */
  readonly joined: boolean;
}

const GAP = 8;

/** On wide pages each cited passage stands in the margin at the height of its first mark. */
export function MarginNotes({ message, text }: Props): ReactNode {
  const { t } = useSpeech();
  const margin = useRef<HTMLDivElement>(null);
  const [placed, setPlaced] = useState<readonly Placed[]>([]);
  useEffect(() => {
    const [column, body] = [margin.current, text.current];
    if (!column || !body) return undefined;
    const place = (): void => {
      if (column.offsetWidth === 0) return; // a narrow page: the notes stand under the answer
      const origin = column.getBoundingClientRect().top;
      let free = 0;
      const next = citedTargets(message).flatMap(target => {
        const mark = body.querySelector(`[data-mark="${CSS.escape(markId(message.id, target.n))}"]`);
        if (!mark) return [];
        const wanted = mark.getBoundingClientRect().top - origin;
        const top = Math.max(free, wanted);
        free = top + NOTE_HEIGHT + GAP;
        return [{ target, top, joined: top - wanted < 2 }];
      });
      setPlaced(before => (same(before, next) ? before : next));
    };
    const frame = requestAnimationFrame(place);
    const observer = new ResizeObserver(place);
    observer.observe(column);
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
    };
  }, [message, text]);
  return (
    <div ref={margin} className="margin" aria-hidden="true">
      {placed.map(({ target, top, joined }) => (
        <button key={target.n} type="button" tabIndex={-1} className="margin-note" data-joined={joined} style={{ top }}
          onClick={() => openMark(markId(message.id, target.n), text.current?.querySelector<HTMLElement>(`[data-mark="${CSS.escape(markId(message.id, target.n))}"]`) ?? null)}>
          <span className="margin-head"><span className="source-n">{target.n}</span> <b>{target.title}</b>{target.paged && <span>{t("sources.page", { page: target.page })}</span>}</span>
          <span className="margin-quote" lang={languageOf(target.snippet)}>{target.snippet}</span>
        </button>
      ))}
    </div>
  );
}

/** As the style sheet sets it: head line and three lines of the passage. */
const NOTE_HEIGHT = 92;

function same(a: readonly Placed[], b: readonly Placed[]): boolean {
  return a.length === b.length && a.every((note, i) => note.target.n === b[i]?.target.n && Math.abs(note.top - b[i].top) < 1 && note.joined === b[i].joined);
}
