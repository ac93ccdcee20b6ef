import { useEffect, useState, type ReactNode } from "react";
import { useDesk } from "../../app/context";
import { isPaged } from "../../app/evidence_target";
import { useSpeech } from "../../app/text/i18n";
import { isRecord, type RunRecord } from "../../protocol";
import type { Message } from "../../state";
import { Dialog } from "../../ui/Dialog";

interface Props {
  readonly message: Message;
  readonly onClose: () => void;
}

/** Passages with scores and times: the one place that shows raw numbers. */
export function WhyDialog({ message, onClose }: Props): ReactNode {
  const desk = useDesk();
  const { t, locale } = useSpeech();
  const [run, setRun] = useState<RunRecord | null>(null);
  const runId = message.run_id ?? null;
  useEffect(() => {
    if (runId === null) return;
    desk.api.run(runId).then(setRun, () => undefined); // without the record, what the message itself holds is shown
  }, [desk, runId]);
  const retrieval = run?.record?.["retrieval"];
  const facts: readonly (readonly [string, string | null])[] = [
    [t("why.model"), run?.model ?? null],
    [t("why.question"), isRecord(retrieval) && typeof retrieval["query"] === "string" ? retrieval["query"] : null],
    [t("why.mode"), isRecord(retrieval) && typeof retrieval["mode"] === "string" ? retrieval["mode"] : null],
    [t("why.retrieval"), milliseconds("retrieval_ms")],
    [t("why.firstToken"), milliseconds("first_token_ms")],
    [t("why.rate"), number("tokens_per_s") === null ? null : t("why.perSecond", { n: Math.round(number("tokens_per_s") ?? 0) })],
    [t("why.tokens"), number("prompt_tokens") === null ? null : t("why.tokensValue", { prompt: number("prompt_tokens") ?? 0, completion: number("completion_tokens") ?? 0 })],
  ];
  return (
    <Dialog title={t("why.title")} closeLabel={t("app.close")} onClose={onClose} testId="why-dialog">
      <dl className="facts">
        {facts.map(([name, value]) => value !== null && <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
      </dl>
      <h3>{t("why.passages")}</h3>
      <ol className="why-passages">
        {message.sources.map(source => (
          <li key={source.source_id}>
            <p><span className="source-n">{source.n}</span> <b>{source.title}</b>{isPaged(source) && `, ${t("sources.page", { page: source.page ?? 1 })}`}
              <span className="muted tabular"> {t("why.score", { score: source.score.toLocaleString(locale, { maximumFractionDigits: 4 }) })}</span></p>
            <q>{source.snippet}</q>
          </li>
        ))}
      </ol>
    </Dialog>
  );

  function number(name: string): number | null {
    const value = message.usage?.[name];
    return typeof value === "number" ? value : null;
  }

  function milliseconds(name: string): string | null {
    const value = number(name);
    return value === null ? null : `${value.toLocaleString(locale)} ms`;
  }
}
