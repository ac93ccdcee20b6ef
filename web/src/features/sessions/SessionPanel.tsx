import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { useDesk, useStore } from "../../app/context";
import { tell } from "../../app/notices";
import { errorLine, useSpeech, type Speech } from "../../app/text/i18n";
import { asClientError } from "../../client";
import { groupSessions, type SessionGroup } from "../../state";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { deleting } from "./deletion";
import { SessionRow } from "./SessionRow";
import "./sessions.css";

interface Props {
  readonly currentId: string | null;
  readonly onNew: () => void;
  /** Something was chosen: on a phone the panel goes. */
  readonly onLeft: () => void;
  readonly workspaceChoice: ReactNode;
}

const SEARCH_PAUSE_MS = 150;

/** The conversations: by day, searched, with what runs in them. Ctrl+K comes here. */
export function SessionPanel({ currentId, onNew, onLeft, workspaceChoice }: Props): ReactNode {
  const desk = useDesk();
  const speech = useSpeech();
  const { t } = speech;
  const list = useStore(desk.sessions);
  const gone = useStore(deleting);
  const [search, setSearch] = useState("");
  const rows = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const timer = setTimeout(() => {
      desk.loadSessions({ search: search.trim() }).catch((problem: unknown) => {
        const error = asClientError(problem);
        if (error.code !== "offline") tell(errorLine(t, error)); // offline: the snapshot after reconnecting reads it again
      });
    }, search ? SEARCH_PAUSE_MS : 0);
    return () => clearTimeout(timer);
  }, [desk, search, t, list.revision]);

  const sessions = (list.sessions ?? []).filter(session => !gone.has(session.id) && (search.trim() === "" || session.title.toLowerCase().includes(search.trim().toLowerCase())));
  const more = (): void => {
    desk.loadSessions({ further: true }).catch((problem: unknown) => tell(errorLine(t, asClientError(problem))));
  };
  const arrows = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...(rows.current?.querySelectorAll<HTMLElement>("a[href]") ?? [])];
    const at = links.findIndex(link => link === document.activeElement);
    const target = links[event.key === "ArrowDown" ? at + 1 : Math.max(0, at - 1)];
    if (!target) return;
    event.preventDefault();
    target.focus();
  };
  return (
    <div className="session-panel" onKeyDown={arrows}>
      <div className="session-head">
        {workspaceChoice}
        <Button kind="plain" icon="plus" data-testid="new-session" className="new-session" title="Ctrl+Shift+O" onClick={onNew}>{t("sessions.new")}</Button>
        <label className="search">
          <Icon name="search" size={16} />
          <input id="session-search" type="search" value={search} placeholder={t("sessions.search")} aria-label={t("sessions.search")} title="Ctrl+K" onChange={event => setSearch(event.target.value)} />
        </label>
      </div>
      <div className="session-rows" ref={rows}>
        {list.sessions !== null && !sessions.length && <p className="muted small">{search ? t("sessions.noneFound") : t("sessions.none")}</p>}
        {groupSessions(sessions, new Date()).map(({ group, sessions: inside }) => (
          <section key={JSON.stringify(group)}>
            <h2>{nameOf(group, speech)}</h2>
            <ul>
              {inside.map(session => <SessionRow key={session.id} session={session} current={session.id === currentId} running={session.id in list.running} onLeft={onLeft} />)}
            </ul>
          </section>
        ))}
        {list.cursor !== null && <Button kind="quiet" onClick={more}>{t("sessions.more")}</Button>}
      </div>
    </div>
  );
}

function nameOf(group: SessionGroup, { t, locale }: Speech): string {
  switch (group.kind) {
    case "pinned":
      return t("sessions.pinned");
    case "day": {
      if (group.daysAgo === 0) return t("sessions.today");
      if (group.daysAgo === 1) return t("sessions.yesterday");
      const date = new Date();
      date.setDate(date.getDate() - group.daysAgo);
      return date.toLocaleDateString(locale, { weekday: "long" });
    }
    case "month":
      return new Date(group.year, group.month).toLocaleDateString(locale, { month: "long", year: "numeric" });
  }
}
