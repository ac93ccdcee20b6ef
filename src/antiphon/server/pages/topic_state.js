// What this page knows of one topic: the rules R2-R4 of docs/protocol.md, as in antiphon.protocol.reducer. Knows no network.
// Offsets are Unicode code points; a JavaScript string counts UTF-16 units, so each message keeps its own count.

const countPoints = content => {
  let count = 0;
  for (const point of content) count += point ? 1 : 0;
  return count;
};

export class TopicState {
  constructor(topic) {
    this.topic = topic;
    this.epoch = null;
    this.seq = 0;
    this.messages = new Map();
    this.runs = new Map();
    this.documents = new Map();
    this.hasMore = false;
  }

  get position() {
    return this.epoch === null ? null : { epoch: this.epoch, seq: this.seq };
  }

  // "applied", "ignored", or "gap": subscribe again, with `position` when there is one.
  apply(frame) {
    if (frame.type === "snapshot") return this.replace(frame);
    if (frame.type === "subscribed") {
      if (frame.mode !== "snapshot" && this.epoch !== null && frame.epoch !== this.epoch) return this.lose();
      return "applied";
    }
    if (frame.seq === undefined || frame.seq <= this.seq) return "ignored";
    if (this.epoch === null || (frame.prev_seq ?? frame.seq - 1) !== this.seq) return "gap";
    const reduce = REDUCERS[frame.type];
    if (reduce && reduce(this, frame) === false) return this.lose();
    this.seq = frame.seq;
    return "applied";
  }

  lose() {
    this.epoch = null;
    return "gap";
  }

  replace(frame) {
    this.epoch = frame.epoch;
    this.seq = frame.seq;
    this.messages = new Map((frame.messages ?? []).map(message => [message.id, adopt(message)]));
    this.runs = new Map((frame.active_runs ?? []).map(run => [run.run_id, run]));
    this.documents = new Map((frame.state?.documents ?? []).map(found => [found.id, found]));
    this.hasMore = Boolean(frame.has_more);
    return "applied";
  }

  prepend(messages) {
    const known = [...this.messages];
    this.messages = new Map([...messages.map(message => [message.id, adopt(message)]), ...known]);
  }

  messageOf(frame) {
    return this.messages.get(frame.message_id ?? this.runs.get(frame.run_id)?.message_id);
  }
}

function adopt(message) {
  return { sources: [], citations: [], ...message, points: countPoints(message.content ?? "") };
}

const REDUCERS = {
  user_message(state, frame) {
    state.messages.set(frame.message_id, adopt({
      id: frame.message_id, role: "user", content: frame.content, state: "complete", run_id: frame.run_id,
    }));
  },
  run_started(state, frame) {
    state.runs.set(frame.run_id, { run_id: frame.run_id, message_id: frame.message_id, state: "running" });
    if (frame.message_id && !state.messages.has(frame.message_id)) {
      state.messages.set(frame.message_id, adopt({
        id: frame.message_id, role: "assistant", content: "", state: "streaming", run_id: frame.run_id,
      }));
    }
  },
  status(state, frame) {
    const message = state.messageOf(frame);
    if (message) message.status = frame.content;
  },
  sources(state, frame) {
    const message = state.messageOf(frame);
    if (message) message.sources = frame.sources ?? [];
  },
  citation(state, frame) {
    const message = state.messageOf(frame);
    if (message) message.citations = [...message.citations, frame];
  },
  answer_chunk(state, frame) {
    const message = state.messages.get(frame.message_id);
    if (!message || (frame.offset ?? message.points) !== message.points) return false;
    message.content += frame.content;
    message.points += countPoints(frame.content);
    return true;
  },
  answer_replace(state, frame) {
    const message = state.messageOf(frame);
    if (message) Object.assign(message, { content: frame.content, points: countPoints(frame.content) });
  },
  error(state, frame) {
    const message = state.messageOf(frame);
    if (message) message.error = { code: frame.code, message: frame.message };
  },
  complete(state, frame) {
    const message = state.messageOf(frame);
    state.runs.delete(frame.run_id);
    if (!message) return true;
    if ((frame.text_length ?? message.points) !== message.points) return false;
    message.state = frame.status === "completed" ? "complete" : frame.status;
    message.stopped_by = frame.stopped_by ?? null;
    return true;
  },
  message_updated(state, frame) {
    const message = state.messageOf(frame);
    if (message) Object.assign(message, adopt({ ...message, ...frame.changes }));
  },
  message_deleted(state, frame) {
    state.messages.delete(frame.message_id);
  },
  document_progress(state, frame) {
    changeDocument(state, frame, { state: frame.stage, ...pick(frame, ["done", "total", "pages_ready"]) });
  },
  document_ready(state, frame) {
    changeDocument(state, frame, { state: "ready", ...pick(frame, ["name"]) });
  },
  document_failed(state, frame) {
    changeDocument(state, frame, { state: "failed", ...pick(frame, ["name", "error"]) });
  },
  document_deleted(state, frame) {
    state.documents.delete(frame.document_id);
  },
};

function pick(frame, names) {
  return Object.fromEntries(names.filter(name => frame[name] !== undefined && frame[name] !== null).map(name => [name, frame[name]]));
}

function changeDocument(state, frame, changes) {
  state.documents.set(frame.document_id, { id: frame.document_id, ...state.documents.get(frame.document_id), ...changes });
}
