// Sentences that float for a moment, with perhaps one thing to do: deleted (undo), an answer elsewhere is ready (open).
import { Store } from "../state";

export interface FloatingNotice {
  readonly id: number;
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const SHOWN_MS = 7_000;
let last = 0;

export const notices = new Store<readonly FloatingNotice[]>([]);

/** `onGone` runs when the notice goes without its action having been chosen. */
export function tell(text: string, action?: FloatingNotice["action"], onGone?: () => void): void {
  const id = ++last;
  let acted = false;
  const remove = (): void => notices.update(all => all.filter(notice => notice.id !== id));
  const timer = setTimeout(() => {
    remove();
    if (!acted) onGone?.();
  }, SHOWN_MS);
  const run = (): void => {
    acted = true;
    clearTimeout(timer);
    remove();
    action?.run();
  };
  notices.update(all => [...all.slice(-2), { id, text, ...(action === undefined ? {} : { action: { ...action, run } }) }]);
}
