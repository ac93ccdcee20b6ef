// Addresses of the page <-> routes. The server answers each of these paths with the page (server/web_app.py, PAGE_PATHS).
import { useSyncExternalStore } from "react";

export type Route =
  /** `mark`: `{message id}.{n}`, the citation whose evidence is open. */
  | { readonly name: "conversation"; readonly sessionId: string | null; readonly mark: string | null }
  | { readonly name: "documents" }
  | { readonly name: "document"; readonly documentId: string; readonly place: Place }
  | { readonly name: "settings"; readonly section: string | null }
  | { readonly name: "signIn" }
  | { readonly name: "unknown" };

/** A passage: code points [start, end) of a page's text, in a version of the document. */
export interface Place {
  readonly page: number;
  readonly start: number | null;
  readonly end: number | null;
  readonly version: number | null;
}

export function routeOf(address: URL): Route {
  const [first = "", second = "", third] = address.pathname.split("/").slice(1).map(part => decode(part));
  if (third !== undefined && third !== "") return { name: "unknown" };
  switch (first) {
    case "": {
      const named = new URLSearchParams(address.hash.slice(1)).get("session"); // addresses of the first pages
      return second ? { name: "unknown" } : { name: "conversation", sessionId: named, mark: null };
    }
    case "c":
      return second ? { name: "conversation", sessionId: second, mark: address.searchParams.get("m") } : { name: "unknown" };
    case "d":
      return second ? { name: "document", documentId: second, place: placeOf(address.searchParams) } : { name: "unknown" };
    case "documents":
      return second ? { name: "unknown" } : { name: "documents" };
    case "settings":
      return { name: "settings", section: second || null };
    case "sign-in":
      return second ? { name: "unknown" } : { name: "signIn" };
    default:
      return { name: "unknown" };
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function placeOf(query: URLSearchParams): Place {
  const whole = (name: string): number | null => {
    const text = query.get(name);
    return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null;
  };
  const [start = null, end = null] = (/^(\d{1,9})-(\d{1,9})$/.exec(query.get("m") ?? "") ?? []).slice(1).map(Number);
  return { page: Math.max(1, whole("p") ?? 1), start, end, version: whole("v") };
}

export function addressOf(route: Route): string {
  switch (route.name) {
    case "conversation": {
      if (route.sessionId === null) return "/";
      return `/c/${encodeURIComponent(route.sessionId)}${route.mark === null ? "" : `?m=${encodeURIComponent(route.mark)}`}`;
    }
    case "document": {
      const { page, start, end, version } = route.place;
      const query = new URLSearchParams({ p: String(page) });
      if (start !== null && end !== null) query.set("m", `${start}-${end}`);
      if (version !== null) query.set("v", String(version));
      return `/d/${encodeURIComponent(route.documentId)}?${query.toString()}`;
    }
    case "documents":
      return "/documents";
    case "settings":
      return route.section === null ? "/settings" : `/settings/${encodeURIComponent(route.section)}`;
    case "signIn":
      return "/sign-in";
    case "unknown":
      return "/";
  }
}

const listeners = new Set<() => void>();
let current = typeof location === "undefined" ? null : location.href;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function announce(): void {
  current = location.href;
  for (const listener of listeners) listener();
}

if (typeof window !== "undefined") {
  window.addEventListener("popstate", announce);
  window.addEventListener("hashchange", announce);
}

export function go(route: Route, how: "push" | "replace" = "push"): void {
  const address = addressOf(route);
  if (how === "push" && address !== `${location.pathname}${location.search}`) history.pushState({ within: true }, "", address);
  else history.replaceState(history.state, "", address);
  announce();
}

/** Back, when the place before was ours; else to `otherwise`. */
export function back(otherwise: Route): void {
  const state: unknown = history.state;
  if (typeof state === "object" && state !== null && "within" in state) history.back();
  else go(otherwise, "replace");
}

export function useRoute(): Route {
  const address = useSyncExternalStore(subscribe, () => current);
  return address === null ? { name: "unknown" } : routeOf(new URL(address));
}
