import { ERROR_CODES, isRecord, type ErrorCode, type WireFailure } from "../protocol";

/** What went wrong, under the server's code, or under one of the client's own: no connection, an answer that is no answer. */
export type FailureCode = ErrorCode | "offline" | "malformed_answer";

/** `status`: of HTTP; 0 for what came over a socket or not at all. */
export class ClientError extends Error {
  readonly code: FailureCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly requestId: string | null;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: FailureCode, message: string, more: { status?: number; retryable?: boolean; requestId?: string | null; data?: Readonly<Record<string, unknown>> } = {}) {
    super(message);
    this.name = "ClientError";
    this.code = code;
    this.status = more.status ?? 0;
    this.retryable = more.retryable ?? (code === "offline");
    this.requestId = more.requestId ?? null;
    this.data = more.data ?? {};
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return code in ERROR_CODES;
}

/** A code this client does not know (a newer server's) counts as `internal`; its sentence is kept. */
export function failureFromWire(failure: WireFailure, status = 0): ClientError {
  const code = isErrorCode(failure.code) ? failure.code : "internal";
  return new ClientError(code, failure.message, { status, retryable: failure.retryable ?? ERROR_CODES[code], data: failure.data ?? {} });
}

/** The error of a REST answer that is not ok; a proxy in between may have answered without our JSON. */
export function failureFromBody(body: unknown, status: number, statusText: string): ClientError {
  const error = isRecord(body) ? body["error"] : undefined;
  if (!isRecord(error) || typeof error["code"] !== "string" || typeof error["message"] !== "string") {
    return new ClientError(status === 404 ? "not_found" : "internal", statusText || `HTTP ${status}`, { status, retryable: status >= 500 });
  }
  const code = isErrorCode(error["code"]) ? error["code"] : "internal";
  return new ClientError(code, error["message"], {
    status,
    retryable: error["retryable"] === true,
    requestId: typeof error["request_id"] === "string" ? error["request_id"] : null,
    data: isRecord(error["data"]) ? error["data"] : {},
  });
}

export function asClientError(problem: unknown): ClientError {
  if (problem instanceof ClientError) return problem;
  return new ClientError("internal", problem instanceof Error ? problem.message : String(problem));
}
