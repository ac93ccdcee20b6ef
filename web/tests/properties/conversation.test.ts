// I8: an old snapshot and the events after it make what a new snapshot says, however the events come.
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEvent, type ServerEvent, type SnapshotEvent, type WireMessage } from "../../src/protocol";
import { applyEvent, conversationReducer, countPoints, emptyTopic, type Conversation, type Topic } from "../../src/state";

type Part = { readonly kind: "text" | "citation" | "status" | "error"; readonly text: string };
type Run = { readonly parts: readonly Part[]; readonly end: "completed" | "stopped" | "failed" | "interrupted" | null };

const part = fc.record({ kind: fc.constantFrom("text", "text", "citation", "status", "error"), text: fc.string({ unit: fc.constantFrom("a", "🙂", "𝒳", "休"), minLength: 1, maxLength: 4 }) });
const plan = fc.array(fc.record({ parts: fc.array(part, { maxLength: 8 }), end: fc.constantFrom("completed", "stopped", "failed", "interrupted", null) }), { maxLength: 5 });

/** A second, independent account of the conversation. */
class Server {
  readonly events: ServerEvent[] = [];
  readonly snapshots: SnapshotEvent[] = [];
  #messages: WireMessage[] = [];
  #runs: { run_id: string; message_id: string; state: string }[] = [];

  constructor(runs: readonly Run[]) {
    this.#remember();
    runs.forEach((run, n) => this.#play(run, n));
  }

  #add(event: Record<string, unknown> & { type: ServerEvent["type"] }): void {
    const decoded = decodeEvent({ topic: "session:s", seq: this.events.length + 1, timestamp: "t", ...event });
    if (decoded.kind !== "event") throw new Error(`not an event: ${event.type}`);
    this.events.push(decoded.event);
    this.#remember();
  }

  #remember(): void {
    this.snapshots.push(structuredClone({ type: "snapshot", topic: "session:s", epoch: "e", seq: this.events.length, messages: this.#messages, active_runs: this.#runs }));
  }

  #change(id: string, changes: Partial<WireMessage>): void {
    this.#messages = this.#messages.map(message => (message.id === id ? { ...message, ...changes } : message));
  }

  #play(run: Run, n: number): void {
    const ids = { run_id: `r${n}`, message_id: `a${n}` };
    const both = { sources: [], citations: [], run_id: ids.run_id, created_at: "t" };
    this.#messages = [...this.#messages, { ...both, id: `u${n}`, role: "user", content: "?", state: "complete", parent_id: null, client_id: "c", author: { id: "u" } }];
    this.#add({ type: "user_message", run_id: ids.run_id, message_id: `u${n}`, content: "?", client_id: "c", author: { id: "u" } });
    this.#messages = [...this.#messages, { ...both, id: ids.message_id, role: "assistant", content: "", state: "streaming", parent_id: `u${n}` }];
    this.#runs = [...this.#runs, { ...ids, state: "running" }];
    this.#add({ type: "run_started", ...ids, kind: "chat", model: "m", attempt: 1 });
    for (const { kind, text } of run.parts) {
      const before = this.#messages.find(message => message.id === ids.message_id);
      if (!before) return;
      if (kind === "text") {
        this.#change(ids.message_id, { content: before.content + text });
        this.#add({ type: "answer_chunk", ...ids, content: text, offset: countPoints(before.content) });
      } else if (kind === "citation") {
        const mark = { n: 1, source_id: null, start: 0, end: text.length };
        this.#change(ids.message_id, { citations: [...before.citations, mark] });
        this.#add({ type: "citation", ...ids, ...mark });
      } else if (kind === "status") {
        const phase = text.length === 1 ? "queued" : "generating";
        this.#runs = this.#runs.map(known => (known.run_id === ids.run_id ? { ...known, state: phase === "queued" ? "queued" : "running" } : known));
        this.#add({ type: "status", ...ids, phase, content: text });
      } else {
        this.#change(ids.message_id, { error: { code: "timeout", message: text } });
        this.#add({ type: "error", ...ids, code: "timeout", message: text });
      }
    }
    if (run.end === null) return;
    const content = this.#messages.find(message => message.id === ids.message_id)?.content ?? "";
    this.#change(ids.message_id, { state: run.end === "completed" ? "complete" : run.end, ...(run.end === "stopped" ? { stopped_by: "Ada" } : {}) });
    this.#runs = this.#runs.filter(known => known.run_id !== ids.run_id);
    this.#add({ type: "complete", ...ids, status: run.end, text_length: countPoints(content), ...(run.end === "stopped" ? { stopped_by: { id: "u", name: "Ada" } } : {}) });
  }
}

function fromSnapshot(snapshot: SnapshotEvent): Topic<Conversation> {
  return applyEvent(emptyTopic("session:s", conversationReducer), structuredClone(snapshot), conversationReducer).topic;
}

/** What a snapshot says: without the ledger and the memory of ended runs, which only events tell. */
function told(topic: Topic<Conversation>): unknown {
  return { epoch: topic.epoch, seq: topic.seq, runs: topic.value.runs, messages: topic.value.messages.map(message => ({ ...message, steps: [] })) };
}

test("an old snapshot and events make a new snapshot", () => {
  fc.assert(fc.property(plan, fc.nat(200), fc.nat(200), (runs, a, b) => {
    const server = new Server(runs);
    const [from, to] = [a % server.snapshots.length, b % server.snapshots.length].sort((x, y) => x - y);
    let topic = fromSnapshot(server.snapshots[from!]!);
    for (const event of server.events.slice(from, to)) {
      const step = applyEvent(topic, event, conversationReducer);
      expect(step.outcome).toBe("applied");
      topic = step.topic;
    }
    expect(told(topic)).toEqual(told(fromSnapshot(server.snapshots[to!]!)));
  }), { numRuns: 300 });
});

test("doubled events are harmless, missing ones are seen and change nothing", () => {
  fc.assert(fc.property(plan, fc.nat(60), fc.nat(60), (runs, doubled, missing) => {
    const server = new Server(runs);
    let topic = fromSnapshot(server.snapshots[0]!);
    server.events.forEach((event, i) => {
      if (i === missing) for (const later of server.events.slice(i + 1)) expect(applyEvent(topic, later, conversationReducer)).toEqual({ topic, outcome: "gap" });
      topic = applyEvent(topic, event, conversationReducer).topic;
      const again = server.events[Math.min(doubled, i)]!;
      expect(applyEvent(topic, again, conversationReducer)).toEqual({ topic, outcome: "duplicate" });
    });
    expect(told(topic)).toEqual(told(fromSnapshot(server.snapshots.at(-1)!)));
  }), { numRuns: 150 });
});
