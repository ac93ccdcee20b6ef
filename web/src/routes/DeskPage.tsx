import { lazy, Suspense, useEffect, useState, type ReactNode } from "react";
import { useDesk, useStore } from "../app/context";
import { tell } from "../app/notices";
import { prefer, preferences } from "../app/preferences";
import { go, useRoute, type Route } from "../app/router";
import { useSpeech } from "../app/text/i18n";
import { SessionPanel } from "../features/sessions/SessionPanel";
import { Notices } from "../features/shell/Notices";
import { Rail } from "../features/shell/Rail";
import { WorkspaceChoice } from "../features/shell/WorkspaceChoice";
import { Button } from "../ui/Button";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { ConversationRoute } from "./ConversationRoute";
import { DocumentRoute } from "./DocumentRoute";

const DocumentsPage = lazy(async () => ({ default: (await import("../features/documents/DocumentsPage")).DocumentsPage }));

const NEW: Route = { name: "conversation", sessionId: null, mark: null };
const PHONE = "(max-width: 759px)";

/** The page of somebody who is signed in: rail, list, and what the address names. */
export function DeskPage({ onSignOut }: { readonly onSignOut: () => void }): ReactNode {
  const desk = useDesk();
  const route = useRoute();
  const { t } = useSpeech();
  const { listShown } = useStore(preferences);
  const [overPage, setOverPage] = useState(false);
  const currentId = route.name === "conversation" ? route.sessionId : null;
  const inConversations = route.name === "conversation";

  useEffect(() => {
    const key = (event: KeyboardEvent): void => {
      if (!event.ctrlKey && !event.metaKey) return;
      if (event.key.toLowerCase() === "k" && !event.shiftKey) {
        event.preventDefault();
        prefer({ listShown: true });
        setOverPage(true);
        requestAnimationFrame(() => document.getElementById("session-search")?.focus());
      } else if (event.key.toLowerCase() === "o" && event.shiftKey) {
        event.preventDefault();
        startNew();
      }
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  }, []);

  useEffect(() => {
    // An answer that became ready while one was elsewhere.
    return desk.sessions.onEvent(event => {
      if (event.type !== "run_state" || event.state !== "completed" || !event.session_id) return;
      const shown = currentId === event.session_id && !document.hidden;
      const session = desk.sessions.get().sessions?.find(known => known.id === event.session_id);
      if (shown || !session) return;
      tell(t("sessions.ready", { title: session.title || t("sessions.untitled") }), { label: t("sessions.open"), run: () => go({ name: "conversation", sessionId: session.id, mark: null }) });
    });
  }, [desk, currentId, t]);

  const toggle = (): void => {
    if (window.matchMedia(PHONE).matches) setOverPage(!overPage);
    else prefer({ listShown: !listShown });
  };
  return (
    <div className={`desk${listShown && inConversations ? " desk-list" : ""}${overPage ? " desk-over" : ""}${inConversations ? "" : " desk-elsewhere"}`}>
      {inConversations && <a className="skip" href="#composer">{t("app.skip")}</a>}
      <Rail route={route} onSignOut={onSignOut} onToggleList={toggle} />
      <aside className="desk-panel" aria-label={t("nav.chats")}>
        <ErrorBoundary title={t("app.fault")} retryLabel={t("app.retry")}>
          <SessionPanel currentId={currentId} onNew={() => {
            startNew();
            setOverPage(false);
          }} onLeft={() => setOverPage(false)} workspaceChoice={<WorkspaceChoice />} />
        </ErrorBoundary>
      </aside>
      <button type="button" className="desk-cover" aria-label={t("app.close")} tabIndex={-1} onClick={() => setOverPage(false)} />
      <div className="desk-page"><Page route={route} /></div>
      <Notices />
    </div>
  );
}

function Page({ route }: { readonly route: Route }): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const workspaceId = useStore(desk.workspaceId);
  switch (route.name) {
    case "conversation":
      return <main className="route"><ConversationRoute route={route} /></main>;
    case "document":
      return <main className="route"><DocumentRoute route={route} /></main>;
    case "documents":
      return (
        <ErrorBoundary title={t("app.fault")} retryLabel={t("app.retry")}>
          <Suspense fallback={<p className="page-note muted" role="status">{t("app.loading")}</p>}>{workspaceId !== null && <DocumentsPage workspaceId={workspaceId} />}</Suspense>
        </ErrorBoundary>
      );
    case "settings": // until there are pages for it
    case "signIn":
    case "unknown":
      return <main className="page-note"><p>{t("app.notFound")}</p><Button onClick={() => go(NEW)}>{t("app.notFoundWay")}</Button></main>;
  }
}

function startNew(): void {
  go(NEW);
  requestAnimationFrame(() => document.getElementById("composer")?.focus());
}
