import { useState, type ReactNode } from "react";
import { useSpeech, type Speech, type Translate } from "../../app/text/i18n";
import type { LedgerStep, Message } from "../../state";
import { Icon } from "../../ui/Icon";

/** What was done for the answer, with times: lines while it works, one line once the text begins. */
export function Ledger({ message }: { readonly message: Message }): ReactNode {
  const speech = useSpeech();
  const { t } = speech;
  const [open, setOpen] = useState(false);
  const working = message.state === "streaming" && !message.content;
  const told = ledgerLines(message.steps, speech);
  // The first steps of a run that one came to later are with the server; what is known of them is said all the same.
  const missed = message.sources.length > 0 && !message.steps.some(step => step.phase === "retrieving");
  const steps = missed ? [{ time: "", text: passagesOf(message, t) }, ...(told.length > 1 ? told.slice(1) : [{ time: "", text: t("ledger.generating") }])] : told;
  const summary = summaryOf(message, speech);
  if (working) {
    const lines = steps.length ? steps : [{ time: "", text: t("ledger.working") }];
    return (
      <div className="ledger" data-testid="status-line" data-running="true" aria-label={t("ledger.label")} role="group">
        {lines.map((line, i) => <LedgerLine key={i} line={line} running={i === lines.length - 1} />)}
        <SourcesAhead message={message} />
      </div>
    );
  }
  if (!summary && !told.length) return <div className="ledger ledger-folded" data-testid="status-line" data-running="false" />;
  return (
    <div className="ledger ledger-folded" data-testid="status-line" data-running={message.state === "streaming"}>
      {told.length > 0 ? (
        <button type="button" className="ledger-fold" aria-expanded={open} onClick={() => setOpen(!open)} title={open ? t("ledger.close") : t("ledger.open")}>
          <span>{summary}</span><Icon name={open ? "up" : "down"} size={14} />
        </button>
      ) : <span className="ledger-fold">{summary}</span>}
      {open && <div className="ledger-steps">{told.map((line, i) => <LedgerLine key={i} line={line} running={false} />)}</div>}
    </div>
  );
}

interface Line {
  readonly time: string;
  readonly text: string;
}

function LedgerLine({ line, running }: { readonly line: Line; readonly running: boolean }): ReactNode {
  return (
    <p className={running ? "ledger-line running" : "ledger-line"}>
      <span className="ledger-time">{line.time}</span>
      <span>{line.text}</span>
    </p>
  );
}

/** The sources stand before the first word; the text takes their place. */
function SourcesAhead({ message }: { readonly message: Message }): ReactNode {
  const { t } = useSpeech();
  if (!message.sources.length) return null;
  return (
    <ol className="sources-ahead">
      {message.sources.slice(0, 8).map(source => (
        <li key={source.source_id} data-testid="source" data-n={source.n}>
          <span className="source-n">{source.n}</span>
          <span className="source-title">{source.title}</span>
          {source.page !== undefined && <span className="muted">{t("sources.page", { page: source.page })}</span>}
        </li>
      ))}
    </ol>
  );
}

function seconds(ms: number | null, { t, locale }: Speech): string {
  if (ms === null) return "";
  return t("ledger.seconds", { seconds: (ms / 1000).toLocaleString(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 }) });
}

/** A step that follows another of its phase says what came of it: the later line stands for both. */
function ledgerLines(steps: readonly LedgerStep[], speech: Speech): readonly Line[] {
  const shown = steps.filter((step, i) => steps[i + 1]?.phase !== step.phase);
  const lines = shown.map(step => ({ time: seconds(step.elapsedMs, speech), text: sentenceOf(step, speech) }));
  return steps.length ? [{ time: seconds(0, speech), text: speech.t("ledger.read") }, ...lines] : [];
}

/** In the reader's language, out of phase and counts; the server's own words for a phase this page does not know. */
function sentenceOf(step: LedgerStep, { t }: Speech): string {
  const { passages, documents, searched } = step.counts;
  switch (step.phase) {
    case "queued":
      return t("ledger.queued");
    case "starting":
      return t("ledger.starting");
    case "condensing":
      return t("ledger.condensing");
    case "retrieving": {
      if (passages === undefined) return documents === undefined ? t("ledger.searchingAll") : t("ledger.searching", { count: documents });
      if (passages === 0) return t("ledger.nothing");
      const kept = t("ledger.from", { passages: t("ledger.found", { count: passages }), documents: t("ledger.documents", { count: documents ?? 1 }) });
      return searched === undefined ? kept : t("ledger.and", { first: kept, second: t("ledger.searched", { count: searched }) });
    }
    case "reranking":
      return t("ledger.reranking");
    case "generating":
      return t("ledger.generating");
    case "steering":
      return t("ledger.steering");
    default:
      return step.content || t("ledger.working");
  }
}

function summaryOf(message: Message, speech: Speech): string {
  const { t } = speech;
  if (!message.sources.length) return message.steps.length ? t("ledger.nothing") : "";
  const found = passagesOf(message, t);
  const took = message.usage?.["first_token_ms"];
  const ended = message.steps.findLast(step => step.phase === "generating" || step.phase === "retrieving")?.elapsedMs;
  const time = typeof took === "number" ? took : (ended ?? null);
  return time === null ? found : t("ledger.and", { first: found, second: seconds(time, speech) });
}

function passagesOf(message: Message, t: Translate): string {
  const documents = new Set(message.sources.map(source => source.document_id)).size;
  return t("ledger.from", { passages: t("ledger.passages", { count: message.sources.length }), documents: t("ledger.documents", { count: documents }) });
}
