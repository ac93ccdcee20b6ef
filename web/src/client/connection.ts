// One connection to the server for the whole page: reconnects (R7), resumes every topic from its own position (R2-R4), repeats
// unanswered commands under their own ids. Knows no React and no screen. Tests: tests/unit/client/connection.test.ts.
import type { AckEvent, CommandsByType, Decoded, PingEvent, ServerEvent, WelcomeEvent } from "../protocol";
import { delayBeforeMs, isFinal, isOverload } from "./backoff";
import type { Environment } from "./environment";
import { ClientError, failureFromWire } from "./errors";
import { newCommandId } from "./ids";
import type { Channel, Transport } from "./transport";

/** `overloaded`: the server asked for a pause. `ended`: signed out, or refused for good. */
export type ConnectionState = "idle" | "connecting" | "live" | "reconnecting" | "overloaded" | "ended";

export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

/** As in antiphon.protocol.reducer. */
export type Outcome = "applied" | "duplicate" | "gap" | "ignored";

/** What follows a topic: `state/` has the reducers. */
export interface TopicFollower {
  readonly topic: string;
  readonly position: Position | null;
  apply(event: ServerEvent): Outcome;
  /** An event of a newer server: only its place in the order counts. */
  skip(seq: number, prevSeq: number | null): Outcome;
  /** The right to it, or the thing itself, is gone. */
  ended(code: string | null, reason: string | null): void;
}

interface Waiting {
  readonly frame: object;
  resolve(result: Readonly<Record<string, unknown>>): void;
  reject(error: ClientError): void;
}

export interface ConnectionOptions {
  readonly transport: Transport;
  readonly environment: Environment;
  /** Whether somebody looks at a growing answer just now (backoff.ts). */
  readonly isWatched?: () => boolean;
}

const WELCOME_WITHIN_MS = 5_000;
const HEAD_PATIENCE_MS = 2_000;
/** Beyond the server's own heartbeat. */
const SILENCE_GRACE_MS = 12_000;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #followers = new Map<string, TopicFollower>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #welcomed = new Set<(welcome: WelcomeEvent) => void>();
  #state: ConnectionState = "idle";
  #channel: Channel | null = null;
  #attempt = 0;
  #failed = 0;
  #lostAt: number | null = null;
  #heardAt = 0;
  #heartbeatMs = 25_000;
  #stopTimer: (() => void) | null = null;
  #stopWatch: (() => void) | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onWelcome(listener: (welcome: WelcomeEvent) => void): () => void {
    this.#welcomed.add(listener);
    return () => this.#welcomed.delete(listener);
  }

  open(): void {
    if (this.#channel !== null) return;
    this.#cancelTimers();
    this.#enter(this.#lostAt === null ? "connecting" : this.#state === "overloaded" ? "overloaded" : "reconnecting");
    const attempt = ++this.#attempt;
    const channel = this.#options.transport.open({
      onFrame: frame => attempt === this.#attempt && this.#take(frame),
      onClosed: code => attempt === this.#attempt && this.#lost(code),
    });
    this.#channel = channel;
    this.#stopTimer = this.#options.environment.after(WELCOME_WITHIN_MS, () => {
      channel.close();
    });
  }

  /** Ends it for good: signing out. Topics and unanswered commands are forgotten. */
  close(): void {
    this.#attempt += 1;
    this.#cancelTimers();
    this.#channel?.close();
    this.#channel = null;
    this.#followers.clear();
    for (const waiting of this.#waiting.values()) waiting.reject(new ClientError("offline", "The connection was closed."));
    this.#waiting.clear();
    this.#lostAt = null;
    this.#failed = 0;
    this.#enter("idle");
  }

  /** The network is said to be back, or the page was woken: tries at once, and does not believe a socket that has been silent. */
  wake(): void {
    if (this.#state === "idle" || this.#state === "ended") return;
    if (this.#channel === null) {
      this.open();
    } else if (this.#options.environment.now() - this.#heardAt > this.#heartbeatMs + SILENCE_GRACE_MS) {
      this.#channel.close();
    }
  }

  follow(follower: TopicFollower): () => void {
    this.#followers.set(follower.topic, follower);
    this.#subscribe(follower);
    return () => {
      if (this.#followers.get(follower.topic) !== follower) return;
      this.#followers.delete(follower.topic);
      this.#send({ type: "unsubscribe", id: newCommandId(), topic: follower.topic });
    };
  }

  /** Resolves with the ack's result. Repeated with the same id after a reconnect, so it is done once. */
  command<T extends keyof CommandsByType>(type: T, fields: CommandsByType[T], id: string = newCommandId()): Promise<Readonly<Record<string, unknown>>> {
    const frame = { type, id, ...fields };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { frame, resolve, reject });
      this.#send(frame);
    });
  }

  #enter(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }

  #cancelTimers(): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#stopWatch?.();
    this.#stopWatch = null;
  }

  #send(frame: object): void {
    if (this.#state === "live") this.#channel?.send(frame);
  }

  #subscribe(follower: TopicFollower): void {
    const since = follower.position;
    this.#send({ type: "subscribe", id: newCommandId(), topic: follower.topic, ...(since === null ? {} : { since }) });
  }

  #take(frame: Decoded): void {
    this.#heardAt = this.#options.environment.now();
    switch (frame.kind) {
      case "malformed":
        return;
      case "unknown": {
        const follower = frame.topic === null || frame.seq === null ? undefined : this.#followers.get(frame.topic);
        if (follower && frame.seq !== null && follower.skip(frame.seq, frame.prevSeq) === "gap") this.#subscribe(follower);
        return;
      }
      case "event":
        this.#takeEvent(frame.event);
    }
  }

  #takeEvent(event: ServerEvent): void {
    switch (event.type) {
      case "welcome":
        this.#welcome(event);
        return;
      case "ack":
        this.#acknowledge(event);
        return;
      case "ping":
        this.#compareHeads(event);
        return;
      case "unsubscribed": {
        const follower = this.#followers.get(event.topic);
        // Without a code it is the answer to our own unsubscribe; the topic may be followed anew already.
        if (!follower || (event.code ?? null) === null) return;
        this.#followers.delete(event.topic);
        follower.ended(event.code ?? null, event.reason ?? null);
        return;
      }
      default: {
        const follower = event.topic === undefined ? undefined : this.#followers.get(event.topic);
        if (follower && follower.apply(event) === "gap") this.#subscribe(follower);
      }
    }
  }

  #welcome(event: WelcomeEvent): void {
    this.#stopTimer?.();
    this.#stopTimer = null;
    this.#failed = 0;
    this.#lostAt = null;
    this.#heartbeatMs = event.heartbeat_ms;
    this.#enter("live");
    for (const listener of this.#welcomed) listener(event);
    for (const follower of this.#followers.values()) this.#subscribe(follower);
    for (const { frame } of this.#waiting.values()) this.#send(frame);
    this.#listen();
  }

  /** A dead network says nothing: neither does it close the socket. */
  #listen(): void {
    this.#stopWatch = this.#options.environment.after(this.#heartbeatMs + SILENCE_GRACE_MS, () => {
      if (this.#options.environment.now() - this.#heardAt >= this.#heartbeatMs + SILENCE_GRACE_MS) this.#channel?.close();
      else this.#listen();
    });
  }

  #acknowledge(ack: AckEvent): void {
    const waiting = ack.reply_to === null ? undefined : this.#waiting.get(ack.reply_to);
    if (!waiting || ack.reply_to === null) return;
    this.#waiting.delete(ack.reply_to);
    if (ack.ok) waiting.resolve(ack.result ?? {});
    else waiting.reject(ack.error ? failureFromWire(ack.error) : new ClientError("internal", "The server refused without a reason."));
  }

  #compareHeads(ping: PingEvent): void {
    this.#send({ type: "pong", id: newCommandId() });
    for (const [topic, head] of Object.entries(ping.heads)) {
      const follower = this.#followers.get(topic);
      if (!follower?.position || head <= follower.position.seq) continue;
      this.#options.environment.after(HEAD_PATIENCE_MS, () => {
        if (this.#followers.get(topic) === follower && head > (follower.position?.seq ?? 0)) this.#subscribe(follower);
      });
    }
  }

  #lost(code: number | null): void {
    this.#channel = null;
    this.#cancelTimers();
    if (isFinal(code)) {
      this.#enter("ended");
      return;
    }
    const now = this.#options.environment.now();
    this.#lostAt ??= now;
    this.#enter(isOverload(code) ? "overloaded" : "reconnecting");
    const attempt = { failed: this.#failed, closeCode: code, lostForMs: now - this.#lostAt, watched: this.#options.isWatched?.() ?? false };
    this.#failed += 1;
    this.#stopTimer = this.#options.environment.after(delayBeforeMs(attempt, this.#options.environment.random()), () => {
      this.open();
    });
  }
}
