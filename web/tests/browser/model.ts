// A model server that streams what a test tells it to: an OpenAI-compatible endpoint with a script per question.
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Script {
  /** The pieces of the answer, `everyMs` apart. */
  readonly pieces: readonly string[];
  readonly everyMs: number;
  readonly firstAfterMs?: number;
}

export const DEFAULT_SCRIPT: Script = { pieces: ["Full-time ", "employees have **28 days** ", "of annual leave [1]."], everyMs: 5 };

/** Many words, slowly: for what happens in the middle of an answer. */
export function slowScript(words: number, everyMs: number): Script {
  return { pieces: Array.from({ length: words }, (_, i) => (i % 25 === 24 ? `word${i}.\n\n` : `word${i} `)), everyMs };
}

export class FakeModel {
  script: Script = DEFAULT_SCRIPT;
  asked = 0;
  closedEarly = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      if (request.url?.endsWith("/models")) {
        response.setHeader("Content-Type", "application/json");
        response.end(JSON.stringify({ object: "list", data: [{ id: "fake", object: "model" }] }));
        return;
      }
      request.resume();
      request.on("end", () => void this.#answer(response));
    });
  }

  static async start(): Promise<FakeModel> {
    const model = new FakeModel();
    await new Promise<void>(resolve => model.#server.listen(0, "127.0.0.1", resolve));
    return model;
  }

  get baseUrl(): string {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("not listening");
    return `http://127.0.0.1:${address.port}/v1`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(response: ServerResponse): Promise<void> {
    const { pieces, everyMs, firstAfterMs } = this.script;
    this.asked++;
    response.on("close", () => {
      if (!response.writableFinished) this.closedEarly++;
    });
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const send = (delta: object, finish: string | null): void => {
      response.write(`data: ${JSON.stringify({ object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
    };
    await pause(firstAfterMs ?? 0);
    for (const content of pieces) {
      if (response.destroyed) return;
      send({ content }, null);
      await pause(everyMs);
    }
    send({}, "stop");
    response.end("data: [DONE]\n\n");
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}
