// Ask over a real PDF and open the marked passage; links to it; what cannot be shown.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answered, answers, ask, byId, launch, open, person } from "./desk";
import { FakeModel } from "./model";
import { Server } from "./server";

let browser: Browser, server: Server, model: FakeModel;
beforeAll(async () => {
  model = await FakeModel.start();
  [server, browser] = await Promise.all([Server.start({ ANTIPHON_CHAT_BASE_URL: model.baseUrl, ANTIPHON_CHAT_MODEL: "fake" }), launch()]);
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  model.stop();
});

test("a question over a PDF, its mark, and the passage on its page", async () => {
  model.script = { pieces: ["Everybody who works full time has ", "**28 days** of annual leave [1]. ", "More with service [2], and this has none [77]."], everyMs: 5 };
  const context = await person(browser);
  const page = await open(context, server.url);
  await ask(page, "How many days of annual leave do full-time employees have?");
  await answered(page);
  const marks = byId(page, "citation");
  expect(await marks.allInnerTexts()).toEqual(["1", "2", "77?"]);
  expect(await answers(page).locator("strong").innerText()).toBe("28 days");
  await marks.first().hover();
  expect(await page.locator(".hover-card").innerText()).toMatch(/page \d+/);
  await marks.first().click();
  await byId(page, "evidence-highlight").first().waitFor();
  expect(page.url()).toMatch(/\?m=msg_\w+\.1$/);
  // The yellow lies on the words that the mark cites, and in the upper part of the frame.
  const found = await page.evaluate(() => {
    const box = document.querySelector('[data-testid="evidence-highlight"]')?.getBoundingClientRect();
    const frame = document.querySelector(".pdf-frame")?.getBoundingClientRect();
    const words = [...document.querySelectorAll(".pdf-text span")].filter(span => {
      const place = span.getBoundingClientRect();
      return box && place.width > 0 && place.top < box.bottom - 2 && place.bottom > box.top + 2 && place.left < box.right && place.right > box.left;
    });
    return { words: words.map(span => span.textContent).join(" "), share: box && frame ? (box.top - frame.top) / frame.height : 1 };
  });
  const snippet = await byId(page, "source").first().evaluate(() => document.querySelector(".margin-quote")?.textContent ?? "");
  expect(found.words.length).toBeGreaterThan(3);
  expect(found.share).toBeLessThan(0.6);
  if (snippet) expect(snippet.replace(/\s+/g, " ")).toContain(found.words.trim().split(" ")[0]);
  await expectNext(page);
  await page.keyboard.press("Escape");
  await page.waitForURL(url => !url.search);
  expect(await byId(page, "evidence").count()).toBe(0);
  expect(await page.evaluate(() => document.activeElement?.getAttribute("data-testid"))).toBe("citation");
  await context.close();

  async function expectNext(shown: typeof page): Promise<void> {
    await byId(shown, "evidence-next").click();
    await shown.waitForURL(/\.2$/);
    expect(await byId(shown, "evidence-position").innerText()).toContain("2");
    await byId(shown, "evidence-highlight").first().waitFor();
  }
});

test("a link to a passage opens it, in a text too", async () => {
  model.script = { pieces: ["It measures flow [1]."], everyMs: 5 };
  const context = await person(browser);
  const page = await open(context, server.url);
  await ask(page, "What does the flow meter FM-200 measure?");
  await answered(page);
  const link = await byId(page, "citation").first().getAttribute("href");
  expect(link).toMatch(/^\/d\/doc_/);
  const other = await context.newPage();
  await other.goto(server.url + (link ?? ""));
  await byId(other, "evidence-highlight").first().waitFor();
  expect((await byId(other, "evidence-highlight").first().innerText()).length).toBeGreaterThan(10);
  await context.close();
});

test("a passage that is not there any more is said to be gone, and kept", async () => {
  model.script = { pieces: ["The cabinet is kept clean [1]."], everyMs: 5 };
  const context = await person(browser);
  const page = await open(context, server.url);
  await ask(page, "恒温箱如何清洁？");
  await answered(page);
  const documentId = /doc_\w+/.exec((await byId(page, "citation").first().getAttribute("href")) ?? "")?.[0] ?? "";
  await server.call("DELETE", `/documents/${documentId}`);
  await byId(page, "citation").first().click();
  await page.getByText("has been deleted").waitFor();
  expect(await byId(page, "evidence-highlight").count()).toBe(0);
  await context.close();
});
