// What the browser tests do on the page, in the words of a person.
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Locator, type Page } from "playwright-core";
import { afterEach, expect } from "vitest";

const CHROMIUM = process.env["ANTIPHON_CHROMIUM"] ?? "/usr/bin/chromium";

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"] });
}

const troubles: string[] = [];

/** A context whose pages may report nothing: no policy violation, no error of a script. */
export async function person(browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, locale: "en-US", reducedMotion: "reduce", ...options });
  context.on("page", page => {
    page.on("pageerror", problem => troubles.push(`script: ${problem.message}`));
    page.on("console", message => {
      const text = message.text();
      if (/Content Security Policy|Refused to|violates/i.test(text)) troubles.push(`policy: ${text}`);
      if (message.type() === "error" && !/Failed to load resource|WebSocket connection|ERR_/.test(text)) troubles.push(`console: ${text}`);
    });
  });
  return context;
}

afterEach(() => {
  expect(troubles.splice(0)).toEqual([]);
});

export const byId = (page: Page, testId: string): Locator => page.getByTestId(testId);
export const answers = (page: Page): Locator => page.locator('[data-testid="message"][data-role="assistant"]');
export const questions = (page: Page): Locator => page.locator('[data-testid="message"][data-role="user"]');
export const lastAnswer = (page: Page): Locator => answers(page).last();

export async function open(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await byId(page, "composer").waitFor();
  return page;
}

export async function ask(page: Page, question: string): Promise<void> {
  await byId(page, "composer").fill(question);
  await byId(page, "composer").press("Enter");
}

export async function answered(page: Page, state = "complete"): Promise<void> {
  await page.locator(`[data-testid="message"][data-role="assistant"][data-state="${state}"]`).last().waitFor();
}

/** Waits until the growing answer has at least so many characters; its text. */
export async function grown(page: Page, characters: number): Promise<string> {
  await page.waitForFunction(least => {
    const found = [...document.querySelectorAll('[data-role="assistant"] .answer-text')].at(-1);
    return (found?.textContent.length ?? 0) >= least;
  }, characters);
  return answerText(page);
}

export function answerText(page: Page): Promise<string> {
  return lastAnswer(page).locator(".answer-text").innerText();
}

/** The words of a slow script, in order: nothing lost, nothing doubled. */
export function expectWords(text: string, all: number): void {
  const numbers = [...text.matchAll(/word(\d+)/g)].map(found => Number(found[1]));
  expect(numbers).toEqual(Array.from({ length: all }, (_, i) => i));
}
