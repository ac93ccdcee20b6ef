import type { Channel, ChannelListener, Environment, Transport } from "../../../src/client";
import { decodeEvent, type ServerEvent } from "../../../src/protocol";

/** Time that stands still until it is moved; chance is always 0.5. */
export class SimulatedTime implements Environment {
  #now = 1_000_000;
  #timers: { at: number; done: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  random(): number {
    return 0.5;
  }

  after(delayMs: number, done: () => void): () => void {
    const timer = { at: this.#now + delayMs, done };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter(known => known !== timer);
    };
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter(timer => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter(timer => timer !== next);
      this.#now = next.at;
      next.done();
    }
    this.#now = end;
  }
}

export class Line implements Channel {
  readonly sent: Record<string, unknown>[] = [];
  closed = false;

  constructor(readonly listener: ChannelListener) {}

  send(frame: object): boolean {
    if (this.closed) return false;
    this.sent.push({ ...frame });
    return true;
  }

  close(): void {
    this.cut(null);
  }

  cut(code: number | null): void {
    if (this.closed) return;
    this.closed = true;
    this.listener.onClosed(code);
  }

  say(event: ServerEvent | Record<string, unknown>): void {
    this.listener.onFrame(decodeEvent(event));
  }

  welcome(): void {
    this.say({ type: "welcome", connection_id: "c", user: { id: "u", name: "U" }, limits: {}, heartbeat_ms: 25_000, features: [] });
  }

  ofType(type: string): Record<string, unknown>[] {
    return this.sent.filter(frame => frame["type"] === type);
  }
}

export class SimulatedTransport implements Transport {
  readonly lines: Line[] = [];

  open(listener: ChannelListener): Channel {
    const line = new Line(listener);
    this.lines.push(line);
    return line;
  }

  get line(): Line {
    const last = this.lines.at(-1);
    if (!last) throw new Error("nothing was opened");
    return last;
  }
}

export class MemoryStore {
  readonly kept = new Map<string, string>();
  getItem = (key: string): string | null => this.kept.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.kept.set(key, value);
  removeItem = (key: string): void => void this.kept.delete(key);
}
