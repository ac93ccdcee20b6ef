// The documents of a workspace (`workspace:` topic), out of events. What a list needs beyond it is read over REST again.
import { isRecord, type DocumentProgressEvent, type ServerEvent, type SnapshotEvent, type WireFailure } from "../protocol";
import type { Reducer } from "./topic";

/** A document as the events tell of it; `name` and `pages` come with the snapshot or the list. */
export interface DocumentState {
  readonly id: string;
  readonly state: string;
  readonly name?: string;
  readonly done?: number;
  readonly total?: number | null;
  readonly pagesReady?: number;
  readonly etaMs?: number | null;
  readonly error?: WireFailure;
}

export interface WorkspaceDocuments {
  readonly known: boolean;
  readonly documents: Readonly<Record<string, DocumentState>>;
  /** Grows with each event that a list of documents, or of shared conversations, should be read again for. */
  readonly documentsRevision: number;
  readonly sessionsRevision: number;
}

export const documentsReducer: Reducer<WorkspaceDocuments> = {
  empty: { known: false, documents: {}, documentsRevision: 0, sessionsRevision: 0 },
  replace(snapshot: SnapshotEvent, before) {
    const listed = snapshot.state?.["documents"];
    const documents = Array.isArray(listed) ? listed.filter(isRecord).flatMap(fromSnapshot) : [];
    return {
      known: true,
      documents: Object.fromEntries(documents.map(document => [document.id, document])),
      documentsRevision: before.documentsRevision + 1,
      sessionsRevision: before.sessionsRevision + 1,
    };
  },
  reduce,
};

function fromSnapshot(document: Record<string, unknown>): readonly DocumentState[] {
  const { id, state, name, pages_ready: pagesReady } = document;
  if (typeof id !== "string" || typeof state !== "string") return [];
  return [{ id, state, ...(typeof name === "string" ? { name } : {}), ...(typeof pagesReady === "number" ? { pagesReady } : {}) }];
}

function reduce(value: WorkspaceDocuments, event: ServerEvent): WorkspaceDocuments {
  switch (event.type) {
    case "document_progress":
      return change(value, event.document_id, progressOf(event));
    case "document_ready":
      return change(value, event.document_id, { state: "ready", name: event.name });
    case "document_failed":
      return change(value, event.document_id, { state: "failed", name: event.name, error: event.error });
    case "document_deleted": {
      const documents = Object.fromEntries(Object.entries(value.documents).filter(([id]) => id !== event.document_id));
      return { ...value, documents, documentsRevision: value.documentsRevision + 1 };
    }
    case "session_created":
    case "session_updated":
    case "session_deleted":
      return { ...value, sessionsRevision: value.sessionsRevision + 1 };
    default:
      return value;
  }
}

function progressOf(event: DocumentProgressEvent): Partial<DocumentState> {
  return {
    state: event.stage,
    ...(event.done === undefined ? {} : { done: event.done }),
    ...(event.total === undefined ? {} : { total: event.total }),
    ...(event.pages_ready === undefined ? {} : { pagesReady: event.pages_ready }),
    ...(event.eta_ms === undefined ? {} : { etaMs: event.eta_ms }),
  };
}

function change(value: WorkspaceDocuments, id: string, changes: Partial<DocumentState>): WorkspaceDocuments {
  const before = value.documents[id];
  const after = { state: "queued", ...before, ...changes, id };
  const listChanged = before === undefined || before.state !== after.state;
  return {
    ...value,
    documents: { ...value.documents, [id]: after },
    documentsRevision: value.documentsRevision + (listChanged ? 1 : 0),
  };
}
