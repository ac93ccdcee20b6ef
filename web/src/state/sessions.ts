// The list of conversations (`user:` topic over what REST gave). Tests: tests/unit/state/sessions.test.ts.
import { isShape, type ServerEvent, type WireSession } from "../protocol";
import type { Reducer } from "./topic";

export interface SessionList {
  readonly known: boolean;
  /** Read over REST; null until then. */
  readonly sessions: readonly WireSession[] | null;
  readonly cursor: string | null;
  /** session id -> the state of its run that goes on. */
  readonly running: Readonly<Record<string, string>>;
  /** Grows when the list should be read again: a snapshot may stand for events that were missed. */
  readonly revision: number;
}

export const sessionsReducer: Reducer<SessionList> = {
  empty: { known: false, sessions: null, cursor: null, running: {}, revision: 0 },
  replace(_snapshot, before) {
    return { ...before, known: true, revision: before.revision + 1 };
  },
  reduce,
};

const ENDED = new Set(["completed", "stopped", "failed", "interrupted"]);

function reduce(value: SessionList, event: ServerEvent): SessionList {
  switch (event.type) {
    case "session_created":
      return putSession(value, event.session);
    case "session_updated":
      return changeSession(value, event.session_id ?? "", event.changes);
    case "session_deleted":
      return removeSession(value, event.session_id ?? "");
    case "run_state":
      return changeRun(value, event.session_id ?? "", event.state, event.timestamp);
    default:
      return value;
  }
}

export function putSession(value: SessionList, session: WireSession): SessionList {
  const others = (value.sessions ?? []).filter(known => known.id !== session.id);
  return { ...value, sessions: [session, ...others] };
}

export function changeSession(value: SessionList, id: string, changes: Readonly<Record<string, unknown>>): SessionList {
  if (value.sessions === null) return value;
  const sessions = value.sessions.map(session => {
    if (session.id !== id) return session;
    const changed: unknown = { ...session, ...changes };
    return isShape("WireSession", changed) ? changed : session;
  });
  return { ...value, sessions };
}

export function removeSession(value: SessionList, id: string): SessionList {
  return value.sessions === null ? value : { ...value, sessions: value.sessions.filter(session => session.id !== id) };
}

function changeRun(value: SessionList, id: string, state: string, at: string | undefined): SessionList {
  const others = Object.fromEntries(Object.entries(value.running).filter(([known]) => known !== id));
  const touched = at === undefined ? value : changeSession(value, id, { updated_at: at });
  return { ...touched, running: ENDED.has(state) ? others : { ...others, [id]: state } };
}

/** A first page replaces the list, a further one is added to it. */
export function listRead(value: SessionList, sessions: readonly WireSession[], cursor: string | null, further: boolean): SessionList {
  if (!further) return { ...value, sessions, cursor };
  const known = new Set((value.sessions ?? []).map(session => session.id));
  return { ...value, sessions: [...(value.sessions ?? []), ...sessions.filter(session => !known.has(session.id))], cursor };
}

export type SessionGroup = { readonly kind: "pinned" } | { readonly kind: "day"; readonly daysAgo: number } | { readonly kind: "month"; readonly year: number; readonly month: number };

export interface GroupedSessions {
  readonly group: SessionGroup;
  readonly sessions: readonly WireSession[];
}

const DAY_MS = 86_400_000;
const DAYS_ALONE = 7;

/** Pinned first, then today, yesterday, ... the last week day by day, then months; newest first in each. Days are the reader's own. */
export function groupSessions(sessions: readonly WireSession[], now: Date): readonly GroupedSessions[] {
  const groups = new Map<string, { group: SessionGroup; sessions: WireSession[] }>();
  const newestFirst = [...sessions].sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updated_at.localeCompare(a.updated_at));
  for (const session of newestFirst) {
    const group = groupOf(session, now);
    const key = JSON.stringify(group);
    const found = groups.get(key);
    if (found) found.sessions.push(session);
    else groups.set(key, { group, sessions: [session] });
  }
  return [...groups.values()];
}

function groupOf(session: WireSession, now: Date): SessionGroup {
  if (session.pinned) return { kind: "pinned" };
  const at = new Date(session.updated_at);
  const midnight = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const daysAgo = Math.max(0, Math.round((midnight(now) - midnight(at)) / DAY_MS));
  if (daysAgo < DAYS_ALONE) return { kind: "day", daysAgo };
  return { kind: "month", year: at.getFullYear(), month: at.getMonth() };
}
