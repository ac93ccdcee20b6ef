import { expect, test } from "vitest";
import type { WireSession } from "../../../src/protocol";
import { groupSessions, sessionsReducer, type SessionList } from "../../../src/state";

function session(id: string, updated_at: string, more: Partial<WireSession> = {}): WireSession {
  return { id, workspace_id: "w", title: id, visibility: "private", pinned: false, created_at: updated_at, updated_at, author_id: "u", ...more };
}

test("pinned ones first, then by day, then by month", () => {
  const now = new Date(2026, 10, 20, 15, 0);
  const at = (day: number, month = 10): string => new Date(2026, month, day, 9, 0).toISOString();
  const groups = groupSessions([session("a", at(1, 3)), session("b", at(19)), session("c", at(20)), session("d", at(2), { pinned: true }), session("e", at(16))], now);
  expect(groups.map(({ group, sessions }) => [group.kind, sessions.map(found => found.id)])).toEqual([["pinned", ["d"]], ["day", ["c"]], ["day", ["b"]], ["day", ["e"]], ["month", ["a"]]]);
});

test("events of every device change the list", () => {
  const list: SessionList = { ...sessionsReducer.empty, sessions: [session("a", "2026-11-01T00:00:00.000Z")] };
  const apply = (before: SessionList, event: Parameters<typeof sessionsReducer.reduce>[1]): SessionList => {
    const after = sessionsReducer.reduce(before, event);
    if (after === "gap") throw new Error("never a gap");
    return after;
  };
  const created = apply(list, { type: "session_created", session_id: "b", session: session("b", "2026-11-02T00:00:00.000Z") });
  expect(created.sessions?.map(found => found.id)).toEqual(["b", "a"]);
  const renamed = apply(created, { type: "session_updated", session_id: "a", changes: { title: "new", pinned: "nonsense" } });
  expect(renamed.sessions?.[1]?.title).toBe("a"); // a change that is not of the shape is not taken
  expect(apply(created, { type: "session_updated", session_id: "a", changes: { title: "new" } }).sessions?.[1]?.title).toBe("new");
  const running = apply(created, { type: "run_state", session_id: "a", run_id: "r", state: "running" });
  expect(running.running).toEqual({ a: "running" });
  expect(apply(running, { type: "run_state", session_id: "a", run_id: "r", state: "completed" }).running).toEqual({});
  expect(apply(created, { type: "session_deleted", session_id: "b" }).sessions?.map(found => found.id)).toEqual(["a"]);
});
