import { expect, test } from "vitest";
import { ClientError, Outbox } from "../../../src/client";
import { MemoryStore, SimulatedTime } from "./simulated";

type Sent = { id: string; fields: object; resolve: (result: Record<string, unknown>) => void; reject: (error: unknown) => void };

function start(store = new MemoryStore()) {
  const sent: Sent[] = [];
  const time = new SimulatedTime();
  const make = (userId = "u"): Outbox => new Outbox({ store, environment: time, userId, send: (_type, fields, id) => new Promise((resolve, reject) => sent.push({ id, fields, resolve, reject })) });
  return { sent, time, store, make };
}
const QUESTION = { sessionId: null, workspaceId: "w", content: "How many?", model: null, scope: null };
const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 0));

test("a question is kept over a reload and sent under the same id, once", async () => {
  const { sent, make, store } = start();
  const before = make();
  const question = before.ask(QUESTION);
  expect(sent[0]?.fields).toEqual({ content: "How many?", workspace_id: "w" });
  const after = make(); // the page was loaded again
  after.resume();
  after.resume();
  expect(sent.map(one => one.id)).toEqual([question.id, question.id]);
  const accepted: string[] = [];
  after.onAccepted(one => accepted.push(one.sessionId));
  sent[1]?.resolve({ session_id: "ses_1", message_id: "m" });
  await settle();
  expect(accepted).toEqual(["ses_1"]);
  expect(after.questions).toEqual([]);
  expect(store.kept.size).toBe(0);
  expect(make("somebody else").questions).toEqual([]);
});

test("nobody else's questions are sent", () => {
  const { make } = start();
  make("u").ask(QUESTION);
  expect(make("v").questions).toEqual([]);
});

test("a refusal is shown and can be tried again; a pause is waited out", async () => {
  const { sent, make, time } = start();
  const outbox = make();
  const { id } = outbox.ask(QUESTION);
  sent[0]?.reject(new ClientError("rate_limited", "Slower.", { data: { retry_after_ms: 700 } }));
  await settle();
  expect(outbox.questions[0]?.failure).toBe(null);
  time.pass(700);
  expect(sent).toHaveLength(2);
  sent[1]?.reject(new ClientError("too_large", "Too long."));
  await settle();
  expect(outbox.questions[0]?.failure).toEqual({ code: "too_large", message: "Too long." });
  outbox.retry(id);
  expect(sent.map(one => one.id)).toEqual([id, id, id]);
  outbox.discard(id);
  expect(outbox.questions).toEqual([]);
});
