// Questions on their way: kept over a reload until the server has acknowledged them, always sent under the same command id, so a
// question is asked once however often it was sent. Tests: tests/unit/client/outbox.test.ts.
import { isRecord, type ChatMessageCommand, type QuestionScope } from "../protocol";
import type { Environment } from "./environment";
import { asClientError, type ClientError, type FailureCode } from "./errors";
import { newCommandId } from "./ids";

/** Where text is kept between visits; `localStorage` in a browser. All may throw (private windows, full disks). */
export interface TextStore {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** The command id is also the `client_id` of the message that comes of it. `sessionId` null: the question opens a session. */
export interface OutgoingQuestion {
  readonly id: string;
  readonly sessionId: string | null;
  readonly workspaceId: string;
  readonly content: string;
  readonly model: string | null;
  readonly scope: QuestionScope | null;
  readonly writtenAt: number;
  readonly failure: { readonly code: FailureCode; readonly message: string } | null;
}

export interface Accepted {
  readonly question: OutgoingQuestion;
  readonly sessionId: string;
  readonly messageId: string | null;
}

type SendCommand = (type: "chat_message", fields: ChatMessageCommand, id: string) => Promise<Readonly<Record<string, unknown>>>;

const KEY = "antiphon.outbox";
const KEPT_MS = 23 * 3600 * 1000; // the server knows an id again for 24 h; older ones are for people to send anew
const RETRY_MS = 3_000;

export class Outbox {
  readonly #store: TextStore;
  readonly #send: SendCommand;
  readonly #environment: Environment;
  readonly #userId: string;
  readonly #listeners = new Set<() => void>();
  readonly #accepted = new Set<(accepted: Accepted) => void>();
  readonly #underWay = new Set<string>();
  #questions: readonly OutgoingQuestion[];

  constructor(options: { store: TextStore; send: SendCommand; environment: Environment; userId: string }) {
    this.#store = options.store;
    this.#send = options.send;
    this.#environment = options.environment;
    this.#userId = options.userId;
    this.#questions = this.#load();
  }

  get questions(): readonly OutgoingQuestion[] {
    return this.#questions;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  onAccepted(listener: (accepted: Accepted) => void): () => void {
    this.#accepted.add(listener);
    return () => this.#accepted.delete(listener);
  }

  ask(question: Pick<OutgoingQuestion, "sessionId" | "workspaceId" | "content" | "model" | "scope">): OutgoingQuestion {
    const outgoing = { ...question, id: newCommandId(), writtenAt: this.#environment.now(), failure: null };
    this.#change([...this.#questions, outgoing]);
    this.#dispatch(outgoing);
    return outgoing;
  }

  /** Sends what an earlier visit left behind; the connection keeps trying by itself afterwards. */
  resume(): void {
    for (const question of this.#questions) if (question.failure === null) this.#dispatch(question);
  }

  retry(id: string): void {
    const question = this.#questions.find(found => found.id === id);
    if (!question) return;
    const again = { ...question, failure: null };
    this.#change(this.#questions.map(found => (found.id === id ? again : found)));
    this.#dispatch(again);
  }

  discard(id: string): void {
    this.#change(this.#questions.filter(found => found.id !== id));
  }

  #dispatch(question: OutgoingQuestion): void {
    if (this.#underWay.has(question.id)) return;
    this.#underWay.add(question.id);
    const fields: ChatMessageCommand = {
      content: question.content,
      ...(question.sessionId === null ? { workspace_id: question.workspaceId } : { session_id: question.sessionId }),
      ...(question.model === null ? {} : { model: question.model }),
      ...(question.scope === null ? {} : { scope: question.scope }),
    };
    this.#send("chat_message", fields, question.id).then(
      result => {
        this.#underWay.delete(question.id);
        const [sessionId, messageId] = [result["session_id"], result["message_id"]];
        if (typeof sessionId === "string") {
          const accepted = { question, sessionId, messageId: typeof messageId === "string" ? messageId : null };
          for (const listener of this.#accepted) listener(accepted);
        }
        this.#change(this.#questions.filter(found => found.id !== question.id));
      },
      (problem: unknown) => {
        this.#underWay.delete(question.id);
        this.#refused(question, asClientError(problem));
      },
    );
  }

  #refused(question: OutgoingQuestion, error: ClientError): void {
    if (error.code === "offline") return; // closed by us: it stays for the next visit
    if (error.code === "rate_limited" || error.code === "shutting_down") {
      const told = error.data["retry_after_ms"];
      this.#environment.after(typeof told === "number" ? told : RETRY_MS, () => {
        if (this.#questions.some(found => found.id === question.id)) this.#dispatch(question);
      });
      return;
    }
    const failed = { ...question, failure: { code: error.code, message: error.message } };
    this.#change(this.#questions.map(found => (found.id === question.id ? failed : found)));
  }

  #change(questions: readonly OutgoingQuestion[]): void {
    this.#questions = questions;
    try {
      if (questions.length) this.#store.setItem(KEY, JSON.stringify({ user: this.#userId, questions }));
      else this.#store.removeItem(KEY);
    } catch {
      // Without storage the question lives as long as the page.
    }
    for (const listener of this.#listeners) listener();
  }

  #load(): readonly OutgoingQuestion[] {
    try {
      const kept: unknown = JSON.parse(this.#store.getItem(KEY) ?? "null");
      if (!isRecord(kept) || kept["user"] !== this.#userId || !Array.isArray(kept["questions"])) return [];
      const earliest = this.#environment.now() - KEPT_MS;
      return kept["questions"].filter(isOutgoing).filter(question => question.writtenAt > earliest);
    } catch {
      return [];
    }
  }
}

function isOutgoing(value: unknown): value is OutgoingQuestion {
  return (
    isRecord(value) && typeof value["id"] === "string" && typeof value["content"] === "string" &&
    typeof value["workspaceId"] === "string" && typeof value["writtenAt"] === "number" &&
    (value["sessionId"] === null || typeof value["sessionId"] === "string") &&
    (value["model"] === null || typeof value["model"] === "string") &&
    (value["scope"] === null || isRecord(value["scope"])) && (value["failure"] === null || isRecord(value["failure"]))
  );
}
