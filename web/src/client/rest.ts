// REST: one function per verb the web app uses, typed and checked by the generated shapes.
import { isAnswer, type AnswersByVerb } from "../protocol";
import { ClientError, failureFromBody } from "./errors";

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export class Rest {
  readonly #base: string;
  readonly #fetch: typeof fetch;

  constructor(base = "/api/v1", fetcher: typeof fetch = (...given) => fetch(...given)) {
    this.#base = base;
    this.#fetch = fetcher;
  }

  /** The address of something the browser itself opens: an original, a page picture, an export. */
  address(path: string, query: Query = {}): string {
    const chosen = Object.entries(query).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined);
    const tail = new URLSearchParams(chosen.map(([name, value]) => [name, String(value)])).toString();
    return `${this.#base}${path}${tail ? `?${tail}` : ""}`;
  }

  async read<V extends keyof AnswersByVerb>(verb: V, path: string, query: Query = {}, signal?: AbortSignal): Promise<AnswersByVerb[V]> {
    return this.#checked(verb, await this.#exchange("GET", this.address(path, query), undefined, signal));
  }

  async write<V extends keyof AnswersByVerb>(verb: V, method: Method, path: string, body?: object): Promise<AnswersByVerb[V]> {
    return this.#checked(verb, await this.#exchange(method, this.address(path), body));
  }

  /** For verbs whose answer is of no interest. */
  async run(method: Method, path: string, body?: object): Promise<void> {
    await this.#exchange(method, this.address(path), body);
  }

  #checked<V extends keyof AnswersByVerb>(verb: V, answer: unknown): AnswersByVerb[V] {
    if (isAnswer(verb, answer)) return answer;
    throw new ClientError("malformed_answer", `The server's answer to ${verb} is not one this page understands.`);
  }

  async #exchange(method: Method, address: string, body?: object, signal?: AbortSignal): Promise<unknown> {
    const init: RequestInit = { method, credentials: "same-origin", ...(signal ? { signal } : {}) };
    if (body instanceof FormData) init.body = body;
    else if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "Content-Type": "application/json" };
    }
    let answer: Response;
    try {
      answer = await this.#fetch(address, init);
    } catch (problem) {
      if (signal?.aborted) throw problem;
      throw new ClientError("offline", "The server cannot be reached.");
    }
    let content: unknown = null;
    try {
      content = await answer.json();
    } catch {
      // An empty body, or a proxy's page.
    }
    if (!answer.ok) throw failureFromBody(content, answer.status, answer.statusText);
    return content;
  }
}
