import { expect, test } from "vitest";
import { Connection, delayBeforeMs, isFinal } from "../../../src/client";
import { conversationReducer, FollowedTopic } from "../../../src/state";
import { SimulatedTime, SimulatedTransport } from "./simulated";

function start(isWatched = (): boolean => false) {
  const time = new SimulatedTime();
  const transport = new SimulatedTransport();
  const connection = new Connection({ transport, environment: time, isWatched });
  const topic = new FollowedTopic("session:s", conversationReducer, draw => draw());
  return { time, transport, connection, topic };
}
const SNAPSHOT = { type: "snapshot", topic: "session:s", epoch: "e", seq: 0, messages: [], active_runs: [] };
const RUN = { topic: "session:s", run_id: "r", message_id: "a" };

test("a lost connection is opened again and every topic goes on from its place", () => {
  const { time, transport, connection, topic } = start();
  connection.follow(topic);
  connection.open();
  transport.line.welcome();
  expect(transport.line.ofType("subscribe")[0]).not.toHaveProperty("since");
  transport.line.say(SNAPSHOT);
  transport.line.say({ type: "run_started", seq: 1, ...RUN, kind: "chat", model: "m", attempt: 1 });
  transport.line.say({ type: "answer_chunk", seq: 2, ...RUN, content: "so ", offset: 0 });
  transport.line.cut(null);
  expect(connection.state).toBe("reconnecting");
  expect(topic.get().messages[0]?.content).toBe("so "); // what is on the screen stays
  time.pass(250);
  expect(transport.lines).toHaveLength(2);
  transport.line.welcome();
  expect(transport.line.ofType("subscribe")[0]?.["since"]).toEqual({ epoch: "e", seq: 2 });
  transport.line.say({ type: "subscribed", topic: "session:s", epoch: "e", seq: 3, mode: "replay" });
  transport.line.say({ type: "answer_chunk", seq: 3, ...RUN, content: "far", offset: 3 });
  expect(topic.get().messages[0]?.content).toBe("so far");
});

test("a gap is asked for, an unknown type counts, a malformed frame does neither", () => {
  const { transport, connection, topic } = start();
  connection.follow(topic);
  connection.open();
  transport.line.welcome();
  transport.line.say(SNAPSHOT);
  transport.line.say({ type: "of_a_newer_server", topic: "session:s", seq: 1 });
  expect(topic.position).toEqual({ epoch: "e", seq: 1 });
  transport.line.say({ type: "answer_chunk", topic: "session:s", seq: 2, content: 7 });
  transport.line.say({ type: "message_deleted", topic: "session:s", seq: 3, message_id: "x" });
  expect(transport.line.ofType("subscribe").at(-1)?.["since"]).toEqual({ epoch: "e", seq: 1 });
});

test("an unanswered command is sent again under its own id, an answered one is not", async () => {
  const { time, transport, connection } = start();
  connection.open();
  transport.line.welcome();
  const stopped = connection.command("stop", { run_id: "r" });
  const [first] = transport.line.ofType("stop");
  transport.line.cut(1006);
  time.pass(250);
  transport.line.welcome();
  expect(transport.line.ofType("stop")).toEqual([first]);
  transport.line.say({ type: "ack", reply_to: first?.["id"], ok: true, result: { state: "stopped" }, error: null, duplicate: true });
  await expect(stopped).resolves.toEqual({ state: "stopped" });
  transport.line.cut(null);
  time.pass(250);
  transport.line.welcome();
  expect(transport.line.ofType("stop")).toEqual([]);
  const refused = connection.command("stop", { run_id: "q" });
  transport.line.say({ type: "ack", reply_to: transport.line.ofType("stop")[0]?.["id"], ok: false, result: null, error: { code: "not_found", message: "No." }, duplicate: false });
  await expect(refused).rejects.toMatchObject({ code: "not_found", message: "No." });
});

test("no welcome, a dead line and a head that never comes are all noticed", () => {
  const { time, transport, connection, topic } = start();
  connection.follow(topic);
  connection.open();
  time.pass(5_000);
  expect(transport.lines[0]?.closed).toBe(true);
  time.pass(250);
  transport.line.welcome();
  transport.line.say(SNAPSHOT);
  transport.line.say({ type: "ping", heads: { "session:s": 4 } });
  expect(transport.line.ofType("pong")).toHaveLength(1);
  const asked = transport.line.ofType("subscribe").length;
  time.pass(2_000);
  expect(transport.line.ofType("subscribe")).toHaveLength(asked + 1);
  time.pass(80_000);
  expect(transport.lines.length).toBeGreaterThan(2); // silence beyond the heartbeat
});

test("what is final ends it, what asks for a pause gets one", () => {
  const { time, transport, connection } = start();
  connection.open();
  transport.line.welcome();
  transport.line.cut(4029);
  expect(connection.state).toBe("overloaded");
  time.pass(4_999);
  expect(transport.lines).toHaveLength(1);
  time.pass(5_001);
  transport.line.welcome();
  transport.line.cut(4001);
  expect(connection.state).toBe("ended");
  time.pass(100_000);
  expect(transport.lines).toHaveLength(2);
  expect([1000, 4000, 4001, 4003, 4009].every(isFinal)).toBe(true);
  expect([null, 1001, 1012, 1013, 4029, 4500, 4503].some(isFinal)).toBe(false);
});

test("waits grow to 20 s; whoever looks at a growing answer waits a second at most, for a while", () => {
  const wait = (failed: number, watched = false, lostForMs = 0): number => delayBeforeMs({ failed, closeCode: null, lostForMs, watched }, 1);
  expect([0, 1, 2, 3, 9].map(failed => wait(failed))).toEqual([250, 500, 1000, 2000, 20_000]);
  expect(wait(9, true)).toBe(1000);
  expect(wait(9, true, 20_000)).toBe(20_000);
});
