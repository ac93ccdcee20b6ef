// The desk of one signed-in person: connection, outbox and the topics that are followed. Made once after signing in, handed down
// by DeskContext; features ask it for what they show. No React in it.
import { asClientError, browserEnvironment, Connection, Outbox, WebSocketTransport, type Api, type ConnectionState, type OutgoingQuestion } from "../client";
import { isShape, type Me, type Models, type QuestionScope, type WelcomeEvent, type WireMessage, type Workspace } from "../protocol";
import {
  conversationReducer, documentsReducer, fillText, FollowedTopic, listRead, prependMessages, sessionsReducer, Store,
  type Conversation, type SessionList, type WorkspaceDocuments,
} from "../state";
import { nextFrame } from "./frames";
import { preferences, prefer } from "./preferences";

/** Conversations that stay followed after one left them, so that going back shows them at once. */
const KEPT_CONVERSATIONS = 4;
const PAGE = 60;
const SETTLES_WITHIN_MS = 10_000;

interface Followed {
  readonly topic: FollowedTopic<Conversation>;
  readonly leave: () => void;
}

export class Desk {
  readonly api: Api;
  readonly me: Me;
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly connectionState = new Store<ConnectionState>("idle");
  readonly limits = new Store<WelcomeEvent["limits"]>({});
  readonly workspaces: Store<readonly Workspace[]>;
  readonly workspaceId: Store<string | null>;
  readonly models = new Store<Models>({ items: [], next_cursor: null, default: "" });
  readonly sessions: FollowedTopic<SessionList>;
  /** Questions the server has taken whose event is not here yet: they stay on the page in between. */
  readonly settling = new Store<readonly OutgoingQuestion[]>([]);
  readonly #conversations = new Map<string, Followed>();
  #documents: { readonly workspaceId: string; readonly topic: FollowedTopic<WorkspaceDocuments>; readonly leave: () => void } | null = null;
  #search = "";

  constructor(api: Api, me: Me, workspaces: readonly Workspace[]) {
    this.api = api;
    this.me = me;
    this.workspaces = new Store(workspaces);
    const wanted = preferences.get().workspaceId;
    this.workspaceId = new Store(workspaces.find(known => known.id === wanted)?.id ?? workspaces[0]?.id ?? null);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.connection = new Connection({
      transport: new WebSocketTransport(`${scheme}://${location.host}/ws/v1`),
      environment: browserEnvironment,
      isWatched: () => !document.hidden && [...this.#conversations.values()].some(({ topic }) => topic.get().runs.length > 0),
    });
    this.connection.onState(state => this.connectionState.set(state));
    this.connection.onWelcome(welcome => this.limits.set(welcome.limits));
    this.outbox = new Outbox({
      store: localStorage,
      send: (type, fields, id) => this.connection.command(type, fields, id),
      environment: browserEnvironment,
      userId: me.id,
    });
    this.outbox.onAccepted(({ question, sessionId }) => {
      this.settling.update(all => [...all, { ...question, sessionId }]);
      browserEnvironment.after(SETTLES_WITHIN_MS, () => this.settling.update(all => all.filter(known => known.id !== question.id)));
    });
    this.sessions = new FollowedTopic(`user:${me.id}`, sessionsReducer, nextFrame);
  }

  open(): void {
    this.connection.follow(this.sessions);
    this.connection.open();
    this.outbox.resume();
    window.addEventListener("online", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    this.loadModels();
  }

  close(): void {
    window.removeEventListener("online", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    this.connection.close();
  }

  readonly #wake = (): void => {
    if (!document.hidden) this.connection.wake();
  };

  loadModels(): void {
    this.api.models().then(models => this.models.set(models), () => undefined); // the picker stays away until they are known
  }

  chooseWorkspace(id: string): void {
    prefer({ workspaceId: id });
    this.workspaceId.set(id);
    void this.loadSessions();
  }

  // --- conversations

  conversation(sessionId: string): FollowedTopic<Conversation> {
    const known = this.#conversations.get(sessionId);
    if (known && known.topic.over === null) {
      this.#conversations.delete(sessionId);
      this.#conversations.set(sessionId, known); // the latest stands last
      return known.topic;
    }
    const topic = new FollowedTopic(`session:${sessionId}`, conversationReducer, nextFrame);
    const leave = this.connection.follow(topic);
    const stopFilling = topic.onEvent(event => {
      if (event.type === "snapshot" && (event.messages ?? []).some(message => message.content_ref !== undefined)) void this.#fillLongTexts(sessionId, topic);
    });
    this.#conversations.set(sessionId, { topic, leave: () => {
      stopFilling();
      leave();
    } });
    for (const [id, old] of this.#conversations) {
      if (this.#conversations.size <= KEPT_CONVERSATIONS) break;
      old.leave();
      this.#conversations.delete(id);
    }
    return topic;
  }

  async loadEarlier(sessionId: string): Promise<void> {
    const topic = this.conversation(sessionId);
    const before = topic.get().messages[0]?.id;
    if (before === undefined) return;
    const result = await this.connection.command("history", { topic: topic.topic, before, limit: 50 });
    const messages = result["messages"];
    const older = Array.isArray(messages) ? messages.filter(isWireMessage) : [];
    topic.change(value => prependMessages(value, older, result["has_more"] === true));
  }

  /** Texts that are too long for a snapshot are read over REST. */
  async #fillLongTexts(sessionId: string, topic: FollowedTopic<Conversation>): Promise<void> {
    try {
      const { items } = await this.api.rest.read("message_list", `/sessions/${encodeURIComponent(sessionId)}/messages`, { limit: 50 });
      const texts = new Map(items.map(message => [message.id, message]));
      topic.change(value => ({
        ...value,
        messages: value.messages.map(message => {
          const found = texts.get(message.id);
          return found !== undefined && message.content_ref !== undefined ? (fillText(message, found) ?? message) : message;
        }),
      }));
    } catch {
      // It stays short until the next snapshot.
    }
  }

  ask(question: Pick<OutgoingQuestion, "sessionId" | "content" | "model"> & { readonly scope?: QuestionScope | null }): OutgoingQuestion | null {
    const workspaceId = this.workspaceId.get();
    return workspaceId === null ? null : this.outbox.ask({ ...question, workspaceId, scope: question.scope ?? null });
  }

  /** Taken away on every device; a refusal (somebody else's conversation) leaves it. */
  async dismiss(sessionId: string, suggestionId: string): Promise<void> {
    await this.connection.command("suggestion_dismiss", { session_id: sessionId, suggestion_id: suggestionId });
  }

  /** Resolves when the server has taken note; rejects with a ClientError. */
  async stop(runId: string): Promise<void> {
    await this.connection.command("stop", { run_id: runId });
  }

  // --- the list

  async loadSessions(options: { readonly search?: string; readonly further?: boolean } = {}): Promise<void> {
    const workspaceId = this.workspaceId.get();
    if (options.search !== undefined) this.#search = options.search;
    const search = this.#search;
    if (workspaceId === null) return;
    const further = options.further === true;
    const cursor = further ? (this.sessions.get().cursor ?? undefined) : undefined;
    const { items, next_cursor } = await this.api.sessions({ workspace_id: workspaceId, limit: PAGE, q: search || undefined, cursor });
    if (search !== this.#search || workspaceId !== this.workspaceId.get()) return; // an older answer than what is wanted now
    this.sessions.change(value => listRead(value, items, next_cursor, further));
  }

  // --- documents

  documents(workspaceId: string): FollowedTopic<WorkspaceDocuments> {
    if (this.#documents?.workspaceId === workspaceId && this.#documents.topic.over === null) return this.#documents.topic;
    this.#documents?.leave();
    const topic = new FollowedTopic(`workspace:${workspaceId}`, documentsReducer, nextFrame);
    this.#documents = { workspaceId, topic, leave: this.connection.follow(topic) };
    return topic;
  }
}

function isWireMessage(value: unknown): value is WireMessage {
  return isShape("WireMessage", value);
}

/** The desk of whoever is signed in; null: nobody. Other failures are thrown. */
export async function openDesk(api: Api): Promise<Desk | null> {
  try {
    const me = await api.me();
    const { items } = await api.workspaces();
    return new Desk(api, me, items);
  } catch (problem) {
    const error = asClientError(problem);
    if (error.code === "unauthorized" || error.code === "token_expired") return null;
    throw error;
  }
}
