import { useCallback, useMemo, useRef, type ReactNode } from "react";
import { useSpeech } from "../../app/text/i18n";
import type { Message } from "../../state";
import { Markdown } from "../../ui/markdown/Markdown";
import type { MarkPlace } from "../../ui/markdown/marks";
import { keepPlaces, markPlaces } from "./mark_places";
import { MarkLink } from "./MarkLink";

/** The answer's text, growing or whole, with its marks. */
export function AnswerText({ message }: { readonly message: Message }): ReactNode {
  const { t } = useSpeech();
  const memory = useRef<readonly MarkPlace[]>([]);
  // A cache of identities, not state.
  // eslint-disable-next-line react-hooks/refs
  const places = (memory.current = keepPlaces(memory.current, markPlaces(message)));
  const { id, sources } = message;
  const renderMark = useCallback(
    (place: MarkPlace, key: string): ReactNode => (
      <span key={key} className="marks">
        {"\u2060"}
        {place.marks.map((mark, i) => (
          <MarkLink key={`${mark.n}-${i}`} messageId={id} mark={mark} source={mark.source_id === null ? undefined : sources.find(found => found.n === mark.n)} />
        ))}
      </span>
    ),
    [id, sources],
  );
  const codeLabels = useMemo(() => ({ copy: t("message.copyCode"), copied: t("message.copied"), table: t("message.table") }), [t]);
  return <Markdown text={message.content} whole={message.state !== "streaming"} places={places} renderMark={renderMark} codeLabels={codeLabels} />;
}
