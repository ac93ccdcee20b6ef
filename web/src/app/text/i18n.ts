// i18next with flat keys, typed by the English texts. A missing key fails tests/unit/app/texts.test.ts.
import i18next from "i18next";
import { useSyncExternalStore } from "react";
import { Store } from "../../state";
import type { ClientError, FailureCode } from "../../client";
import { preferences, type LanguageChoice } from "../preferences";
import en from "./en.json";
import zh from "./zh.json";

type RawKey = keyof typeof en;
type WithoutPlural<K extends string> = K extends `${infer Stem}_one` | `${infer Stem}_other` ? Stem : K;
export type TextKey = WithoutPlural<RawKey>;
export type Language = "en" | "zh";
export type Values = Readonly<Record<string, string | number>>;
/** `t(key, values)`; `count` among the values chooses the plural. */
export type Translate = (key: TextKey, values?: Values) => string;

export interface Speech {
  readonly language: Language;
  /** For `Intl`, and `lang` of the page. */
  readonly locale: string;
  readonly t: Translate;
}

function languageFor(choice: LanguageChoice): { language: Language; locale: string } {
  const wanted = typeof navigator === "undefined" ? "en" : navigator.language;
  const systemIsChinese = wanted.toLowerCase().startsWith("zh");
  if (choice === "system") return systemIsChinese ? { language: "zh", locale: wanted } : { language: "en", locale: wanted.startsWith("en") ? wanted : "en" };
  return choice === "zh" ? { language: "zh", locale: systemIsChinese ? wanted : "zh-CN" } : { language: "en", locale: "en" };
}

const engine = i18next.createInstance();
void engine.init({
  resources: { en: { translation: en }, zh: { translation: zh } },
  lng: "en",
  fallbackLng: false,
  keySeparator: false,
  nsSeparator: false,
  initAsync: false,
  showSupportNotice: false,
  interpolation: { escapeValue: false }, // React escapes
});

function speechFor(choice: LanguageChoice): Speech {
  const { language, locale } = languageFor(choice);
  const fixed = engine.getFixedT(language);
  return { language, locale, t: (key, values) => fixed(key, { ...values }) };
}

export const speech = new Store<Speech>(speechFor(preferences.get().language));

/** Keeps the page's language with the preference. */
export function showLanguage(): void {
  const show = (): void => {
    const next = speechFor(preferences.get().language);
    if (next.language !== speech.get().language || next.locale !== speech.get().locale) speech.set(next);
    document.documentElement.lang = speech.get().locale;
  };
  show();
  preferences.subscribe(show);
}

export function useSpeech(): Speech {
  return useSyncExternalStore(speech.subscribe, speech.get);
}

/** The sentence of an error code in the reader's language, and the way out. */
export function errorTexts(t: Translate, code: FailureCode): { readonly sentence: string; readonly way: string } {
  return { sentence: t(`error.${code}`), way: t(`error.${code}.way`) };
}

/** One line for a failed request: our sentence, and the server's own words where they say more. */
export function errorLine(t: Translate, error: ClientError): string {
  const { sentence, way } = errorTexts(t, error.code);
  const detail = DETAILED.has(error.code) && error.message ? ` (${error.message})` : "";
  return `${sentence}${detail} ${way}`;
}

/** Their message names the field, the limit or the file. */
const DETAILED: ReadonlySet<FailureCode> = new Set(["bad_request", "too_large", "unsupported", "conflict", "model_error", "model_unavailable", "tool_failed", "quota_exceeded"]);
