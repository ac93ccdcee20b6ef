import { createContext, useContext, useSyncExternalStore } from "react";
import type { Readable } from "../state";
import type { Desk } from "./desk";

export const DeskContext = createContext<Desk | null>(null);

export function useDesk(): Desk {
  const desk = useContext(DeskContext);
  if (desk === null) throw new Error("There is no desk here: this part needs somebody to be signed in.");
  return desk;
}

export function useStore<T>(store: Readable<T>): T {
  return useSyncExternalStore(listener => store.subscribe(listener), () => store.get());
}
