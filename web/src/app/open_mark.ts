// Which marks were opened, and where the focus goes back to when the evidence is closed.
import { Store } from "../state";
import { go, routeOf } from "./router";

export const visitedMarks = new Store<ReadonlySet<string>>(new Set());
let origin: HTMLElement | null = null;

/** Opens the evidence of a mark beside the conversation that is shown. */
export function openMark(mark: string, from: HTMLElement | null): void {
  const route = routeOf(new URL(location.href));
  if (route.name !== "conversation" || route.sessionId === null) return;
  if (from !== null) origin = from;
  visitedMarks.update(before => new Set(before).add(mark));
  // From mark to mark the address is replaced: one step back closes the evidence.
  go({ ...route, mark }, route.mark === null ? "push" : "replace");
}

export function returnToMark(): void {
  if (origin?.isConnected === true) origin.focus();
  origin = null;
}
