// Deleting with undo: the conversation is gone from the list at once, and from the server when the notice is, or the page is left.
import type { Desk } from "../../app/desk";
import { tell } from "../../app/notices";
import type { WireSession } from "../../protocol";
import { Store } from "../../state";

export const deleting = new Store<ReadonlySet<string>>(new Set());

export function deleteWithUndo(desk: Desk, session: WireSession, texts: { readonly deleted: string; readonly undo: string }, failed: (problem: unknown) => void): void {
  deleting.update(before => new Set(before).add(session.id));
  const back = (): void => deleting.update(before => new Set([...before].filter(id => id !== session.id)));
  let done = false;
  const perform = (): void => {
    if (done) return;
    done = true;
    window.removeEventListener("pagehide", perform);
    desk.api.deleteSession(session.id).catch((problem: unknown) => {
      back();
      failed(problem);
    });
  };
  window.addEventListener("pagehide", perform);
  const undo = (): void => {
    done = true;
    window.removeEventListener("pagehide", perform);
    back();
  };
  tell(texts.deleted, { label: texts.undo, run: undo }, perform);
}
