// The verbs of the web app over REST. Names follow the command table.
import type {
  Document, Documents, Me, Models, PageText, Rectangles, RunRecord, SessionChange, WireSession, Sessions, Workspaces, AddedDocuments, SignedIn,
} from "../protocol";
import { Rest, type Query } from "./rest";

const id = encodeURIComponent;

export interface SignInApi {
  me(): Promise<Me>;
  login(name: string, password: string): Promise<SignedIn>;
  signIn(token: string): Promise<SignedIn>;
  logout(): Promise<void>;
}

export class Api implements SignInApi {
  readonly rest: Rest;

  constructor(rest: Rest = new Rest()) {
    this.rest = rest;
  }

  me(): Promise<Me> {
    return this.rest.read("me", "/me");
  }

  login(name: string, password: string): Promise<SignedIn> {
    return this.rest.write("login", "POST", "/auth/login", { name, password });
  }

  signIn(token: string): Promise<SignedIn> {
    return this.rest.write("sign_in", "POST", "/auth/sign-in", { token });
  }

  logout(): Promise<void> {
    return this.rest.run("POST", "/auth/logout");
  }

  workspaces(): Promise<Workspaces> {
    return this.rest.read("workspace_list", "/workspaces", { limit: 200 });
  }

  models(): Promise<Models> {
    return this.rest.read("model_list", "/models");
  }

  sessions(query: Query): Promise<Sessions> {
    return this.rest.read("session_list", "/sessions", query);
  }

  session(sessionId: string): Promise<WireSession> {
    return this.rest.read("session_get", `/sessions/${id(sessionId)}`);
  }

  changeSession(sessionId: string, change: Omit<SessionChange, "session_id">): Promise<WireSession> {
    return this.rest.write("session_update", "PATCH", `/sessions/${id(sessionId)}`, change);
  }

  deleteSession(sessionId: string): Promise<void> {
    return this.rest.run("DELETE", `/sessions/${id(sessionId)}`);
  }

  exportAddress(sessionId: string, format: "md" | "json"): string {
    return this.rest.address(`/sessions/${id(sessionId)}/export`, { format });
  }

  run(runId: string): Promise<RunRecord> {
    return this.rest.read("run_get", `/runs/${id(runId)}`);
  }

  documents(workspaceId: string, query: Query = {}): Promise<Documents> {
    return this.rest.read("document_list", `/workspaces/${id(workspaceId)}/documents`, query);
  }

  addDocuments(workspaceId: string, files: readonly File[]): Promise<AddedDocuments> {
    const form = new FormData();
    for (const file of files) form.append("file", file);
    return this.rest.write("document_add", "POST", `/workspaces/${id(workspaceId)}/documents`, form);
  }

  document(documentId: string): Promise<Document> {
    return this.rest.read("document_get", `/documents/${id(documentId)}`);
  }

  originalAddress(documentId: string): string {
    return this.rest.address(`/documents/${id(documentId)}/original`);
  }

  pageText(documentId: string, page: number, version?: number): Promise<PageText> {
    return this.rest.read("document_page_text", `/documents/${id(documentId)}/pages/${page}/text`, { version });
  }

  rectangles(documentId: string, place: { page: number; start: number; end: number; version?: number }): Promise<Rectangles> {
    return this.rest.read("document_rects", `/documents/${id(documentId)}/rects`, place);
  }
}
