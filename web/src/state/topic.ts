// One topic as a client knows it: a value at a position. The rules R2-R4 of docs/protocol.md section 6, pure; the same as
// antiphon.protocol.reducer (tests/unit/state/agreement.test.ts compares the two frame by frame).
import type { Outcome, Position } from "../client";
import type { ServerEvent, SnapshotEvent } from "../protocol";

export interface Topic<S> {
  readonly name: string;
  /** null: a snapshot has to come before anything counts. */
  readonly epoch: string | null;
  readonly seq: number;
  readonly value: S;
}

/** What a kind of topic makes of its events. "gap": the event does not fit what is known, a new snapshot is needed. */
export interface Reducer<S> {
  readonly empty: S;
  replace(snapshot: SnapshotEvent, before: S): S;
  reduce(value: S, event: ServerEvent): S | "gap";
}

export interface Step<S> {
  readonly topic: Topic<S>;
  readonly outcome: Outcome;
}

export function emptyTopic<S>(name: string, reducer: Reducer<S>): Topic<S> {
  return { name, epoch: null, seq: 0, value: reducer.empty };
}

export function positionOf<S>(topic: Topic<S>): Position | null {
  return topic.epoch === null ? null : { epoch: topic.epoch, seq: topic.seq };
}

export function applyEvent<S>(topic: Topic<S>, event: ServerEvent, reducer: Reducer<S>): Step<S> {
  if (event.type === "snapshot") {
    const value = reducer.replace(event, topic.value);
    return { topic: { ...topic, epoch: event.epoch, seq: event.seq, value }, outcome: "applied" };
  }
  if (event.type === "subscribed") {
    // A replay or live subscription must go on where we are; a snapshot follows otherwise.
    if (event.mode === "snapshot" || topic.epoch === null || event.epoch === topic.epoch) return { topic, outcome: "applied" };
    return lost(topic);
  }
  if (event.seq === undefined) return { topic, outcome: "ignored" };
  const placed = place(topic, event.seq, event.prev_seq ?? null);
  if (placed !== "applied") return { topic, outcome: placed };
  const value = reducer.reduce(topic.value, event);
  if (value === "gap") return lost(topic);
  return { topic: { ...topic, seq: event.seq, value }, outcome: "applied" };
}

/** An event of an unknown type: it counts, and changes nothing. */
export function skipEvent<S>(topic: Topic<S>, seq: number, prevSeq: number | null): Step<S> {
  const placed = place(topic, seq, prevSeq);
  return { topic: placed === "applied" ? { ...topic, seq } : topic, outcome: placed };
}

function place<S>(topic: Topic<S>, seq: number, prevSeq: number | null): "applied" | "duplicate" | "gap" {
  if (seq <= topic.seq) return "duplicate";
  return topic.epoch === null || (prevSeq ?? seq - 1) !== topic.seq ? "gap" : "applied";
}

function lost<S>(topic: Topic<S>): Step<S> {
  return { topic: { ...topic, epoch: null }, outcome: "gap" };
}
