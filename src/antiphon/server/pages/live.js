// The connection: one WebSocket on /ws/v1, reconnected with jitter (R7), every topic resumed from its own position.
import { TopicState } from "./topic_state.js";

const TERMINAL = code => (code >= 4000 && code < 4100 && code !== 4029) || code === 1009;

export class Live {
  // onChange(topic, frame): a topic's state changed. onState(name): connecting, live, reconnecting, overloaded, ended.
  constructor({ onChange, onState }) {
    this.onChange = onChange;
    this.onState = onState;
    this.topics = new Map();
    this.waiting = new Map();
    this.tries = 0;
    this.socket = null;
    this.ended = false;
    this.timer = 0;
    this.heads = 0;
  }

  open() {
    clearTimeout(this.timer);
    this.ended = false;
    this.onState(this.tries ? "reconnecting" : "connecting");
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/v1`, ["antiphon.v1"]);
    this.socket = socket;
    const patience = setTimeout(() => socket.close(), 5000);
    socket.onmessage = event => {
      const frame = JSON.parse(event.data);
      if (frame.type === "welcome") {
        clearTimeout(patience);
        this.tries = 0;
        this.onState("live");
        for (const topic of this.topics.values()) this.subscribe(topic);
        for (const { frame: unanswered } of this.waiting.values()) this.send(unanswered);
      } else this.take(frame);
    };
    socket.onclose = event => {
      clearTimeout(patience);
      if (this.socket === socket) this.lost(event.code);
    };
  }

  close() {
    this.ended = true;
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
    this.topics.clear();
  }

  lost(code) {
    this.socket = null;
    if (this.ended) return;
    if (TERMINAL(code)) {
      this.ended = true;
      this.onState("ended");
      return;
    }
    const slow = code === 4029 || code === 1013;
    this.onState(slow ? "overloaded" : "reconnecting");
    const most = Math.min(20000, 500 * 2 ** Math.max(0, this.tries - 1));
    const delay = slow ? 5000 + Math.random() * 5000 : this.tries === 0 ? Math.random() * 250 : Math.random() * most;
    this.tries += 1;
    this.timer = setTimeout(() => this.open(), delay);
  }

  watch(name) {
    const topic = this.topics.get(name) ?? new TopicState(name);
    this.topics.set(name, topic);
    this.subscribe(topic);
    return topic;
  }

  forget(name) {
    if (this.topics.delete(name)) this.send({ type: "unsubscribe", id: newId(), topic: name });
  }

  subscribe(topic) {
    const since = topic.position;
    this.send({ type: "subscribe", id: newId(), topic: topic.topic, ...(since ? { since } : {}) });
  }

  send(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  // Resolves with the ack's result; sent again with the same id after a reconnect, so it is done once.
  command(type, fields) {
    const frame = { type, id: newId(), ...fields };
    return new Promise((resolve, reject) => {
      this.waiting.set(frame.id, { frame, resolve, reject });
      this.send(frame);
    });
  }

  take(frame) {
    if (frame.type === "ack") return this.acknowledge(frame);
    if (frame.type === "ping") return this.compareHeads(frame.heads ?? {});
    if (frame.type === "draining") return undefined; // the close that follows reconnects
    const topic = this.topics.get(frame.topic);
    if (!topic) return undefined;
    if (frame.type === "unsubscribed") {
      this.topics.delete(frame.topic);
      return this.onChange(topic, frame);
    }
    const outcome = topic.apply(frame);
    if (outcome === "gap") return this.subscribe(topic);
    return outcome === "applied" ? this.onChange(topic, frame) : undefined;
  }

  acknowledge(ack) {
    const found = this.waiting.get(ack.reply_to);
    if (!found) return;
    this.waiting.delete(ack.reply_to);
    if (ack.ok) found.resolve(ack.result ?? {});
    else found.reject(Object.assign(new Error(ack.error.message), ack.error));
  }

  compareHeads(heads) {
    this.send({ type: "pong" });
    for (const [name, head] of Object.entries(heads)) {
      const topic = this.topics.get(name);
      if (!topic || topic.epoch === null || head <= topic.seq) continue;
      setTimeout(() => {
        if (this.topics.get(name) === topic && head > topic.seq) this.subscribe(topic);
      }, 2000);
    }
  }
}

// crypto.randomUUID exists in secure contexts only (https, localhost).
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, "0")).join("");
}
