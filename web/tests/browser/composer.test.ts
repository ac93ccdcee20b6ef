// What goes into the box and when it is sent: input methods, keys, drafts, Markdown that grows, following the text.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answerText, answered, ask, byId, grown, lastAnswer, launch, open, person, questions } from "./desk";
import { FakeModel, pause, slowScript } from "./model";
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

/** Composes 你好 as an input method does and confirms it with Enter, in one of the two orders of events. */
async function compose(page: Page, order: "enter while composing" | "end before enter"): Promise<void> {
  await byId(page, "composer").focus();
  const client = await page.context().newCDPSession(page);
  await client.send("Input.imeSetComposition", { text: "ni hao", selectionStart: 6, selectionEnd: 6 });
  await pause(120);
  const enter = (init: object): Promise<void> => page.evaluate(given => {
    const event = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...given });
    document.querySelector('[data-testid="composer"]')?.dispatchEvent(event);
  }, init);
  if (order === "enter while composing") {
    await enter({ isComposing: true, keyCode: 229 });
    await client.send("Input.insertText", { text: "你好" });
  } else {
    await client.send("Input.insertText", { text: "你好" });
    await enter({ keyCode: 229 });
  }
  await pause(300);
}

test("an input method's Enter sends nothing, in either order; the next one does", async () => {
  const context = await person(browser, { locale: "zh-CN" });
  const page = await open(context, server.url);
  for (const order of ["enter while composing", "end before enter"] as const) {
    await byId(page, "composer").fill("");
    await compose(page, order);
    expect(await questions(page).count(), order).toBe(0);
    expect(await byId(page, "composer").inputValue(), order).toBe("你好");
  }
  await byId(page, "composer").press("Enter");
  await answered(page);
  expect(await questions(page).innerText()).toBe("你好");
  expect(await questions(page).locator(".question-text").getAttribute("lang")).toBe("zh");
  await context.close();
});

test("keys: a new line, the last question back, stop by Escape, a new conversation; drafts are kept apart", async () => {
  model.script = slowScript(300, 20);
  const context = await person(browser);
  const page = await open(context, server.url);
  const box = byId(page, "composer");
  await box.fill("one");
  await box.press("Shift+Enter");
  await box.pressSequentially("two");
  expect(await box.inputValue()).toBe("one\ntwo");
  await box.press("Enter");
  await grown(page, 40);
  await box.fill("a draft here");
  await box.press("Enter"); // an answer is being written: nothing is lost
  expect(await box.inputValue()).toBe("a draft here");
  expect(await byId(page, "connection-state").innerText()).toContain("being written");
  await page.keyboard.press("Escape");
  await answered(page, "stopped");
  await page.keyboard.press("Control+Shift+O");
  await page.waitForURL(url => url.pathname === "/");
  expect(await box.inputValue()).toBe("");
  await box.fill("another draft");
  await page.goBack();
  await expect.poll(() => box.inputValue()).toBe("a draft here");
  await box.fill("");
  await box.press("ArrowUp");
  expect(await box.inputValue()).toBe("one\ntwo");
  await context.close();
});

const RICH = `## Leave

| Kind | Days |
|---|---:|
| Annual | **28** |
| Care | 10 |

\`\`\`python
def leave(years: int) -> int:
    return 28 + 2 * years  # a comment
\`\`\`

The sum is $\\frac{a}{b}$ and <img src=x onerror=alert(1)> <script>alert(2)</script> [bad](javascript:alert(3)) ![far](https://far.example/x.png)

- one [1]
- two

End.`;

test("Markdown grows without raw syntax, is set at the end, and nothing in it runs or loads", async () => {
  model.script = { pieces: RICH.match(/[\s\S]{1,7}/g) ?? [], everyMs: 8 };
  const context = await person(browser);
  const page = await open(context, server.url);
  const requests: string[] = [];
  page.on("request", request => requests.push(request.url()));
  await page.evaluate(() => {
    const seen: string[] = [];
    Reflect.set(window, "seenRaw", seen);
    new MutationObserver(() => {
      const text = [...document.querySelectorAll('[data-role="assistant"] .answer-text')].at(-1)?.textContent ?? "";
      if (/\*\*|\|-|```|\[1(?!\])|\$\\|^## /m.test(text)) seen.push(text.slice(-40));
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await ask(page, "How long is the annual leave?");
  await answered(page);
  expect(await page.evaluate((): unknown => Reflect.get(window, "seenRaw"))).toEqual([]);
  const answer = lastAnswer(page);
  expect(await answer.locator("table td strong").innerText()).toBe("28");
  await answer.locator("pre .hljs-keyword").first().waitFor();
  await answer.locator(".katex .mfrac").first().waitFor();
  expect(await answer.locator("img, script, a[href^='javascript']").count()).toBe(0);
  expect(await answerText(page)).toContain("<img src=x onerror=alert(1)>");
  expect(requests.filter(address => !address.startsWith(server.url))).toEqual([]);
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await answer.getByRole("button", { name: "Copy code" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("def leave");
  await context.close();
});

test("reading up stops following at once; a selection lasts; the button goes back to the end", async () => {
  model.script = slowScript(900, 8);
  const context = await person(browser, { viewport: { width: 1000, height: 500 } });
  const page = await open(context, server.url);
  await ask(page, "How long is the annual leave?");
  await grown(page, 3_000);
  const scroll = byId(page, "conversation");
  const place = (): Promise<{ top: number; gap: number }> => scroll.evaluate(element => ({ top: element.scrollTop, gap: element.scrollHeight - element.scrollTop - element.clientHeight }));
  expect((await place()).gap).toBeLessThan(30);
  await scroll.hover();
  await page.mouse.wheel(0, -60);
  await pause(250);
  const left = await place();
  await page.evaluate(() => {
    const text = document.querySelector('[data-role="assistant"] .md-block p')?.firstChild;
    if (text) document.getSelection()?.setBaseAndExtent(text, 0, text, 12);
  });
  const chosen = await page.evaluate(() => document.getSelection()?.toString());
  await grown(page, 5_000);
  expect(Math.abs((await place()).top - left.top)).toBeLessThan(2);
  expect(await page.evaluate(() => document.getSelection()?.toString())).toBe(chosen);
  await byId(page, "to-end").click();
  await expect.poll(async () => (await place()).gap).toBeLessThan(30);
  await byId(page, "stop").click();
  await context.close();
});
