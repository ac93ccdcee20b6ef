// Draws messages, sources and documents. Everything that comes from outside goes in as text, never as markup.
import { languageOf, text } from "./texts.js";

export function make(tag, { cls, content, attributes = {}, children = [] } = {}) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (content !== undefined) element.textContent = content;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class MessageView {
  constructor(message) {
    this.element = make("li", { attributes: { "data-testid": "message" } });
    if (message.role === "assistant") {
      this.ledger = make("p", { cls: "ledger", attributes: { "data-testid": "status-line", role: "status" } });
      this.body = make("p", { cls: "text" });
      this.outcome = make("p", { cls: "outcome" });
      this.sources = make("ol", { cls: "sources" });
      this.element.append(this.ledger, this.body, this.outcome, this.sources);
      this.element.className = "answer";
    } else {
      this.body = make("p", { cls: "question" });
      this.element.append(this.body);
    }
    this.drawnText = null;
    this.drawnSources = null;
    this.update(message);
  }

  update(message) {
    Object.assign(this.element.dataset, { messageId: message.id, state: message.state, role: message.role });
    if (message.role !== "assistant") {
      if (this.body.textContent !== message.content) this.body.textContent = message.content;
      this.body.lang = languageOf(message.content);
      return;
    }
    this.updateText(message);
    this.updateLedger(message);
    const told = outcomeOf(message);
    this.outcome.textContent = told;
    this.outcome.hidden = !told;
    const key = JSON.stringify([message.sources, message.state !== "streaming" && message.citations]);
    if (key !== this.drawnSources) {
      this.drawnSources = key;
      drawSources(this.sources, message);
    }
  }

  updateText(message) {
    const key = `${message.citations.length}|${message.content}`;
    if (key === this.drawnText) return;
    this.drawnText = key;
    this.body.lang = languageOf(message.content);
    this.body.replaceChildren(...textWithMarks(message));
  }

  updateLedger(message) {
    const running = message.state === "streaming";
    const documents = new Set(message.sources.map(source => source.document_id)).size;
    const summary = message.sources.length ? text("sources", message.sources.length, documents) : "";
    const line = running && !message.content ? message.status ?? (summary || text("thinking")) : summary || message.status || "";
    if (this.ledger.textContent !== line) this.ledger.textContent = line;
    this.ledger.dataset.running = String(running);
  }
}

function outcomeOf(message) {
  if (message.state === "stopped") return text("stopped", message.stopped_by?.name ?? message.stopped_by ?? "");
  if (message.state === "interrupted") return text("interrupted");
  if (message.state === "failed") return `${text("answerFailed")} ${message.error?.message ?? ""}`.trim();
  return "";
}

// Citation places are code points [start, end) of the answer; the characters there are the mark itself, e.g. "[2]".
function textWithMarks(message) {
  const points = Array.from(message.content);
  const citations = message.citations.filter(c => Number.isInteger(c.start) && c.end > c.start && c.end <= points.length);
  citations.sort((a, b) => a.start - b.start);
  const nodes = [];
  let at = 0;
  for (let i = 0; i < citations.length;) {
    const { start, end } = citations[i];
    const same = [];
    while (i < citations.length && citations[i].start < end) same.push(citations[i++]); // [1,2] gives two for one place
    if (start < at) continue;
    nodes.push(document.createTextNode(points.slice(at, start).join("")), make("sup", { cls: "cite", children: same.map(c => mark(message, c)) }));
    at = end;
  }
  nodes.push(document.createTextNode(points.slice(at).join("")));
  return nodes;
}

function mark(message, citation) {
  const source = message.sources.find(found => found.source_id === citation.source_id || found.n === citation.n);
  const attributes = { "data-testid": "citation", "data-n": String(citation.n) };
  if (citation.source_id === null || !source) {
    return make("span", { content: `${citation.n}?`, attributes: { ...attributes, title: text("noSource"), "aria-label": text("noSource") } });
  }
  const label = text("sourceLabel", citation.n, source.title, source.page);
  return make("a", {
    content: String(citation.n),
    attributes: { ...attributes, href: `#${anchorOf(message, source)}`, title: `${label}: ${source.snippet.slice(0, 200)}`, "aria-label": label },
  });
}

function anchorOf(message, source) {
  return `source-${message.id}-${source.n}`;
}

function drawSources(list, message) {
  const used = new Set(message.citations.map(citation => citation.n));
  list.hidden = !message.sources.length;
  list.replaceChildren(...message.sources.map(source => make("li", {
    cls: used.has(source.n) || message.state === "streaming" ? "" : "read-only",
    attributes: { "data-testid": "source", "data-n": String(source.n), id: anchorOf(message, source), tabindex: "-1" },
    children: [
      make("span", { cls: "n", content: String(source.n) }),
      make("b", { content: source.title }),
      document.createTextNode(`${source.page ? `, ${text("page", source.page)}` : ""} · `),
      make("a", { content: text("original"), attributes: { href: `/api/v1/documents/${encodeURIComponent(source.document_id)}/original` } }),
      make("q", { content: source.snippet, attributes: { lang: languageOf(source.snippet) } }),
    ],
  })));
}

export function documentRow(found) {
  let state = text(found.state ?? "queued");
  const pages = found.pages ?? found.total ?? found.progress?.total;
  const done = found.pages_ready ?? found.done;
  if (["parsing", "indexing", "embedding"].includes(found.state) && pages) state += `, ${text("pagesOf", done ?? 0, pages)}`;
  if (found.error) state += `: ${found.error.message ?? found.error.code ?? ""}`;
  return make("li", {
    attributes: { "data-testid": "document-row", "data-document-id": found.id, "data-state": found.state ?? "queued" },
    children: [make("span", { content: found.name ?? "…" }), make("span", { cls: "state", content: state })],
  });
}

export function sessionRow(session, current) {
  return make("li", {
    attributes: { "data-testid": "session-row", "data-session-id": session.id, "aria-current": String(session.id === current) },
    children: [make("a", { content: session.title || text("untitled"), attributes: { href: `#session=${encodeURIComponent(session.id)}` } })],
  });
}
