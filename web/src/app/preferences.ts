// What a person chose on this device. `public/theme.js` reads the same key before the first paint.
import { isRecord } from "../protocol";
import { Store } from "../state";

export type Theme = "system" | "light" | "dark";
export type LanguageChoice = "system" | "en" | "zh";

export interface Preferences {
  readonly theme: Theme;
  readonly language: LanguageChoice;
  readonly workspaceId: string | null;
  readonly listShown: boolean;
  /** Share of the window that the evidence viewer takes, 0.25..0.7. */
  readonly viewerShare: number;
  readonly model: string | null;
}

const KEY = "antiphon.preferences";
const DEFAULTS: Preferences = { theme: "system", language: "system", workspaceId: null, listShown: true, viewerShare: 0.45, model: null };

function one<T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T {
  return allowed.find(known => known === value) ?? otherwise;
}

function load(): Preferences {
  let kept: unknown = null;
  try {
    kept = JSON.parse(localStorage.getItem(KEY) ?? "null");
  } catch {
    // private windows may have no storage; a broken value is forgotten
  }
  if (!isRecord(kept)) return DEFAULTS;
  const share = kept["viewerShare"];
  return {
    theme: one(kept["theme"], ["system", "light", "dark"], "system"),
    language: one(kept["language"], ["system", "en", "zh"], "system"),
    workspaceId: typeof kept["workspaceId"] === "string" ? kept["workspaceId"] : null,
    listShown: kept["listShown"] !== false,
    viewerShare: typeof share === "number" && share >= 0.25 && share <= 0.7 ? share : DEFAULTS.viewerShare,
    model: typeof kept["model"] === "string" ? kept["model"] : null,
  };
}

export const preferences = new Store<Preferences>(typeof localStorage === "undefined" ? DEFAULTS : load());

export function prefer(changes: Partial<Preferences>): void {
  preferences.update(before => ({ ...before, ...changes }));
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences.get()));
  } catch {
    // it holds for this visit
  }
}

/** Puts the theme on the page, now and at each change. */
export function showTheme(): void {
  const show = (): void => {
    const { theme } = preferences.get();
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  };
  show();
  preferences.subscribe(show);
}
