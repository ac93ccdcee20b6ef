// A real `antiphon serve` in a process of its own, with the sample documents.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "./model";

const PROGRAM = process.env["ANTIPHON_PROGRAM"] ?? join(import.meta.dirname, "../../../.venv/bin/antiphon");
const SOURCES = join(import.meta.dirname, "../../../src");
const START_LIMIT_MS = 40_000;
export const OWNER_KEY = "owner-key-for-browser-tests-0123456789";

export class Server {
  output = "";
  #child: ChildProcess | null = null;
  readonly #folder = mkdtempSync(join(tmpdir(), "antiphon-browser-"));
  readonly #settings: Readonly<Record<string, string>>;

  private constructor(readonly port: number, settings: Readonly<Record<string, string>>) {
    this.#settings = settings;
  }

  /** `settings` are ANTIPHON_ variables. Everybody is the owner, unless ANTIPHON_OWNER_KEY is given ("": a link is printed). */
  static async start(settings: Readonly<Record<string, string>> = {}): Promise<Server> {
    const server = new Server(await freePort(), settings);
    await server.launch();
    await server.#samplesReady();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async launch(): Promise<void> {
    const open = "ANTIPHON_OWNER_KEY" in this.#settings ? [] : ["--no-auth"];
    const given = Object.fromEntries(Object.entries(this.#settings).filter(([, value]) => value !== ""));
    const child = spawn(PROGRAM, ["serve", "--port", String(this.port), "--data-dir", this.#folder, ...open], {
      env: { ...process.env, PYTHONPATH: SOURCES, ANTIPHON_HOST: "127.0.0.1", ANTIPHON_LIMITS_MESSAGES_PER_MINUTE: "0", ANTIPHON_CHAT_TITLES: "false", ANTIPHON_CHAT_DISCOVER: "false", ...given },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const keep = (data: Buffer): void => {
      this.output += data.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const deadline = Date.now() + START_LIMIT_MS;
    while (Date.now() < deadline) {
      if (child.exitCode !== null) throw new Error(`the server ended:\n${this.output.slice(-3000)}`);
      const up = await fetch(`${this.url}/healthz`).then(answer => answer.ok, () => false);
      if (up) return;
      await pause(50);
    }
    throw new Error(`the server did not start:\n${this.output.slice(-3000)}`);
  }

  async call(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { "Content-Type": "application/json", ...("ANTIPHON_OWNER_KEY" in this.#settings ? { Authorization: `Bearer ${OWNER_KEY}` } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** SIGKILL: nothing is said to anybody. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise(resolve => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  async #samplesReady(): Promise<void> {
    if (this.#settings["ANTIPHON_SAMPLE"] === "false") return;
    const deadline = Date.now() + START_LIMIT_MS;
    while (Date.now() < deadline) {
      const workspaces = await this.call("GET", "/workspaces");
      const id = /"id":"(ws_\w+)"/.exec(JSON.stringify(workspaces))?.[1];
      if (id !== undefined) {
        const documents = JSON.stringify(await this.call("GET", `/workspaces/${id}/documents?limit=200`));
        const states = [...documents.matchAll(/"state":"(\w+)"/g)].map(found => found[1]);
        if (states.length >= 6 && states.every(state => state === "ready")) return;
      }
      await pause(100);
    }
    throw new Error(`the sample documents did not become ready:\n${this.output.slice(-2000)}`);
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
