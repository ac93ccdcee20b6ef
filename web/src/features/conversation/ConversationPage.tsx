import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { useDesk, useStore } from "../../app/context";
import { keepDraft } from "../../app/drafts";
import { errorLine, errorTexts, useSpeech } from "../../app/text/i18n";
import { asClientError, type OutgoingQuestion } from "../../client";
import type { QuestionScope } from "../../protocol";
import { conversationReducer, type Conversation, type FollowedTopic } from "../../state";
import { Button } from "../../ui/Button";
import { IconButton } from "../../ui/IconButton";
import { Announcer } from "./Announcer";
import { Composer, type ComposerHandle } from "./Composer";
import "./conversation.css";
import { ConnectionLine } from "./ConnectionLine";
import { MessageList } from "./MessageList";
import { useFollow } from "./use_follow";

interface Props {
  /** null: the conversation that is not yet; its first question makes it. */
  readonly sessionId: string | null;
  readonly modelPicker: ReactNode;
  readonly model: string | null;
  /** What an empty conversation shows above the composer. */
  readonly welcome: ReactNode;
  readonly gone: ReactNode;
}

const NOTHING = { get: (): Conversation => conversationReducer.empty, subscribe: () => (): void => undefined, over: null };
const LONGEST = 32_000;

export function ConversationPage({ sessionId, modelPicker, model, welcome, gone }: Props): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const topic = useMemo((): Pick<FollowedTopic<Conversation>, "get" | "subscribe" | "over"> => (sessionId === null ? NOTHING : desk.conversation(sessionId)), [desk, sessionId]);
  const conversation = useStore(topic);
  const outgoing = useSyncExternalStore(desk.outbox.subscribe, () => desk.outbox.questions);
  const settling = useStore(desk.settling);
  const connection = useStore(desk.connectionState);
  const limits = useStore(desk.limits);
  const [notice, setNotice] = useState("");
  const [stopping, setStopping] = useState<string | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const composer = useRef<ComposerHandle>(null);
  const pending = outgoing.filter(question => question.sessionId === sessionId);
  const shown = [...settling.filter(question => question.sessionId === sessionId), ...pending];
  const empty = sessionId === null && shown.length === 0;
  const { away, toEnd } = useFollow(scroller, content, sessionId, conversation.known);

  const run = conversation.runs[0];
  // Stop reacts on screen at once: the button is send again although the server's word is still on its way.
  const running = run !== undefined && run.run_id !== stopping;
  const ask = useCallback((text: string, scope: QuestionScope | null = null) => {
    setNotice("");
    desk.ask({ sessionId, content: text, model, scope });
    toEnd();
  }, [desk, sessionId, model, toEnd]);
  const stop = useCallback(() => {
    if (run === undefined) return;
    setStopping(run.run_id);
    desk.stop(run.run_id).catch((problem: unknown) => {
      setStopping(null);
      setNotice(errorLine(t, asClientError(problem)));
    });
  }, [desk, run, t]);

  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || !running) return;
      if (document.querySelector("dialog[open], [popover='auto']:popover-open, .evidence")) return; // Escape closes those first
      stop();
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  }, [running, stop]);

  const takeBack = (question: OutgoingQuestion): void => {
    desk.outbox.discard(question.id);
    composer.current?.put(question.content);
  };
  const earlier = (): void => {
    if (sessionId === null) return;
    desk.loadEarlier(sessionId).catch((problem: unknown) => setNotice(errorLine(t, asClientError(problem))));
  };
  const dismiss = (suggestionId: string): void => {
    if (sessionId === null) return;
    desk.dismiss(sessionId, suggestionId).catch((problem: unknown) => setNotice(errorLine(t, asClientError(problem))));
  };
  const busy = (): void => {
    const { sentence, way } = errorTexts(t, "run_active");
    setNotice(`${sentence} ${way}`);
  };
  const longest = typeof limits["message_characters"] === "number" ? limits["message_characters"] : LONGEST;
  if (topic.over !== null) return gone;
  return (
    <section className={empty ? "conversation conversation-empty" : "conversation"} aria-label={t("nav.chats")}>
      <div className="conversation-scroll" ref={scroller} data-testid="conversation" tabIndex={-1}>
        <div className="conversation-content" ref={content}>
          {conversation.hasMore && <div className="earlier"><Button kind="quiet" icon="up" onClick={earlier}>{t("message.earlier")}</Button></div>}
          {sessionId !== null && !conversation.known && shown.length === 0 && <p className="opening muted">{t("app.loading")}</p>}
          {empty && welcome}
          <MessageList conversation={conversation} pending={shown} online={connection === "live"} readerId={desk.me.id}
            onAsk={ask} onDismiss={dismiss} onRetry={id => desk.outbox.retry(id)} onTakeBack={takeBack} />
        </div>
      </div>
      <div className="conversation-foot">
        {away && (
          <div className="to-end">
            <IconButton icon="arrowDown" label={running ? t("message.newBelow") : t("message.toEnd")} data-testid="to-end" onClick={toEnd} />
          </div>
        )}
        <div className="conversation-box">
          <ConnectionLine running={run !== undefined} waiting={pending.filter(question => question.failure === null).length} notice={notice} />
          <Composer key={sessionId ?? "new"} handle={composer} sessionId={sessionId} running={running} longest={longest} tools={modelPicker}
            lastQuestion={conversation.messages.findLast(message => message.role === "user")?.content ?? null}
            placeholder={sessionId === null ? t("composer.placeholder") : t("composer.placeholderMore")}
            onSend={text => {
              keepDraft(sessionId, "");
              ask(text);
            }} onStop={stop} onBusy={busy} />
        </div>
      </div>
      <Announcer message={conversation.messages.findLast(message => message.role === "assistant")} />
    </section>
  );
}
