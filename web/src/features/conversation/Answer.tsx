import { memo, useRef, type ReactNode } from "react";
import { errorTexts, useSpeech } from "../../app/text/i18n";
import type { FailureCode } from "../../client";
import { isErrorCode } from "../../client";
import type { Message } from "../../state";
import { Button } from "../../ui/Button";
import { AnswerActions } from "./AnswerActions";
import { AnswerText } from "./AnswerText";
import { Ledger } from "./Ledger";
import { MarginNotes } from "./MarginNotes";
import { isRefusal } from "./refusal";
import { RefusalFacts } from "./RefusalFacts";
import { SourceList } from "./SourceList";

interface Props {
  readonly message: Message;
  /** Asks the question of this answer once more; null where that is not possible. */
  readonly onAskAgain: (() => void) | null;
}

/** An answer: ledger, text with marks, how it ended, sources, actions. Only its own message makes it draw again. */
export const Answer = memo(function Answer({ message, onAskAgain }: Props): ReactNode {
  const { t } = useSpeech();
  const text = useRef<HTMLDivElement>(null);
  const refusal = isRefusal(message);
  return (
    <article className="message answer" data-testid="message" data-message-id={message.id} data-state={message.state} data-role="assistant"
      aria-label={t("message.answer")} aria-busy={message.state === "streaming"}>
      <div className="answer-page">
        <Ledger message={message} />
        <div ref={text} className={refusal ? "answer-text refusal" : "answer-text"} data-testid={refusal ? "refusal" : undefined}>
          {refusal && <p className="refusal-title">{t("message.refusal")}</p>}
          {message.content && <AnswerText message={message} />}
          {message.refusal !== undefined && <RefusalFacts facts={message.refusal} />}
        </div>
        <Outcome message={message} onAskAgain={onAskAgain} />
        <div className="answer-foot">{message.state !== "streaming" && <AnswerActions message={message} />}</div>
        {message.state !== "streaming" && <SourceList message={message} />}
      </div>
      <MarginNotes message={message} text={text} />
    </article>
  );
});

function Outcome({ message, onAskAgain }: Props): ReactNode {
  const { t } = useSpeech();
  const told = outcomeText(message);
  if (told === null) return null;
  return (
    <div className={message.state === "failed" ? "outcome outcome-failed" : "outcome"}>
      <p>{told}</p>
      {onAskAgain !== null && <Button kind="quiet" icon="refresh" onClick={onAskAgain}>{t("message.askAgain")}</Button>}
    </div>
  );

  function outcomeText({ state, stopped_by, error }: Message): string | null {
    switch (state) {
      case "streaming":
      case "complete":
        return null;
      case "stopped":
        return stopped_by === undefined ? t("message.stopped") : t("message.stoppedBy", { name: stopped_by });
      case "interrupted":
        return t("message.interrupted");
      case "failed": {
        if (error === undefined) return t("message.failed");
        const { sentence, way } = errorTexts(t, codeOf(error.code));
        return `${sentence} ${error.message} ${way}`;
      }
    }
  }
}

function codeOf(code: string): FailureCode {
  return isErrorCode(code) ? code : "internal";
}
