// What was typed and not sent, for each conversation; cleared exactly when it is sent. `null`: the conversation that is not yet.
const PREFIX = "antiphon.draft.";

export function readDraft(sessionId: string | null): string {
  try {
    return localStorage.getItem(PREFIX + (sessionId ?? "new")) ?? "";
  } catch {
    return "";
  }
}

export function keepDraft(sessionId: string | null, text: string): void {
  try {
    if (text) localStorage.setItem(PREFIX + (sessionId ?? "new"), text);
    else localStorage.removeItem(PREFIX + (sessionId ?? "new"));
  } catch {
    // the draft lives as long as the page
  }
}
