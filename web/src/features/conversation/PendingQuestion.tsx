import type { ReactNode } from "react";
import { errorTexts, useSpeech } from "../../app/text/i18n";
import type { OutgoingQuestion } from "../../client";
import { Button } from "../../ui/Button";
import { languageOf } from "../../ui/language";

interface Props {
  readonly question: OutgoingQuestion;
  readonly online: boolean;
  readonly onRetry: () => void;
  readonly onTakeBack: () => void;
}

/** A question of ours that the server has not acknowledged yet: shown at once, replaced by the server's own event. */
export function PendingQuestion({ question, online, onRetry, onTakeBack }: Props): ReactNode {
  const { t } = useSpeech();
  const { failure } = question;
  return (
    <article className="message question question-pending" data-testid="message" data-message-id={question.id} data-state={failure === null ? "pending" : "failed"}
      data-role="user" aria-label={t("message.you")}>
      <h2 className="question-text" lang={languageOf(question.content)}>{question.content}</h2>
      {failure === null && !online && <p className="question-note">{t("message.waiting")}</p>}
      {failure !== null && (
        <div className="outcome outcome-failed" role="alert">
          <p>{t("message.notSent")} {errorTexts(t, failure.code).sentence} {errorTexts(t, failure.code).way}</p>
          <Button kind="quiet" icon="refresh" onClick={onRetry}>{t("message.sendAgain")}</Button>
          <Button kind="quiet" icon="pencil" onClick={onTakeBack}>{t("message.backToComposer")}</Button>
        </div>
      )}
    </article>
  );
}
