import { lazy, Suspense, useEffect, useMemo, type ReactNode } from "react";
import { useDesk, useStore } from "../app/context";
import { citedTargets, markId, readMarkId, targetOf, type EvidenceTarget } from "../app/evidence_target";
import { openMark, returnToMark } from "../app/open_mark";
import { back, go, type Route } from "../app/router";
import { useSpeech } from "../app/text/i18n";
import { ConversationPage } from "../features/conversation/ConversationPage";
import { ModelPicker, useChosenModel } from "../features/models/ModelPicker";
import { conversationReducer, type Conversation } from "../state";
import { Button } from "../ui/Button";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { SideBySide } from "./SideBySide";
import { Welcome } from "./Welcome";

const EvidencePanel = lazy(async () => ({ default: (await import("../features/evidence/EvidencePanel")).EvidencePanel }));

type ConversationPlace = Extract<Route, { name: "conversation" }>;

const NOTHING = { get: (): Conversation => conversationReducer.empty, subscribe: () => (): void => undefined };

/** A conversation, and beside it the evidence of the mark that is open. */
export function ConversationRoute({ route }: { readonly route: ConversationPlace }): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const model = useChosenModel();
  const { sessionId, mark } = route;
  const topic = useMemo(() => (sessionId === null ? NOTHING : desk.conversation(sessionId)), [desk, sessionId]);
  const conversation = useStore(topic);
  const title = useStore(desk.sessions).sessions?.find(known => known.id === sessionId)?.title || t("sessions.untitled");
  const open = useMemo(() => evidenceOf(conversation, mark), [conversation, mark]);
  const close = (): void => {
    back({ ...route, mark: null });
    returnToMark();
  };

  useEffect(() => {
    document.title = sessionId === null ? "Antiphon" : `${title} · Antiphon`;
    return () => {
      document.title = "Antiphon";
    };
  }, [sessionId, title]);

  useEffect(() => {
    // The question made its session: the address says so from now on.
    return desk.outbox.onAccepted(accepted => {
      if (accepted.question.sessionId === null && sessionId === null) go({ name: "conversation", sessionId: accepted.sessionId, mark: null }, "replace");
    });
  }, [desk, sessionId]);

  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      if (event.key !== "[" && event.key !== "]") return;
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      walkMarks(event.key === "]" ? 1 : -1, mark);
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  }, [mark]);

  const page = (
    <ErrorBoundary title={t("app.fault")} retryLabel={t("app.retry")} resetKey={sessionId ?? ""}>
      {sessionId !== null && <h1 className="unseen">{title}</h1>}
      <ConversationPage key={sessionId ?? "new"} sessionId={sessionId} model={model} modelPicker={<ModelPicker />} welcome={<Welcome />} gone={<Gone />} />
    </ErrorBoundary>
  );
  const evidence = open === null ? null : (
    <ErrorBoundary title={t("app.fault")} retryLabel={t("app.retry")} resetKey={mark ?? ""}>
      <Suspense fallback={<p className="muted evidence-opening" role="status">{t("evidence.opening", { title: open.target.title })}</p>}>
        <EvidencePanel target={open.target} among={open.among} onClose={close} onMove={next => openMark(markId(open.messageId, next.n), null)} />
      </Suspense>
    </ErrorBoundary>
  );
  return <SideBySide main={page} side={evidence} resizeLabel={t("evidence.resize")} />;
}

interface Open {
  readonly messageId: string;
  readonly target: EvidenceTarget;
  readonly among: readonly EvidenceTarget[];
}

function evidenceOf(conversation: Conversation, mark: string | null): Open | null {
  const wanted = readMarkId(mark);
  const message = conversation.messages.find(known => known.id === wanted?.messageId);
  const source = message?.sources.find(known => known.n === wanted?.n);
  if (!message || !source) return null;
  const among = citedTargets(message);
  return { messageId: message.id, target: targetOf(source), among: among.some(known => known.n === source.n) ? among : [targetOf(source), ...among] };
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || (target instanceof HTMLTextAreaElement && target.value !== "") || target instanceof HTMLInputElement);
}

/** `[` and `]`: the focus goes from mark to mark; when evidence is open it follows. */
function walkMarks(by: 1 | -1, open: string | null): void {
  const marks = [...document.querySelectorAll<HTMLElement>("a[data-mark]")];
  const focused = marks.findIndex(mark => mark === document.activeElement);
  const at = focused >= 0 ? focused : marks.findIndex(mark => mark.dataset["mark"] === open);
  const next = marks[at < 0 ? (by > 0 ? 0 : marks.length - 1) : at + by];
  if (!next) return;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  const mark = next.dataset["mark"];
  if (open !== null && mark !== undefined) openMark(mark, next);
}

function Gone(): ReactNode {
  const { t } = useSpeech();
  return (
    <section className="page-note">
      <p>{t("message.gone")}</p>
      <Button kind="action" onClick={() => go({ name: "conversation", sessionId: null, mark: null })}>{t("sessions.new")}</Button>
    </section>
  );
}
