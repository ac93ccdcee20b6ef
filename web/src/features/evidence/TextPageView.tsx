import { useLayoutEffect, useRef, type ReactNode } from "react";
import { useSpeech } from "../../app/text/i18n";
import type { PageText } from "../../protocol";
import { unitIndices } from "../../state";
import { languageOf } from "../../ui/language";

interface Props {
  readonly text: PageText;
  /** Code points of the passage; null: nothing is marked. */
  readonly passage: { readonly start: number; readonly end: number } | null;
}

const FROM_TOP = 0.22;

/** The stored text of a page, for formats that have no picture: the passage marked, its headings as they were. */
export function TextPageView({ text, passage }: Props): ReactNode {
  const { t } = useSpeech();
  const frame = useRef<HTMLDivElement>(null);
  const mark = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const [element, target] = [frame.current, mark.current];
    if (element && target) element.scrollTop = Math.max(0, target.offsetTop - element.clientHeight * FROM_TOP);
  }, [text, passage]);
  const [from = 0, to = 0] = passage === null ? [] : unitIndices(text.text, [passage.start, passage.end]);
  const content = text.text;
  return (
    <div className="text-frame" ref={frame} tabIndex={0} role="region" aria-label={t("evidence.textView")}>
      <div className="text-sheet" lang={languageOf(content)}>
        {content.slice(0, from)}
        {to > from && <mark ref={mark} className="evidence-mark" data-testid="evidence-highlight">{content.slice(from, to)}</mark>}
        {content.slice(Math.max(from, to))}
      </div>
    </div>
  );
}
