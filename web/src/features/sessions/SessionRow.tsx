import { useState, type KeyboardEvent, type ReactNode } from "react";
import { useDesk } from "../../app/context";
import { tell } from "../../app/notices";
import { addressOf, go, type Route } from "../../app/router";
import { errorLine, useSpeech } from "../../app/text/i18n";
import { asClientError } from "../../client";
import type { WireSession } from "../../protocol";
import { Icon } from "../../ui/Icon";
import { languageOf } from "../../ui/language";
import { Menu, type MenuItem } from "../../ui/Menu";
import { deleteWithUndo } from "./deletion";

interface Props {
  readonly session: WireSession;
  readonly current: boolean;
  readonly running: boolean;
  readonly onLeft: () => void;
}

export function SessionRow({ session, current, running, onLeft }: Props): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const [renaming, setRenaming] = useState(false);
  const title = session.title || t("sessions.untitled");
  const route: Route = { name: "conversation", sessionId: session.id, mark: null };
  const failed = (problem: unknown): void => tell(errorLine(t, asClientError(problem)));
  const change = (changes: Parameters<typeof desk.api.changeSession>[1]): void => {
    desk.api.changeSession(session.id, changes).catch(failed);
  };
  const own = session.author_id === desk.me.id;
  const toChange: readonly MenuItem[] = [
    { key: "rename", label: t("sessions.rename"), icon: "pencil", onChoose: () => setRenaming(true) },
    { key: "pin", label: session.pinned ? t("sessions.unpin") : t("sessions.pin"), icon: "pin", onChoose: () => change({ pinned: !session.pinned }) },
    { key: "share", label: session.visibility === "workspace" ? t("sessions.unshare") : t("sessions.share"), icon: "person",
      onChoose: () => change({ visibility: session.visibility === "workspace" ? "private" : "workspace" }) },
  ];
  const toKeep: MenuItem = { key: "export", label: t("sessions.exportMarkdown"), icon: "download", onChoose: () => window.location.assign(desk.api.exportAddress(session.id, "md")) };
  const toDelete: MenuItem = { key: "delete", label: t("sessions.delete"), icon: "trash", bad: true, onChoose: remove };
  const items = own ? [...toChange, toKeep, toDelete] : [toKeep];
  if (renaming) return <li className="session-row"><RenameField title={session.title} label={t("sessions.renameLabel")} onDone={next => {
    setRenaming(false);
    if (next !== null && next !== session.title) change({ title: next });
  }} /></li>;
  return (
    <li className="session-row" data-testid="session-row" data-session-id={session.id} data-running={running}>
      <a href={addressOf(route)} aria-current={current ? "page" : undefined} lang={languageOf(title)} title={title} onClick={event => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(route);
        onLeft();
      }}>
        {running && <span className="running-sign" role="img" aria-label={t("sessions.running")} />}
        <span className="session-title">{title}</span>
        {session.visibility === "workspace" && <small className="muted">{t("sessions.shared")}</small>}
      </a>
      <Menu label={t("sessions.menu", { title })} items={items}><Icon name="more" /></Menu>
    </li>
  );

  function remove(): void {
    if (current) go({ name: "conversation", sessionId: null, mark: null });
    deleteWithUndo(desk, session, { deleted: t("sessions.deleted", { title }), undo: t("sessions.undo") }, failed);
  }
}

function RenameField({ title, label, onDone }: { readonly title: string; readonly label: string; readonly onDone: (title: string | null) => void }): ReactNode {
  const [text, setText] = useState(title);
  const key = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing || event.key === "Process") return;
    if (event.key === "Enter") onDone(text.trim() || null);
    if (event.key === "Escape") {
      event.stopPropagation();
      onDone(null);
    }
  };
  return <input className="rename" value={text} aria-label={label} maxLength={400} autoFocus onFocus={event => event.target.select()}
    onChange={event => setText(event.target.value)} onKeyDown={key} onBlur={() => onDone(text.trim() || null)} />;
}
