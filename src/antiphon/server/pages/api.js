// REST: JSON in, JSON out; errors carry the server's code and sentence.
import { text } from "./texts.js";

export class ApiError extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
  }
}

export async function api(method, path, body) {
  const options = { method, headers: {}, credentials: "same-origin" };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, options);
  } catch {
    throw new ApiError(0, { code: "offline", message: text("offline") });
  }
  let content = {};
  try {
    content = await answer.json();
  } catch {
    // a proxy in between may answer without JSON
  }
  if (!answer.ok) throw new ApiError(answer.status, content.error ?? { code: "internal", message: answer.statusText });
  return content;
}
