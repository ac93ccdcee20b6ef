import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "../../../src/app/text/en.json";
import zh from "../../../src/app/text/zh.json";
import { errorTexts, speech } from "../../../src/app/text/i18n";
import { ERROR_CODES } from "../../../src/protocol";

const stem = (key: string): string => key.replace(/_(one|other)$/, "");
const languages: Readonly<Record<string, Readonly<Record<string, string>>>> = { en, zh };

function sources(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map(entry => readFileSync(join(entry.parentPath, entry.name), "utf8")).join("\n");
}

test("every text is there in both languages, with the same values", () => {
  expect(new Set(Object.keys(zh).map(stem))).toEqual(new Set(Object.keys(en).map(stem)));
  const values = (text: string): string[] => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(found => found[1] ?? "").sort();
  for (const [key, text] of Object.entries(languages["zh"] ?? {})) {
    expect(text.trim(), key).not.toBe("");
    expect(values(text), key).toEqual(values(languages["en"]?.[key] ?? ""));
  }
});

test("each plural is whole", () => {
  for (const key of Object.keys(en)) if (key.endsWith("_one")) expect(en).toHaveProperty([`${stem(key)}_other`]);
});

test("every text is used, and none is written into the source", () => {
  const whole = sources(new URL("../../../src", import.meta.url).pathname);
  for (const key of new Set(Object.keys(en).map(stem))) {
    if (!key.startsWith("error.")) expect(whole.includes(`"${key}"`), key).toBe(true);
  }
  expect(whole).not.toMatch(/>[A-Z][a-z]+ [a-z]+[^<{]*<\//); // a sentence between tags
});

test("each error code of the server has its sentence and a way out in both languages", () => {
  for (const code of [...Object.keys(ERROR_CODES), "offline", "malformed_answer"]) {
    for (const texts of [en, zh]) {
      expect(texts).toHaveProperty([`error.${code}`]);
      expect(texts).toHaveProperty([`error.${code}.way`]);
    }
  }
  expect(errorTexts(speech.get().t, "not_found").sentence).toBe(en["error.not_found"]);
});

test("Chinese is set as Chinese", () => {
  for (const [key, text] of Object.entries(zh)) {
    expect(text, key).not.toMatch(/[\u4e00-\u9fff][,;:!?]|[\u4e00-\u9fff]\.(?!\w)|\.\.\./); // full-width punctuation
    expect(text, key).not.toMatch(/ {2,}/);
  }
});

test("no key stands twice", () => {
  for (const language of ["en", "zh"]) {
    const text = readFileSync(new URL(`../../../src/app/text/${language}.json`, import.meta.url), "utf8");
    const keys = [...text.matchAll(/^ {2}"([^"]+)":/gm)].map(found => found[1]);
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  }
});
