// An answer belongs to no page: two tabs, a reload, a cut network, a killed server, stop, what was typed offline.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answers, answerText, answered, ask, byId, expectWords, grown, launch, lastAnswer, open, person, questions } from "./desk";
import { FakeModel, pause, slowScript } from "./model";
import { CuttableProxy } from "./proxy";
import { Server } from "./server";

let browser: Browser, server: Server, model: FakeModel, proxy: CuttableProxy, near: string;
beforeAll(async () => {
  model = await FakeModel.start();
  proxy = await CuttableProxy.start(() => server.port);
  near = `http://127.0.0.1:${proxy.port}`;
  [server, browser] = await Promise.all([
    Server.start({ ANTIPHON_CHAT_BASE_URL: model.baseUrl, ANTIPHON_CHAT_MODEL: "fake", ANTIPHON_AUTH_ORIGINS: near }), launch(),
  ]);
});
afterAll(async () => {
  await browser.close();
  proxy.stop();
  await server.stop();
  model.stop();
});

test("the question shows at once and the server's own takes its place", async () => {
  model.script = { ...slowScript(10, 10), firstAfterMs: 300 };
  const context = await person(browser);
  const page = await open(context, server.url);
  await byId(page, "composer").fill("How long is the annual leave?");
  const shownAfter = await page.evaluate(async () => {
    const box = document.querySelector<HTMLTextAreaElement>('[data-testid="composer"]');
    const began = performance.now();
    box?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    while (!document.querySelector('[data-role="user"]')) await new Promise(resolve => requestAnimationFrame(resolve));
    return performance.now() - began;
  });
  expect(shownAfter).toBeLessThan(100);
  await byId(page, "status-line").first().waitFor();
  expect(await page.locator(".sources-ahead li").count()).toBeGreaterThan(0); // sources stand before the first word
  await answered(page);
  expect(await questions(page).count()).toBe(1);
  expect(await questions(page).first().getAttribute("data-message-id")).toMatch(/^msg_/);
  expectWords(await answerText(page), 10);
  await context.close();
});

test("a second tab shows every token and can stop; what is there stays, with who stopped it", async () => {
  model.script = slowScript(400, 20);
  const context = await person(browser);
  const first = await open(context, server.url);
  await ask(first, "How long is the annual leave?");
  await grown(first, 60);
  const second = await open(context, first.url());
  await grown(second, 60);
  await byId(second, "stop").waitFor();
  const reaction = await second.evaluate(async () => {
    const button = document.querySelector<HTMLElement>('[data-testid="stop"]');
    const began = performance.now();
    button?.click();
    while (document.querySelector('[data-testid="stop"]')) await new Promise(resolve => requestAnimationFrame(resolve));
    return performance.now() - began;
  });
  expect(reaction).toBeLessThan(100); // 50 ms on a quiet machine: make bench
  await Promise.all([answered(first, "stopped"), answered(second, "stopped")]);
  expect(await answerText(first)).toBe(await answerText(second));
  expect((await answerText(first)).length).toBeGreaterThan(60);
  expect(await lastAnswer(first).locator(".outcome").innerText()).toMatch(/Stopped by /);
  await byId(first, "send").waitFor();
  await expect.poll(() => model.closedEarly).toBeGreaterThan(0);
  await context.close();
});

test("a reload in the middle: the same text, it goes on, stop and the draft are still there", async () => {
  model.script = slowScript(150, 20);
  const context = await person(browser);
  const page = await open(context, server.url);
  await ask(page, "How long is the annual leave?");
  await grown(page, 100);
  await byId(page, "composer").fill("and how much");
  await page.reload();
  await grown(page, 100);
  await byId(page, "stop").waitFor();
  expect(await byId(page, "composer").inputValue()).toBe("and how much");
  await answered(page);
  expectWords(await answerText(page), 150);
  await context.close();
});

test("the network is cut and comes back: nothing lost, nothing doubled, one quiet line", async () => {
  model.script = slowScript(400, 20);
  const context = await person(browser);
  const page = await open(context, near);
  await ask(page, "How long is the annual leave?");
  const before = await grown(page, 100);
  proxy.cut();
  await page.locator('[data-testid="connection-state"][data-state="reconnecting"]').waitFor();
  expect(await byId(page, "connection-state").innerText()).toContain("goes on on the server");
  await pause(3_000);
  expect((await answerText(page)).startsWith(before.slice(0, 80))).toBe(true); // the text on the screen stays
  const mendedAt = Date.now();
  proxy.mend();
  await page.locator('[data-testid="connection-state"][data-state="live"]').waitFor();
  expect(Date.now() - mendedAt).toBeLessThan(2_500); // a second on a quiet machine
  await answered(page);
  expectWords(await answerText(page), 400);
  await context.close();
});

test("what is asked offline waits, also over a reload, and is sent once", async () => {
  model.script = slowScript(5, 5);
  const context = await person(browser);
  const page = await open(context, near);
  await ask(page, "How long is the annual leave?");
  await answered(page);
  proxy.cut();
  await page.locator('[data-testid="connection-state"][data-state="reconnecting"]').waitFor();
  await ask(page, "And for part-time employees?");
  await page.getByText("Waits to be sent").waitFor();
  const askedBefore = model.asked;
  proxy.mend();
  await page.reload();
  await expect.poll(() => questions(page).count()).toBe(2);
  await expect.poll(() => answers(page).count()).toBe(2);
  await answered(page);
  await pause(500);
  expect(await questions(page).allInnerTexts()).toEqual(["How long is the annual leave?", "And for part-time employees?"]);
  expect(model.asked - askedBefore).toBeLessThanOrEqual(2); // one answer (and perhaps one condensed question)
  expect(await page.evaluate(() => localStorage.getItem("antiphon.outbox"))).toBe(null);
  await context.close();
});

test("the server is killed in the middle and started again: the text stays, marked, with a way on", async () => {
  model.script = slowScript(400, 20);
  const context = await person(browser);
  const page = await open(context, server.url);
  await ask(page, "How long is the annual leave?");
  await grown(page, 200);
  await server.kill();
  await page.locator('[data-testid="connection-state"][data-state="reconnecting"]').waitFor();
  expect((await answerText(page)).length).toBeGreaterThan(150);
  await server.launch();
  await answered(page, "interrupted");
  expect((await answerText(page)).length).toBeGreaterThan(100);
  expect(await lastAnswer(page).locator(".outcome").innerText()).toContain("Interrupted");
  model.script = slowScript(6, 5);
  await lastAnswer(page).getByRole("button", { name: "Ask again" }).click();
  await expect.poll(() => answers(page).count()).toBe(2);
  await answered(page);
  expectWords(await answerText(page), 6);
  await context.close();
});
