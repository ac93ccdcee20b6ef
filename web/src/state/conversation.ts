// A conversation (`session:` topic): its messages and running answers, out of events. Tests: tests/unit/state, tests/properties.
import type {
  ActiveRun, AnswerChunkEvent, CitationEvent, CitationMark, CompleteEvent, MessageUpdatedEvent, RunStartedEvent, ServerEvent,
  SnapshotEvent, StatusEvent, SuggestionEvent, UsageEvent, UserMessageEvent, WireMessage,
} from "../protocol";
import { isShape } from "../protocol";
import { countPoints } from "./code_points";
import type { Reducer } from "./topic";

/** One line of the ledger. The server keeps them in the run's record, not in snapshots: after a reload they begin anew. */
export interface LedgerStep {
  readonly phase: string;
  readonly content: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly elapsedMs: number | null;
}

export interface Message extends WireMessage {
  /** Code points of `content`. */
  readonly points: number;
  readonly steps: readonly LedgerStep[];
}

export interface Conversation {
  /** False until the first snapshot. */
  readonly known: boolean;
  readonly messages: readonly Message[];
  readonly runs: readonly ActiveRun[];
  readonly hasMore: boolean;
  /** run id -> how it ended, since the last snapshot. */
  readonly completed: Readonly<Record<string, CompleteEvent["status"]>>;
}

const EMPTY: Conversation = { known: false, messages: [], runs: [], hasMore: false, completed: {} };

export function adopt(message: WireMessage, before?: Message): Message {
  // A text by reference is not here: only its length is kept up until it is fetched.
  const points = message.content_ref === undefined ? countPoints(message.content) : (message.text_length ?? 0);
  return { ...message, points, steps: before?.steps ?? [] };
}

export const conversationReducer: Reducer<Conversation> = { empty: EMPTY, replace, reduce };

function replace(snapshot: SnapshotEvent, before: Conversation): Conversation {
  const steps = new Map(before.messages.map(message => [message.id, message]));
  return {
    known: true,
    messages: (snapshot.messages ?? []).map(message => adopt(message, steps.get(message.id))),
    runs: snapshot.active_runs ?? [],
    hasMore: snapshot.has_more ?? false,
    completed: {},
  };
}

/** Older messages, from `history`. */
export function prependMessages(value: Conversation, older: readonly WireMessage[], hasMore: boolean): Conversation {
  const known = new Set(value.messages.map(message => message.id));
  const added = older.filter(message => !known.has(message.id)).map(message => adopt(message));
  return { ...value, messages: [...added, ...value.messages], hasMore };
}

function reduce(value: Conversation, event: ServerEvent): Conversation | "gap" {
  switch (event.type) {
    case "user_message":
      return addQuestion(value, event);
    case "run_started":
      return startRun(value, event);
    case "status":
      return addStep(value, event);
    case "sources":
      return changeMessage(value, event.message_id, () => ({ sources: event.sources ?? [] }));
    case "citation":
      return changeMessage(value, event.message_id, message => ({ citations: [...message.citations, markOf(event)] }));
    case "answer_chunk":
      return addText(value, event);
    case "answer_replace":
      return changeMessage(value, event.message_id, () => ({ content: event.content, points: countPoints(event.content), content_ref: undefined }));
    case "refusal": {
      const { reason, nearest, searched, workspaces, documents } = event;
      return changeMessage(value, event.message_id, () => ({ refusal: present({ reason, nearest, searched, workspaces, documents }) }));
    }
    case "suggestion":
      return changeMessage(value, event.message_id, message => addSuggestion(message, event));
    case "suggestion_dismissed":
      return changeMessage(value, event.message_id, message =>
        message.suggestions === undefined ? {} : { suggestions: message.suggestions.filter(known => known.suggestion_id !== event.suggestion_id) });
    case "complete":
      return endRun(value, event);
    case "error":
      return changeMessage(value, event.message_id, () => ({ error: { code: event.code, message: event.message } }));
    case "usage":
      return changeMessage(value, event.message_id, () => ({ usage: usageOf(event) }));
    case "message_updated":
      return updateMessage(value, event);
    case "message_deleted":
      return { ...value, messages: value.messages.filter(message => message.id !== event.message_id) };
    default:
      // Events of other topics, and what this page has no use for: they count, and change nothing here.
      return value;
  }
}

function changeMessage(value: Conversation, messageId: string | null | undefined, change: (message: Message) => Partial<Message>): Conversation {
  const index = value.messages.findLastIndex(message => message.id === messageId);
  const message = value.messages[index];
  return message === undefined ? value : { ...value, messages: value.messages.with(index, { ...message, ...change(message) }) };
}

function putMessage(value: Conversation, message: Message): Conversation {
  const index = value.messages.findIndex(known => known.id === message.id);
  return { ...value, messages: index < 0 ? [...value.messages, message] : value.messages.with(index, message) };
}

function addQuestion(value: Conversation, event: UserMessageEvent): Conversation {
  if (!event.message_id) return value;
  return putMessage(value, adopt({
    id: event.message_id, role: "user", content: event.content, state: "complete", sources: [], citations: [],
    parent_id: event.parent_id ?? null, run_id: event.run_id ?? null, client_id: event.client_id ?? null,
    author: event.author ?? {}, ...(event.timestamp === undefined ? {} : { created_at: event.timestamp }),
  }));
}

function startRun(value: Conversation, event: RunStartedEvent): Conversation {
  const [runId, messageId] = [event.run_id, event.message_id];
  if (!runId) return value;
  const run: ActiveRun = { run_id: runId, message_id: messageId ?? null, state: "running" };
  const started = { ...value, runs: [...value.runs.filter(known => known.run_id !== runId), run] };
  if (!messageId || value.messages.some(message => message.id === messageId)) return started;
  const parent = value.messages.findLast(message => message.role === "user" && message.run_id === runId);
  return putMessage(started, adopt({
    id: messageId, role: "assistant", content: "", state: "streaming", sources: [], citations: [], run_id: runId,
    parent_id: parent?.id ?? null, ...(event.timestamp === undefined ? {} : { created_at: event.timestamp }),
  }));
}

function addStep(value: Conversation, event: StatusEvent): Conversation {
  const state = event.phase === "queued" ? "queued" : "running";
  const runs = value.runs.map(run => (run.run_id === event.run_id ? { ...run, state } : run));
  const step = { phase: event.phase, content: event.content, counts: event.counts ?? {}, elapsedMs: event.elapsed_ms ?? null };
  return changeMessage({ ...value, runs }, event.message_id, message => ({ steps: [...message.steps, step] }));
}

/** Without the fields that are not there. */
function present<T extends object>(fields: T): T {
  const kept = { ...fields };
  for (const name of Object.keys(kept)) if (Reflect.get(kept, name) === undefined) Reflect.deleteProperty(kept, name);
  return kept;
}

/** Of one id there is one: a snapshot that was made a moment before may hold it already. */
function addSuggestion(message: Message, event: SuggestionEvent): Partial<Message> {
  const { suggestion_id, kind, text, document_id, anchor, page, command } = event;
  const others = (message.suggestions ?? []).filter(known => known.suggestion_id !== suggestion_id);
  return { suggestions: [...others, present({ suggestion_id, kind, text, document_id, anchor, page, command })] };
}

/** Puts a fetched text in the place of its reference. null: it is older than what the events told; fetch it again. */
export function fillText(message: Message, fetched: WireMessage): Message | null {
  const units = Array.from(fetched.content);
  if (units.length < message.points) return null;
  const content = units.length === message.points ? fetched.content : units.slice(0, message.points).join("");
  const citations = message.citations.length ? message.citations : fetched.citations;
  return { ...message, content, citations: citations.filter(mark => (mark.end ?? 0) <= message.points), content_ref: undefined };
}

function markOf(event: CitationEvent): CitationMark {
  const { n, source_id, start, end, source_start, source_end } = event;
  return present({ n, source_id, start, end, source_start, source_end });
}

/** The chunk must begin exactly where the text ends (R4). */
function addText(value: Conversation, event: AnswerChunkEvent): Conversation | "gap" {
  const index = value.messages.findLastIndex(message => message.id === event.message_id);
  const message = value.messages[index];
  if (message === undefined || (event.offset ?? message.points) !== message.points) return "gap";
  const points = message.points + countPoints(event.content);
  const longer = message.content_ref === undefined ? { ...message, content: message.content + event.content, points } : { ...message, points, text_length: points };
  return { ...value, messages: value.messages.with(index, longer) };
}

function endRun(value: Conversation, event: CompleteEvent): Conversation | "gap" {
  const runId = event.run_id ?? "";
  const ended: Conversation = {
    ...value,
    runs: value.runs.filter(run => run.run_id !== runId),
    completed: { ...value.completed, [runId]: event.status },
  };
  const message = value.messages.findLast(known => known.id === event.message_id);
  if (message === undefined) return ended;
  if ((event.text_length ?? message.points) !== message.points) return "gap";
  const stoppedBy = event.stopped_by?.["name"];
  return changeMessage(ended, message.id, () => ({
    state: event.status === "completed" ? "complete" : event.status,
    ...(stoppedBy === undefined ? {} : { stopped_by: stoppedBy }),
  }));
}

const ENVELOPE = new Set(["type", "seq", "prev_seq", "topic", "timestamp", "session_id", "run_id", "message_id", "cause", "epoch"]);

function usageOf(event: UsageEvent): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(event).filter(([field]) => !ENVELOPE.has(field)));
}

function updateMessage(value: Conversation, event: MessageUpdatedEvent): Conversation {
  return changeMessage(value, event.message_id, message => {
    const changed: unknown = { ...message, ...event.changes };
    return isShape("WireMessage", changed) ? adopt(changed, message) : {};
  });
}
