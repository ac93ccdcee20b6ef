// axe on every view in both themes and languages, the phone layout, the budgets of the first load, layout that does not shift.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answered, ask, byId, launch, open, person } from "./desk";
import { FakeModel, slowScript } from "./model";
import { Server } from "./server";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const QUESTION = { "en-US": "How many days of annual leave do full-time employees have?", "zh-CN": "全职员工有多少天年假？" } as const;
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

async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in window))) await page.addScriptTag({ content: AXE });
  const told: unknown = await page.evaluate(async () => {
    const axe: unknown = Reflect.get(window, "axe");
    const run: unknown = typeof axe === "object" && axe !== null ? Reflect.get(axe, "run") : null;
    if (typeof run !== "function") throw new Error("no axe");
    const found: unknown = await Reflect.apply(run, axe, [document, { resultTypes: ["violations"] }]);
    return found;
  });
  const list: unknown = typeof told === "object" && told !== null ? Reflect.get(told, "violations") : null;
  return Array.isArray(list) ? list.map(one => JSON.stringify(one).slice(0, 600)) : ["no result"];
}

for (const [locale, colorScheme] of [["en-US", "light"], ["zh-CN", "dark"], ["en-US", "dark"], ["zh-CN", "light"]] as const) {
  test(`axe finds nothing: ${locale}, ${colorScheme}`, async () => {
    model.script = { pieces: ["Everybody has **28 days** [1] and [2], `code`, [x](https://a.example).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\nx = 1 # c\n```\n"], everyMs: 5 };
    const context = await person(browser, { locale, colorScheme, bypassCSP: true });
    const page = await open(context, server.url);
    expect(await violations(page), "empty").toEqual([]);
    await ask(page, QUESTION[locale]);
    await answered(page);
    await page.locator("pre .hljs-comment").first().waitFor();
    expect(await violations(page), "answer").toEqual([]);
    await byId(page, "citation").first().click();
    await byId(page, "evidence-highlight").first().waitFor();
    expect(await violations(page), "evidence").toEqual([]);
    await page.goto(`${server.url}/documents`);
    await byId(page, "document-row").first().waitFor();
    expect(await violations(page), "documents").toEqual([]);
    await context.close();
  });
}

test("a phone: one column, nothing beyond its edge, evidence as a sheet, the list over the page", async () => {
  model.script = { pieces: ["Everybody has 28 days [1]. ", "A_very_long_word_".repeat(12)], everyMs: 5 };
  const context = await person(browser, { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
  const page = await open(context, server.url);
  await ask(page, QUESTION["en-US"]);
  await answered(page);
  const beyond = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(await beyond()).toBe(0);
  await byId(page, "citation").first().tap();
  await byId(page, "evidence-highlight").first().waitFor();
  const sheet = await page.locator(".side-panel").boundingBox();
  const mark = await byId(page, "evidence-highlight").first().boundingBox();
  expect(sheet?.x).toBe(0);
  expect(sheet?.width).toBe(360);
  expect((mark?.y ?? 0) - (sheet?.y ?? 0)).toBeLessThan((sheet?.height ?? 0) * 0.75);
  expect(await beyond()).toBe(0);
  await byId(page, "evidence-close").tap();
  await byId(page, "toggle-list").tap();
  await byId(page, "new-session").tap();
  await page.waitForURL(url => url.pathname === "/");
  for (const testId of ["send", "toggle-list"]) {
    const box = await byId(page, testId).boundingBox();
    expect(Math.min(box?.width ?? 0, box?.height ?? 0), testId).toBeGreaterThanOrEqual(testId === "send" ? 44 : 24);
  }
  for (const width of [320, 2560]) {
    await page.setViewportSize({ width, height: 640 });
    expect(await beyond(), String(width)).toBe(0);
  }
  await context.close();
});

test("the first load keeps its budget: 300 KB of scripts, 15 requests, all of them ours", async () => {
  const context = await person(browser);
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  await client.send("Network.enable");
  let requests = 0;
  let scripts = 0;
  const types = new Map<string, string>();
  client.on("Network.requestWillBeSent", event => {
    if (!event.request.url.includes("/api/")) requests++;
    expect(event.request.url.startsWith(server.url)).toBe(true);
  });
  client.on("Network.responseReceived", event => types.set(event.requestId, event.type));
  client.on("Network.loadingFinished", event => {
    if (types.get(event.requestId) === "Script") scripts += event.encodedDataLength;
  });
  await page.goto(server.url);
  await byId(page, "composer").waitFor();
  await page.waitForLoadState("networkidle");
  console.log(`first load: ${(scripts / 1024).toFixed(0)} KB of scripts, ${requests} requests`);
  expect(scripts).toBeGreaterThan(10_000);
  expect(scripts).toBeLessThan(300 * 1024);
  expect(requests).toBeLessThanOrEqual(15);
  await context.close();
});

test("a growing answer shifts nothing", async () => {
  model.script = { ...slowScript(250, 8), pieces: slowScript(250, 8).pieces.map((piece, i) => (i % 40 === 39 ? `${piece}[1] ` : piece)) };
  const context = await person(browser);
  const page = await open(context, server.url);
  await ask(page, QUESTION["en-US"]);
  await page.evaluate(() => {
    Reflect.set(window, "shift", 0);
    new PerformanceObserver(list => {
      for (const entry of list.getEntries()) Reflect.set(window, "shift", Number(Reflect.get(window, "shift")) + Number(Reflect.get(entry, "value")));
    }).observe({ type: "layout-shift" });
  });
  await answered(page);
  await page.waitForTimeout(1_000);
  expect(Number(await page.evaluate((): unknown => Reflect.get(window, "shift")))).toBeLessThanOrEqual(0.01);
  await context.close();
});

test("theme and language are chosen, and stay", async () => {
  const context = await person(browser);
  const page = await open(context, server.url);
  const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  expect(await background()).toBe("rgb(247, 248, 246)");
  await byId(page, "account-menu").click();
  await byId(page, "theme-dark").click();
  expect(await background()).toBe("rgb(18, 22, 20)");
  await byId(page, "account-menu").click();
  await byId(page, "language-zh").click();
  await page.getByPlaceholder("向文档提问").waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toMatch(/^zh/);
  await page.reload();
  await page.getByPlaceholder("向文档提问").waitFor();
  expect(await background()).toBe("rgb(18, 22, 20)");
  await context.close();
});
