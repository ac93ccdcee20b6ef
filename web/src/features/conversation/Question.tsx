import { memo, type ReactNode } from "react";
import { useSpeech } from "../../app/text/i18n";
import type { Message } from "../../state";
import { languageOf } from "../../ui/language";

interface Props {
  readonly message: Message;
  /** Who asks, when it is not the reader. */
  readonly by: string | null;
}

/** A question: a bold line with a rule at its left, no bubble. */
export const Question = memo(function Question({ message, by }: Props): ReactNode {
  const { t } = useSpeech();
  return (
    <article className="message question" data-testid="message" data-message-id={message.id} data-state={message.state} data-role="user"
      aria-label={by === null ? t("message.you") : t("message.by", { name: by })}>
      {by !== null && <p className="question-by">{by}</p>}
      <h2 className="question-text" lang={languageOf(message.content)}>{message.content}</h2>
    </article>
  );
});
