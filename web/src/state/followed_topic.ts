// Binds a pure reducer to the connection: holds a topic's latest state, and tells its watchers once a frame of the screen.
import type { Outcome, Position, TopicFollower } from "../client";
import type { ServerEvent } from "../protocol";
import { applyEvent, emptyTopic, positionOf, skipEvent, type Reducer, type Step, type Topic } from "./topic";
import type { Readable } from "./store";

/** Calls `draw` before the next frame is drawn, or soon when nothing is drawn (a hidden page). */
export type Scheduler = (draw: () => void) => void;

export interface Ended {
  readonly code: string | null;
  readonly reason: string | null;
}

export class FollowedTopic<S> implements TopicFollower, Readable<S> {
  readonly topic: string;
  readonly #reducer: Reducer<S>;
  readonly #schedule: Scheduler;
  readonly #listeners = new Set<() => void>();
  readonly #events = new Set<(event: ServerEvent) => void>();
  #state: Topic<S>;
  #shown: S;
  #pending = false;
  #ended: Ended | null = null;

  constructor(topic: string, reducer: Reducer<S>, schedule: Scheduler) {
    this.topic = topic;
    this.#reducer = reducer;
    this.#schedule = schedule;
    this.#state = emptyTopic(topic, reducer);
    this.#shown = this.#state.value;
  }

  get position(): Position | null {
    return positionOf(this.#state);
  }

  get over(): Ended | null {
    return this.#ended;
  }

  get = (): S => this.#shown;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Each event after it was applied: for what is said once (a notice, an announcement), not for state. */
  onEvent(listener: (event: ServerEvent) => void): () => void {
    this.#events.add(listener);
    return () => this.#events.delete(listener);
  }

  apply(event: ServerEvent): Outcome {
    const outcome = this.#take(applyEvent(this.#state, event, this.#reducer));
    if (outcome === "applied") for (const listener of this.#events) listener(event);
    return outcome;
  }

  skip(seq: number, prevSeq: number | null): Outcome {
    return this.#take(skipEvent(this.#state, seq, prevSeq));
  }

  /** A change that comes from elsewhere: a page of history, a list read over REST. */
  change(change: (value: S) => S): void {
    this.#state = { ...this.#state, value: change(this.#state.value) };
    this.#announce();
  }

  ended(code: string | null, reason: string | null): void {
    this.#ended = { code, reason };
    this.#announce();
  }

  #take(step: Step<S>): Outcome {
    const changed = step.topic.value !== this.#state.value;
    this.#state = step.topic;
    if (changed) this.#announce();
    return step.outcome;
  }

  #announce(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#schedule(() => {
      this.#pending = false;
      this.#shown = this.#state.value;
      for (const listener of this.#listeners) listener();
    });
  }
}
