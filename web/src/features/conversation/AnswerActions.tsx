import { useState, type ReactNode } from "react";
import { isPaged } from "../../app/evidence_target";
import { useSpeech } from "../../app/text/i18n";
import type { Message } from "../../state";
import { CopyButton } from "../../ui/CopyButton";
import { IconButton } from "../../ui/IconButton";
import { WhyDialog } from "./WhyDialog";

/** The row under an answer. Feedback, regenerate and branches take their places here when the server has them. */
export function AnswerActions({ message }: { readonly message: Message }): ReactNode {
  const { t } = useSpeech();
  const [why, setWhy] = useState(false);
  const withSources = (): string => {
    const order = [...new Set(message.citations.map(mark => mark.n))];
    const notes = order.flatMap(n => message.sources.filter(source => source.n === n)).map(source =>
      `[${source.n}] ${source.title}${isPaged(source) ? `, ${t("sources.page", { page: source.page ?? 1 })}` : ""}`);
    return notes.length ? `${message.content}\n\n${notes.join("\n")}` : message.content;
  };
  return (
    <div className="answer-actions">
      <CopyButton text={withSources} label={t("message.copy")} done={t("message.copied")} />
      {message.run_id !== undefined && message.run_id !== null && (
        <IconButton icon="why" label={t("why.open")} data-testid="why" onClick={() => setWhy(true)} />
      )}
      {why && <WhyDialog message={message} onClose={() => setWhy(false)} />}
    </div>
  );
}
